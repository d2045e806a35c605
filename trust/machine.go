package trust

import (
	"bytes"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// What a machine may do, and is there for, as words in its line. Others are kept
// for those who know them.
const (
	RoleSend    = "send"    // it may ship to us
	RoleReceive = "receive" // we ship to it
)

// A Machine is one that we know.
type Machine struct {
	Name  string
	Key   PublicKey
	Roles []string
	Addrs []string // HOST:PORT, where it listens; may be empty
}

// Has says whether the machine has the role.
func (m Machine) Has(role string) bool { return slices.Contains(m.Roles, role) }

// How much one line has.
const (
	maxMachineLine = 4096
	maxRoles       = 16
	maxAddrs       = 16
	maxAddr        = 255
	maxMachineName = 63
)

var (
	machineNameOK = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	machineRoleOK = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)
)

// CheckMachineName says why a machine cannot have that name.
func CheckMachineName(name string) error {
	if !machineNameOK.MatchString(name) {
		return fmt.Errorf("%q is no name for a machine: it has 1 to %d of a-z, 0-9 and -, and - is not the first", clip(name), maxMachineName)
	}
	return nil
}

// CheckRoles says why a machine cannot have those roles.
func CheckRoles(roles []string) error {
	if len(roles) == 0 || len(roles) > maxRoles {
		return fmt.Errorf("%d roles: a machine has 1 to %d", len(roles), maxRoles)
	}
	for _, r := range roles {
		if !machineRoleOK.MatchString(r) {
			return fmt.Errorf("%q is no role of a machine: it is a word, as %s or %s", clip(r), RoleSend, RoleReceive)
		}
	}
	return nil
}

// CheckAddrs says why a machine cannot listen there.
func CheckAddrs(addrs []string) error {
	if len(addrs) > maxAddrs {
		return fmt.Errorf("%d addresses: a machine has at most %d", len(addrs), maxAddrs)
	}
	for _, a := range addrs {
		host, port, err := net.SplitHostPort(a)
		n, bad := strconv.ParseUint(port, 10, 16)
		if err != nil || bad != nil || n == 0 || host == "" || len(a) > maxAddr || strings.ContainsFunc(a, notInAddr) {
			return fmt.Errorf("%q is no address of a machine: want HOST:PORT, as hub.example.com:7447", clip(a))
		}
	}
	return nil
}

func notInAddr(r rune) bool { return r <= ' ' || r >= 0x7f || r == '#' || r == ',' }

// Valid says what is wrong with a machine.
func (m Machine) Valid() error {
	for _, err := range []error{CheckMachineName(m.Name), CheckRoles(m.Roles), CheckAddrs(m.Addrs)} {
		if err != nil {
			return err
		}
	}
	if m.Key == (PublicKey{}) {
		return fmt.Errorf("machine %s has no key", m.Name)
	}
	if len(m.line()) > maxMachineLine {
		return fmt.Errorf("machine %s has more than %d bytes", m.Name, maxMachineLine)
	}
	return nil
}

// line is NAME KEY ROLES [ADDR...].
func (m Machine) line() string {
	return strings.Join(append([]string{m.Name, m.Key.String(), strings.Join(m.Roles, ",")}, m.Addrs...), " ")
}

// equal says whether two lines say the same of what a machine is and may do.
func (m Machine) equal(other Machine) bool {
	return m.Name == other.Name && m.Key == other.Key && slices.Equal(m.Roles, other.Roles)
}

// A BadLine is one that says nothing we understand, and gives nobody anything.
type BadLine struct {
	Line   int // from 1
	Reason string
}

// machines is what a file of them says.
type machines struct {
	list  []Machine // in the order of the file
	at    []int     // the line of each, from 0
	bad   []BadLine
	lines int

	byKey  map[PublicKey]int // in list
	byName map[string]int
}

func (ms machines) lookup(key PublicKey) (m Machine, ok bool) {
	i, ok := ms.byKey[key]
	if ok {
		m = ms.list[i]
	}
	return m, ok
}

func (ms machines) named(name string) (m Machine, ok bool) {
	i, ok := ms.byName[name]
	if ok {
		m = ms.list[i]
	}
	return m, ok
}

// parseMachines reads the lines of a file. Of two with one name, or one key, the
// first counts.
func parseMachines(b []byte) machines {
	ms := machines{byKey: map[PublicKey]int{}, byName: map[string]int{}}
	for line := range bytes.Lines(b) {
		if ms.lines++; ms.lines > maxLines {
			break
		}
		if line = bytes.TrimSpace(line); len(line) == 0 || line[0] == '#' {
			continue
		}
		m, err := parseMachine(line)
		if err == nil {
			err = ms.clash(m)
		}
		if err != nil {
			ms.bad = append(ms.bad, BadLine{ms.lines, err.Error()})
			continue
		}
		ms.byKey[m.Key], ms.byName[m.Name] = len(ms.list), len(ms.list)
		ms.list, ms.at = append(ms.list, m), append(ms.at, ms.lines-1)
	}
	return ms
}

func (ms machines) clash(m Machine) error {
	if i, taken := ms.byKey[m.Key]; taken {
		return fmt.Errorf("the key is that of line %d", ms.at[i]+1)
	}
	if i, taken := ms.byName[m.Name]; taken {
		return fmt.Errorf("the name is that of line %d", ms.at[i]+1)
	}
	return nil
}

func parseMachine(line []byte) (m Machine, err error) {
	if len(line) > maxMachineLine {
		return m, fmt.Errorf("longer than %d bytes", maxMachineLine)
	}
	f := strings.Fields(string(line))
	if len(f) < 3 {
		return m, fmt.Errorf("%d words: want NAME KEY ROLES [ADDR...]", len(f))
	}
	m = Machine{Name: f[0], Roles: strings.Split(f[2], ","), Addrs: f[3:]}
	if m.Key, err = ParsePublicKey(f[1]); err != nil {
		return m, err
	}
	return m, m.Valid()
}
