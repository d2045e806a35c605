package trust

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// How much of a file of tokens is read. The end of it is left for revoking: a
// file that is full must not keep anybody in.
const (
	maxFile      = 1 << 20
	maxLines     = 10_000
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

// readLedger returns the file as it was when it was opened, or later.
func readLedger(path string) (fs.FileInfo, ledger, error) {
	f, fi, err := openLedger(path, os.O_RDONLY)
	if err != nil {
		return nil, ledger{}, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, ledger{}, err
	}
	if len(b) > maxFile {
		return nil, ledger{}, tooLarge(path)
	}
	return fi, parseLedger(b), nil
}

// openLedger opens the file, without following a link and without waiting for
// somebody at the other end of it.
func openLedger(path string, flag int) (*os.File, fs.FileInfo, error) {
	f, err := os.OpenFile(path, flag|openAsIs, 0o600)
	if err != nil {
		return nil, nil, err
	}
	fi, err := f.Stat()
	if err == nil {
		err = safe(path, fi)
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, fi, nil
}

// safe says why a file is not one whose lines may let anybody in.
func safe(path string, fi fs.FileInfo) error {
	switch {
	case !fi.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file: remove it", path)
	case !ownedByUs(path, fi):
		return fmt.Errorf("%s belongs to another user: chown it, or remove it", path)
	case fi.Mode().Perm()&0o022 != 0 && runtime.GOOS != "windows":
		return fmt.Errorf("%s can be written by others: look whether all of it is yours, then `chmod go-w %[1]s`", path)
	case fi.Size() > maxFile:
		return tooLarge(path)
	}
	return nil
}

func tooLarge(path string) error {
	return fmt.Errorf("%s is larger than %d bytes: take out the lines that are no longer needed", path, maxFile)
}

// appendLine adds a line to the file, in one write, and makes it durable. What a
// power cut left of a line before it is ended first, so that it spoils only
// itself. The directory is not synced: where a power cut takes a file that was just
// made, nobody gets in by it.
func appendLine(path, line string) error {
	f, fi, err := openToAppend(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if fi.Size() > 0 {
		var last [1]byte
		if _, err := f.ReadAt(last[:], fi.Size()-1); err != nil {
			return err
		}
		if last[0] != '\n' {
			line = "\n" + line
		}
	}
	if _, err := f.WriteString(line); err != nil {
		return err
	}
	return f.Sync()
}

// openToAppend opens the file, or makes it.
func openToAppend(path string) (f *os.File, fi fs.FileInfo, err error) {
	const flag = os.O_RDWR | os.O_APPEND
	if f, fi, err = openLedger(path, flag); !errors.Is(err, fs.ErrNotExist) {
		return f, fi, err
	}
	f, fi, err = openLedger(path, flag|os.O_CREATE|os.O_EXCL)
	if errors.Is(err, fs.ErrExist) { // another process was faster
		return openLedger(path, flag)
	}
	if err != nil {
		return nil, nil, err
	}
	if err := giveToOwner(path, f); err != nil {
		f.Close()
		os.Remove(path)
		return nil, nil, err
	}
	return f, fi, nil
}
