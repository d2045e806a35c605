package trust

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// How long a line of a file of tokens may be. The end of the file is left for
// revoking: one that is full must not keep anybody in.
const (
	maxLine      = 512
	roomToRevoke = 64 << 10
)

// A ledger is what a file of tokens says.
type ledger struct {
	tokens  []issued // that were not revoked or replaced, by name
	ignored int      // lines that say nothing
	lines   int
	size    int64
}

// issued is a token and the hash of its secret.
type issued struct {
	Token
	hash [sha256.Size]byte
}

func (i issued) line() string {
	expires := "never"
	if !i.Expires.IsZero() {
		expires = i.Expires.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("token %s %s %x %s %s\n", i.Name, i.Role, i.hash, i.Created.UTC().Format(time.RFC3339), expires)
}

func revokeLine(name string, now time.Time) string {
	return fmt.Sprintf("revoke %s %s\n", name, now.UTC().Format(time.RFC3339))
}

// parseLedger reads the lines of a file. Empty ones and comments are no lines to
// be understood.
func parseLedger(b []byte) ledger {
	l := ledger{size: int64(len(b))}
	held := map[string]issued{}
	for line := range bytes.Lines(b) {
		if l.lines++; l.lines > maxLines {
			break
		}
		if line = bytes.TrimSpace(line); len(line) == 0 || line[0] == '#' {
			continue
		}
		if len(line) > maxLine || !apply(held, strings.Fields(string(line))) {
			l.ignored++
		}
	}
	for _, i := range held {
		l.tokens = append(l.tokens, i)
	}
	slices.SortFunc(l.tokens, func(a, b issued) int { return cmp.Compare(a.Name, b.Name) })
	return l
}

// apply does what one line says; false: it says nothing.
func apply(held map[string]issued, f []string) bool {
	switch {
	case len(f) == 6 && f[0] == "token":
		i, err := parseToken(f[1:])
		if err != nil {
			return false
		}
		held[i.Name] = i
		return true
	case len(f) == 3 && f[0] == "revoke" && CheckName(f[1]) == nil:
		if _, err := parseTime(f[2]); err != nil {
			return false
		}
		delete(held, f[1])
		return true
	}
	return false
}

// parseToken reads NAME ROLE SHA256 CREATED EXPIRES.
func parseToken(f []string) (i issued, err error) {
	if err := CheckName(f[0]); err != nil {
		return i, err
	}
	i.Name = f[0]
	if i.Role, err = ParseRole(f[1]); err != nil {
		return i, err
	}
	if n, err := hex.Decode(i.hash[:], []byte(f[2][:min(len(f[2]), 2*len(i.hash))])); err != nil || 2*n != len(f[2]) || n != len(i.hash) {
		return i, errors.New("not a hash")
	}
	if i.Created, err = parseTime(f[3]); err != nil || f[4] == "never" {
		return i, err
	}
	i.Expires, err = parseTime(f[4])
	return i, err
}

// parseTime reads a time that can be written again.
func parseTime(s string) (time.Time, error) {
	at, err := time.Parse(time.RFC3339, s)
	if at = at.UTC(); err == nil && (at.Year() < 1970 || at.Year() > 9999) {
		err = errors.New("not a time of ours")
	}
	return at, err
}

func (l ledger) check(path string) error {
	if l.lines > maxLines {
		return fmt.Errorf("%s has more than %d lines: take out those that are no longer needed", path, maxLines)
	}
	return nil
}
