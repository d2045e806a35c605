package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fairlead/internal/config"
	"fairlead/trust"
)

// machinesPort carries all that machines say to each other.
const machinesPort = 7447

func newInvite(c *common) *cobra.Command {
	i := &inviteCommand{common: c}
	cmd := &cobra.Command{
		Use:   "invite [flags]",
		Short: "let machines join: prints a join token",
		Example: `  fairlead invite                              one machine may ship to this one
  fairlead invite --uses 20 --ttl 2h           twenty, in the next two hours
  fairlead invite --advertise logs.example.com:7447
  fairlead invite -q | ssh web1 fairlead join -`,
		Long: `Stdout has the join token alone. It has this machine's addresses and public key,
and a secret: whoever has it may join, until it is used up or expires. On the
other machine, "fairlead join TOKEN" makes each trust the other; from then on
their keys are enough.

The addresses are those of --advertise; or else where a running process listens
for machines; or else this machine's own, with port 7447. For a service give its
state, as --state /var/lib/fairlead: the key in the token must be its own.

Exit codes: 0 ok, 1 it could not be made, 2 usage.`,
		Args: wants(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return i.run(cmd.Context()) },
	}
	f := cmd.Flags()
	rolesFlag(f, &i.roles, []string{trust.RoleSend})
	f.IntVar(&i.uses, "uses", 1, "`N` machines may join by it")
	f.StringVar(&i.ttl, "ttl", "24h", "`TIME` until it expires, as 30m, 24h or 7d")
	f.StringSliceVar(&i.advertise, "advertise", nil, "`HOST[:PORT]` by which others reach this machine; several with commas")
	f.StringVar(&i.name, "name", "", "`NAME` of this machine for those who join (its host name)")
	identityFlag(f, &i.state)
	return cmd
}

type inviteCommand struct {
	*common
	roles     []string
	uses      int
	ttl       string
	advertise []string
	name      string
	state     string
}

func (i *inviteCommand) run(ctx context.Context) error {
	ttl, err := i.validate()
	if err != nil {
		return err
	}
	own, err := i.openIdentity(i.state)
	if err != nil {
		return err
	}
	key, err := own.key()
	if err != nil {
		return err
	}
	heard := machineListeners(ctx, own.state)
	addrs, err := i.addrs(heard)
	if err != nil {
		return err
	}
	if err := sameKey(ctx, key, heard); err != nil {
		return err
	}
	token := trust.JoinToken{Hub: cmp.Or(i.name, machineName()), Key: key.Public(), Addrs: addrs}
	var expires time.Time
	if token.Secret, expires, err = own.invitations().New(i.roles, i.uses, ttl); err != nil {
		return err
	}
	text, err := token.Text()
	if err != nil {
		return err
	}
	out := stdout(false)
	fmt.Fprintln(out, text)
	if err := out.Close(); err != nil {
		return err
	}
	if !i.quiet {
		fmt.Fprint(os.Stderr, printable(i.words(token, expires, heard)))
	}
	return nil
}

// validate says what is wrong with the flags, before anything is made.
func (i *inviteCommand) validate() (ttl time.Duration, err error) {
	if err := errors.Join(i.check(), checkRoles(i.roles)); err != nil {
		return 0, err
	}
	i.roles = slices.Compact(slices.Sorted(slices.Values(i.roles)))
	if i.uses < 1 || i.uses > trust.MaxUses {
		return 0, usagef("--uses %d: it is for 1 to %d machines", i.uses, trust.MaxUses)
	}
	if i.name != "" {
		if err := trust.CheckMachineName(i.name); err != nil {
			return 0, usagef("--name: %v", err)
		}
	}
	ttl, err = config.ParseDuration(i.ttl)
	switch {
	case err != nil:
		return 0, usagef("--ttl %q: %v", i.ttl, err)
	case ttl < time.Minute || ttl > trust.MaxInvitation:
		return 0, usagef("--ttl %s: at least a minute and at most %dd", i.ttl, trust.MaxInvitation/(24*time.Hour))
	}
	return ttl, nil
}

// words says to a person what the token is for, and what there is to do.
func (i *inviteCommand) words(token trust.JoinToken, expires time.Time, heard []*net.TCPAddr) string {
	var b strings.Builder
	may := map[string]string{trust.RoleSend: "ship to this machine", trust.RoleReceive: "be shipped to"}
	var what []string
	for _, r := range i.roles {
		what = append(what, may[r])
	}
	fmt.Fprintf(&b, "a join token for %s, until %s: whoever has it may %s as soon as it has joined\n",
		count(int64(i.uses), "machine"), timeText(expires), strings.Join(what, " and "))
	fmt.Fprintf(&b, "on the other machine: fairlead join TOKEN\n")
	fmt.Fprintf(&b, "it tries %s\n", strings.Join(token.Addrs, " "))
	switch {
	case len(heard) == 0:
		fmt.Fprintf(&b, "nothing listens for machines here yet: `fairlead receive --listen :%d`\n", machinesPort)
	case !slices.ContainsFunc(heard, func(a *net.TCPAddr) bool { return !a.IP.IsLoopback() }):
		fmt.Fprintf(&b, "machines are listened for on loopback only, where no other comes: `fairlead receive --listen :%d`\n", machinesPort)
	}
	return b.String()
}

// machineListeners are the addresses at which running processes listen for
// machines.
func machineListeners(ctx context.Context, state string) (addrs []*net.TCPAddr) {
	for _, a := range askAll[processReport](ctx, state, "/status") {
		for _, l := range a.value.Listeners {
			if addr, err := net.ResolveTCPAddr("tcp", l.Address); err == nil && l.Room == roomMachines {
				addrs = append(addrs, addr)
			}
		}
	}
	return addrs
}

// addrs are the addresses for the token.
func (i *inviteCommand) addrs(heard []*net.TCPAddr) (addrs []string, err error) {
	for _, a := range i.advertise {
		if _, _, err := net.SplitHostPort(a); err != nil {
			a = net.JoinHostPort(strings.Trim(a, "[]"), strconv.Itoa(machinesPort))
		}
		addrs = append(addrs, a)
	}
	if err := trust.CheckAddrs(addrs); err != nil {
		return nil, usagef("--advertise: %v", err)
	}
	if len(addrs) > trust.MaxJoinAddrs {
		return nil, usagef("--advertise: %d addresses, and a join token has room for %d", len(addrs), trust.MaxJoinAddrs)
	}
	if len(addrs) > 0 {
		return addrs, nil
	}
	every := net.TCPAddr{Port: machinesPort}
	if len(heard) == 0 {
		heard = []*net.TCPAddr{&every}
	}
	for _, a := range heard {
		switch {
		case len(a.IP) == 0 || a.IP.IsUnspecified():
			for _, ip := range ownAddrs() {
				addrs = append(addrs, net.JoinHostPort(ip.String(), strconv.Itoa(a.Port)))
			}
		case !a.IP.IsLoopback():
			addrs = append(addrs, a.String())
		}
	}
	if len(addrs) == 0 {
		return nil, exitf(exitFailed, "there is no address by which another machine could reach this one: name it with --advertise HOST:PORT")
	}
	return addrs[:min(len(addrs), trust.MaxJoinAddrs)], nil
}

// ownAddrs are this machine's addresses that others may reach, IPv4 first.
func ownAddrs() (ips []net.IP) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			ips = append(ips, n.IP)
		}
	}
	slices.SortStableFunc(ips, func(a, b net.IP) int { return cmp.Compare(len(a.To4()), len(b.To4())) * -1 })
	return ips
}

// sameKey finds out whether the processes that listen for machines have our key: one
// with another state would turn away whoever comes by the token.
func sameKey(ctx context.Context, key *trust.Key, heard []*net.TCPAddr) error {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	for _, a := range heard {
		at := *a
		if len(at.IP) == 0 || at.IP.IsUnspecified() {
			at.IP = net.IPv4(127, 0, 0, 1)
		}
		conn, err := key.Dial(ctx, "tcp", at.String(), key.Public(), trust.ALPNJoin)
		if err == nil {
			conn.Close()
		}
		if wrong := (*trust.WrongKeyError)(nil); errors.As(err, &wrong) {
			return exitf(exitFailed, "the process that listens for machines at %s has another key than %s: name its state with --state DIR", a, key.Public())
		}
	}
	return nil
}

// machineName is the host's name, without its domain, as a machine can have it.
func machineName() string {
	host, _ := os.Hostname()
	host, _, _ = strings.Cut(strings.ToLower(host), ".")
	name := strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, host), "-")
	name = name[:min(len(name), 63)]
	if trust.CheckMachineName(name) != nil {
		return "machine"
	}
	return name
}
