package trust

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
)

// A JoinToken is what a machine needs to join another, the hub: where that is, how
// it is recognised, and a secret that lets in.
type JoinToken struct {
	Hub    string // its name
	Key    PublicKey
	Addrs  []string // HOST:PORT, 1 to 8, to be tried in this order
	Secret string   // of an invitation
}

// What a join token is made of; doc/protocol.md has the bytes.
const (
	joinPrefix  = "fl1-"
	joinSum     = 4       // bytes of SHA-256 over what is in front of them
	maxJoinText = 8 << 10 // more than any has

	MaxJoinAddrs = 8 // of the hub
)

// Text is the token as one word. It has the secret in it: whoever reads it may
// join.
func (t JoinToken) Text() (string, error) {
	secret, err := lowBase32.DecodeString(t.Secret)
	if err != nil || len(secret) != secretSize {
		return "", errors.New("the secret is not one of an invitation")
	}
	if err := t.check(); err != nil {
		return "", err
	}
	b := append(t.Key[:], secret...)
	for _, s := range append([]string{t.Hub}, t.Addrs...) {
		b = append(append(b, byte(len(s))), s...)
	}
	sum := sha256.Sum256(b)
	return joinPrefix + lowBase32.EncodeToString(append(b, sum[:joinSum]...)), nil
}

func (t JoinToken) check() error {
	if len(t.Addrs) == 0 || len(t.Addrs) > MaxJoinAddrs {
		return fmt.Errorf("%d addresses of the hub: a join token has 1 to %d", len(t.Addrs), MaxJoinAddrs)
	}
	if t.Key == (PublicKey{}) {
		return errors.New("the key of the hub is missing")
	}
	return errors.Join(CheckMachineName(t.Hub), CheckAddrs(t.Addrs))
}

// ParseJoinToken reads the text of a token. Blanks and line ends that a mail put
// into it do not matter, nor do capitals; a word that was cut short, or where one
// letter is wrong, is told as that.
func ParseJoinToken(text string) (t JoinToken, err error) {
	word, err := joinWord(text)
	if err != nil {
		return t, err
	}
	b, err := lowBase32.DecodeString(word)
	n := len(b) - joinSum
	if err != nil || n < len(t.Key)+secretSize || lowBase32.EncodeToString(b) != word {
		return t, notWhole(word)
	}
	if sum := sha256.Sum256(b[:n]); string(sum[:joinSum]) != string(b[n:]) {
		return t, notWhole(word)
	}
	b = b[copy(t.Key[:], b[:n]):n]
	t.Secret = lowBase32.EncodeToString(b[:secretSize])
	for b = b[secretSize:]; len(b) > 0; {
		size := 1 + int(b[0])
		if size > len(b) {
			return JoinToken{}, errNotUnderstood
		}
		t.Addrs = append(t.Addrs, string(b[1:size]))
		b = b[size:]
	}
	if len(t.Addrs) == 0 {
		return JoinToken{}, errNotUnderstood
	}
	t.Hub, t.Addrs = t.Addrs[0], t.Addrs[1:]
	if err := t.check(); err != nil {
		return JoinToken{}, fmt.Errorf("%w: %w", errNotUnderstood, err)
	}
	return t, nil
}

var errNotUnderstood = errors.New("the join token is whole, but makes no sense: was it made by another program?")

func notWhole(word string) error {
	return fmt.Errorf("the join token is not whole (%d characters came): copy all of it, from %s on", len(joinPrefix)+len(word), joinPrefix)
}

// joinWord returns what is behind the prefix, in small letters.
func joinWord(text string) (string, error) {
	if len(text) > maxJoinText {
		return "", fmt.Errorf("%d bytes are no join token, it has at most %d", len(text), maxJoinText)
	}
	word := strings.ToLower(strings.Join(strings.Fields(text), ""))
	rest, ours := strings.CutPrefix(word, joinPrefix)
	switch {
	case word == "":
		return "", errors.New("the join token is empty")
	case strings.HasPrefix(joinPrefix, word):
		return "", notWhole("")
	case ours:
	case strings.HasPrefix(word, "fl_"):
		return "", errors.New("that is a token for people and programs (`fairlead token`); one for machines is printed by `fairlead invite`")
	case strings.HasPrefix(word, "fl") && strings.Contains(word, "-"):
		return "", errors.New("the join token was made by a newer fairlead: update this one")
	default:
		return "", fmt.Errorf("that is no join token: it begins with %s, and `fairlead invite` on the hub prints it", joinPrefix)
	}
	for i, r := range rest {
		if (r < 'a' || r > 'z') && (r < '2' || r > '7') {
			return "", fmt.Errorf("the join token has %q at character %d, which none can have: copy it again", r, len(joinPrefix)+i+1)
		}
	}
	return rest, nil
}
