package trust

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Role is what a token lets its owner do.
type Role string

// The roles. Who may act may also view.
const (
	RoleView Role = "view"
	RoleAct  Role = "act"
)

// May says whether the role covers what takes another one.
func (r Role) May(what Role) bool {
	return what != "" && (r == what || r == RoleAct && what == RoleView)
}

// ParseRole reads a role.
func ParseRole(s string) (Role, error) {
	switch r := Role(s); r {
	case RoleView, RoleAct:
		return r, nil
	}
	return "", fmt.Errorf("there is no role %q: it is view or act", s)
}

// A Token is what a person or a program shows to be let in, without its secret.
type Token struct {
	Name    string
	Role    Role
	Created time.Time // zero: the configuration gives it
	Expires time.Time // zero: never
}

func (t Token) expired(now time.Time) bool { return !t.Expires.IsZero() && !now.Before(t.Expires) }

// A Preset is a token that the configuration gives. It never expires.
type Preset struct {
	Name   string
	Role   Role
	Secret string
}

// minSecret is how long a secret that somebody made up has to be, in bytes.
const minSecret = 16

// Valid says what is wrong with a preset; one that is not valid lets nobody in.
func (p Preset) Valid() error {
	if err := CheckName(p.Name); err != nil {
		return err
	}
	if _, err := ParseRole(string(p.Role)); err != nil {
		return fmt.Errorf("token %s: %w", p.Name, err)
	}
	if len(p.Secret) < minSecret || strings.ContainsAny(p.Secret, " \t,\r\n") {
		return fmt.Errorf("the secret of token %s cannot be used: it has at least %d bytes, and no blank or comma; "+
			"`openssl rand -hex 20` makes a good one", p.Name, minSecret)
	}
	return nil
}

var (
	// ErrNoToken is for a secret, or a name, that no token has, or none any more.
	ErrNoToken = errors.New("there is no such token")
	// ErrExpired is for the secret of a token whose time is over.
	ErrExpired = errors.New("the token has expired")
)

// Tokens are the tokens of a state directory. They are kept in a text file, to
// which each change adds one line:
//
//	token NAME ROLE SHA256 CREATED EXPIRES|never
//	revoke NAME TIME
//
// A token ends where a later line revokes it or gives its name to another. Only
// the hash of a secret is kept. What is changed in the file, also by another
// process or an editor, counts from then on; where it is deleted there are no
// tokens. Its fields are set before use.
type Tokens struct {
	Path  string           // of the file, which need not exist; empty: there is none
	Extra func() []Preset  // that count beside those of the file, at the moment; nil: none
	Now   func() time.Time // nil: time.Now

	mu   sync.Mutex // guards what follows
	file textFile[ledger]
}

var nameOK = regexp.MustCompile(`^[A-Za-z0-9._@-]{1,64}$`)

// CheckName says why a token cannot have that name.
func CheckName(name string) error {
	if !nameOK.MatchString(name) || name == "." || name == ".." {
		return fmt.Errorf("%q is no name for a token: it has 1 to 64 letters, digits and . _ @ -", name)
	}
	return nil
}

// New makes a token that holds for ttl, 0 for ever, and returns its secret,
// which nobody can be told again. If another token has the name, that one ends:
// its secret is worth nothing from now on.
func (t *Tokens) New(name string, role Role, ttl time.Duration) (secret string, err error) {
	if err := CheckName(name); err != nil {
		return "", err
	}
	if _, err := ParseRole(string(role)); err != nil {
		return "", err
	}
	if ttl < 0 || ttl > 0 && ttl < time.Second {
		return "", fmt.Errorf("a token that holds for %s: want a second at least, or 0 for ever", ttl)
	}
	if t.preset(name) {
		return "", fmt.Errorf("a token %s is given by the configuration: choose another name", name)
	}
	secret = NewSecret()
	now := t.now().UTC()
	token := Token{Name: name, Role: role, Created: now.Truncate(time.Second)}
	if ttl > 0 {
		token.Expires = now.Add(ttl + time.Second - 1).Truncate(time.Second)
	}
	line := issued{token, sha256.Sum256([]byte(secret))}.line()
	if err := t.change(line, maxFile-roomToRevoke, maxLines-roomToRevoke/maxLine); err != nil {
		return "", fmt.Errorf("make token %s: %w", name, err)
	}
	if _, err := t.Check(secret); err != nil {
		return "", fmt.Errorf("make token %s: written to %s, and it is not there: %w", name, t.Path, err)
	}
	return secret, nil
}

// NewSecret returns 160 random bits in words that survive a mail and a shell.
func NewSecret() string { return "fl_" + randomText() }

// Revoke ends the token of that name. If there is none the error is [ErrNoToken].
func (t *Tokens) Revoke(name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	l, err := t.read()
	if err != nil {
		return fmt.Errorf("revoke token %s: %w", name, err)
	}
	if !slices.ContainsFunc(l.tokens, func(i issued) bool { return i.Name == name }) {
		if t.preset(name) {
			return fmt.Errorf("token %s is given by the configuration: take it out there", name)
		}
		return fmt.Errorf("revoke token %s: %w", name, ErrNoToken)
	}
	if err := t.change(revokeLine(name, t.now()), maxFile, maxLines); err != nil {
		return fmt.Errorf("revoke token %s: %w", name, err)
	}
	return nil
}

// List returns the tokens that hold, by name.
func (t *Tokens) List() ([]Token, error) {
	l, err := t.read()
	if err != nil {
		return nil, err
	}
	var list []Token
	for _, p := range t.extra() {
		if p.Valid() == nil {
			list = append(list, Token{Name: p.Name, Role: p.Role})
		}
	}
	now := t.now()
	for _, i := range l.tokens {
		if !i.expired(now) {
			list = append(list, i.Token)
		}
	}
	slices.SortStableFunc(list, func(a, b Token) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

// Ignored returns how many lines of the file say nothing that we understand: a
// power cut, or a slip in an editor. They count for nothing, so one that was to
// revoke a token did not.
func (t *Tokens) Ignored() (int, error) {
	l, err := t.read()
	return l.ignored, err
}

// Check returns the token of a secret, or [ErrNoToken] or [ErrExpired]; another
// error says that the file cannot be read. How long that takes depends on how many
// tokens there are, and on nothing else.
func (t *Tokens) Check(secret string) (Token, error) {
	hash := sha256.Sum256([]byte(secret))
	l, err := t.read()
	var found Token
	for _, i := range l.tokens {
		if subtle.ConstantTimeCompare(i.hash[:], hash[:]) == 1 {
			found = i.Token
		}
	}
	for _, p := range t.extra() {
		own := sha256.Sum256([]byte(p.Secret))
		if subtle.ConstantTimeCompare(own[:], hash[:]) == 1 && p.Valid() == nil {
			found = Token{Name: p.Name, Role: p.Role}
		}
	}
	switch {
	case found.Name == "" && err != nil:
		return Token{}, err
	case found.Name == "":
		return Token{}, ErrNoToken
	case found.expired(t.now()):
		return Token{}, fmt.Errorf("%w: %s, %s", ErrExpired, found.Name, found.Expires.Format(time.RFC3339))
	}
	return found, nil
}

func (t *Tokens) extra() []Preset {
	if t.Extra == nil {
		return nil
	}
	return t.Extra()
}

func (t *Tokens) preset(name string) bool {
	return slices.ContainsFunc(t.extra(), func(p Preset) bool { return p.Name == name })
}

func (t *Tokens) now() time.Time {
	if t.Now != nil {
		return t.Now()
	}
	return time.Now()
}

// read returns what the file says now: a secret that was made or revoked a moment
// ago, by whomever, counts or does not at once.
func (t *Tokens) read() (ledger, error) {
	if t.Path == "" {
		return ledger{}, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.readLocked()
}

func (t *Tokens) readLocked() (ledger, error) {
	l, err := t.file.read(t.Path, parseLedger)
	if err != nil {
		return ledger{}, err
	}
	return l, l.check(t.Path)
}

// change appends a line to the file if that has room for it, in bytes and in
// lines.
func (t *Tokens) change(line string, room int64, lines int) error {
	if t.Path == "" {
		return errors.New("there is no file for tokens")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	l, err := t.readLocked()
	if err != nil {
		return err
	}
	if l.lines >= lines || l.size+int64(len(line)) >= room {
		return fmt.Errorf("%s is full: take lines out of it that are no longer needed", t.Path)
	}
	return appendLine(t.Path, line)
}
