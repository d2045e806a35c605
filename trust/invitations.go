package trust

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Invitations let machines in that nobody knows yet: so many, and for so long. They
// are kept in a text file, to which each change adds one line:
//
//	invite SHA256 ROLES USES CREATED EXPIRES
//	use SHA256 KEY TIME
//	in SHA256 KEY TIME
//
// SHA256 is that of the secret, which is kept nowhere. A use counts from before its
// machine is trusted; `in` says that it was, so that nobody comes back by an
// invitation who was removed since. Where the file is deleted all invitations end.
// Its fields are set before use.
type Invitations struct {
	Path    string // of the file, which need not exist
	Trusted *Trusted
	Now     func() time.Time // nil: time.Now

	mu   sync.Mutex // guards what follows
	file textFile[invited]
}

var (
	// ErrNoInvitation is for a secret that no invitation has.
	ErrNoInvitation = errors.New("there is no such invitation")
	// ErrUsedUp is for an invitation that as many machines have used as could.
	ErrUsedUp = errors.New("the invitation is used up")
	// ErrRemoved is for a machine that came by an invitation and was removed since.
	ErrRemoved = errors.New("the key was removed after it came by this invitation")
)

// How much an invitation can promise.
const (
	MaxUses       = 1000
	MaxInvitation = 365 * 24 * time.Hour
	roomPerUse    = 2 * 160 // bytes of its lines, use and in
)

// New makes an invitation for so many machines, which get the roles, and returns
// its secret, which nobody can be told again, and when it ends.
func (v *Invitations) New(roles []string, uses int, ttl time.Duration) (secret string, expires time.Time, err error) {
	switch err := CheckRoles(roles); {
	case err != nil:
		return "", expires, err
	case uses < 1 || uses > MaxUses:
		return "", expires, fmt.Errorf("an invitation for %d machines: it is for 1 to %d", uses, MaxUses)
	case ttl < time.Second || ttl > MaxInvitation:
		return "", expires, fmt.Errorf("an invitation for %s: it is for a second to %dd", ttl, MaxInvitation/(24*time.Hour))
	}
	unlock, err := lockBeside(v.Path)
	if err != nil {
		return "", expires, fmt.Errorf("invite: %w", err)
	}
	defer unlock()
	all, err := v.read()
	if err != nil {
		return "", expires, fmt.Errorf("invite: %w", err)
	}
	now := v.now().UTC()
	secret = randomText()
	i := invitation{sha256.Sum256([]byte(secret)), slices.Clone(roles), uses, now, now.Add(ttl + time.Second - 1).Truncate(time.Second)}
	line := i.line()
	owed := all.owed(now) + uses
	if all.size+len(line)+owed*roomPerUse >= maxFile || all.lines+1+2*owed >= maxLines {
		return "", expires, fmt.Errorf("invite: %s is full: delete it, which ends the invitations that are open", v.Path)
	}
	if err := appendLine(v.Path, line); err != nil {
		return "", expires, fmt.Errorf("invite: %w", err)
	}
	return secret, i.expires, nil
}

// Redeem lets the machine with the key in, under the name that it wishes or the
// next one that is free. One that comes again with the same secret, because it did
// not get the answer, gets it again, and uses nothing up.
func (v *Invitations) Redeem(secret string, key PublicKey, wished string) (Machine, error) {
	if err := CheckMachineName(wished); err != nil {
		return Machine{}, err
	}
	unlock, err := lockBeside(v.Path)
	if err != nil {
		return Machine{}, fmt.Errorf("redeem an invitation: %w", err)
	}
	defer unlock()
	all, err := v.read()
	if err != nil {
		return Machine{}, fmt.Errorf("redeem an invitation: %w", err)
	}
	i, ok := all.find(sha256.Sum256([]byte(secret)))
	if !ok {
		return Machine{}, ErrNoInvitation
	}
	used, in := all.use(i, key)
	now := v.now()
	switch {
	case in:
		return v.again(key)
	case !now.Before(i.expires):
		return Machine{}, fmt.Errorf("%w: %s", ErrExpired, i.expires.Format(time.RFC3339))
	case !used && all.used(i) >= i.uses:
		return Machine{}, fmt.Errorf("%w: it was for %d", ErrUsedUp, i.uses)
	case !used:
		if err := v.note("use", i, key, now); err != nil {
			return Machine{}, err
		}
	}
	m, err := v.Trusted.Admit(Machine{Name: wished, Key: key, Roles: i.roles})
	if err != nil {
		return Machine{}, err
	}
	return m, v.note("in", i, key, now)
}

// again is the answer to a machine that was let in before.
func (v *Invitations) again(key PublicKey) (Machine, error) {
	ms, err := v.Trusted.read()
	if err != nil {
		return Machine{}, err
	}
	m, known := ms.lookup(key)
	if !known {
		return Machine{}, ErrRemoved
	}
	return m, nil
}

// note adds that something became of an invitation.
func (v *Invitations) note(what string, i invitation, key PublicKey, now time.Time) error {
	line := fmt.Sprintf("%s %x %s %s\n", what, i.hash, key, now.UTC().Format(time.RFC3339))
	if err := appendLine(v.Path, line); err != nil {
		return fmt.Errorf("redeem an invitation: %w", err)
	}
	return nil
}

// Open returns how many machines can still come by the invitations there are.
func (v *Invitations) Open() (int, error) {
	all, err := v.read()
	return all.owed(v.now()), err
}

func (v *Invitations) now() time.Time {
	if v.Now != nil {
		return v.Now()
	}
	return time.Now()
}

func (v *Invitations) read() (invited, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	all, err := v.file.read(v.Path, parseInvited)
	if err == nil && all.lines > maxLines {
		err = fmt.Errorf("%s has more than %d lines: delete it, which ends the invitations that are open", v.Path, maxLines)
	}
	if err != nil {
		return invited{}, err
	}
	return all, nil
}

// lowBase32 is how bytes become words that survive a mail and a shell.
var lowBase32 = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// secretSize is how many random bytes a secret has.
const secretSize = 20

// randomText is the text of a secret: 160 random bits.
func randomText() string {
	var b [secretSize]byte
	rand.Read(b[:]) // never fails
	return lowBase32.EncodeToString(b[:])
}

type invitation struct {
	hash             [sha256.Size]byte
	roles            []string
	uses             int
	created, expires time.Time
}

func (i invitation) line() string {
	return fmt.Sprintf("invite %x %s %d %s %s\n", i.hash, strings.Join(i.roles, ","), i.uses,
		i.created.UTC().Format(time.RFC3339), i.expires.UTC().Format(time.RFC3339))
}

// A usage is a machine that came by an invitation.
type usage struct {
	hash [sha256.Size]byte
	key  PublicKey
}

// invited is what a file of invitations says. What it does not understand it
// ignores: such a line lets nobody in.
type invited struct {
	list  []invitation
	in    map[usage]bool // those that were used: did the machine get in?
	lines int
	size  int
}

func (a invited) find(hash [sha256.Size]byte) (found invitation, ok bool) {
	for _, i := range a.list {
		if subtle.ConstantTimeCompare(i.hash[:], hash[:]) == 1 {
			found, ok = i, true
		}
	}
	return found, ok
}

func (a invited) use(i invitation, key PublicKey) (used, in bool) {
	in, used = a.in[usage{i.hash, key}]
	return used, in
}

func (a invited) used(i invitation) (n int) {
	for u := range a.in {
		if u.hash == i.hash {
			n++
		}
	}
	return n
}

// owed is how many more uses were promised.
func (a invited) owed(now time.Time) (n int) {
	for _, i := range a.list {
		if now.Before(i.expires) {
			n += max(0, i.uses-a.used(i))
		}
	}
	return n
}

func parseInvited(b []byte) invited {
	a := invited{in: map[usage]bool{}, size: len(b)}
	for line := range bytes.Lines(b) {
		if a.lines++; a.lines > maxLines {
			break
		}
		if len(line) <= maxMachineLine {
			a.apply(strings.Fields(string(line)))
		}
	}
	return a
}

// apply does what one line says.
func (a *invited) apply(f []string) {
	if len(f) < 4 {
		return
	}
	var hash [sha256.Size]byte
	if len(f[1]) != hex.EncodedLen(len(hash)) {
		return
	}
	if _, err := hex.Decode(hash[:], []byte(f[1])); err != nil {
		return
	}
	switch {
	case f[0] == "invite" && len(f) == 6:
		if i, err := parseInvitation(f[2:]); err == nil {
			i.hash = hash
			a.list = append(a.list, i)
		}
	case (f[0] == "use" || f[0] == "in") && len(f) == 4:
		if key, err := ParsePublicKey(f[2]); err == nil {
			u := usage{hash, key}
			a.in[u] = a.in[u] || f[0] == "in"
		}
	}
}

// parseInvitation reads ROLES USES CREATED EXPIRES.
func parseInvitation(f []string) (i invitation, err error) {
	i.roles = strings.Split(f[0], ",")
	if err := CheckRoles(i.roles); err != nil {
		return i, err
	}
	if i.uses, err = strconv.Atoi(f[1]); err != nil || i.uses < 1 || i.uses > MaxUses {
		return i, errors.New("not a number of uses")
	}
	if i.created, err = parseTime(f[2]); err != nil {
		return i, err
	}
	i.expires, err = parseTime(f[3])
	return i, err
}
