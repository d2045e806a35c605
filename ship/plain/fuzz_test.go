package plain

import (
	"bytes"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
)

// Whatever comes as a first line, a name that is taken is one path component, and what is
// behind the LF is there whole; also when it comes byte by byte.
func FuzzHeader(f *testing.F) {
	for _, name := range append(badNames, "a.log", " a b \n", "a.log\nDATA", strings.Repeat("x", maxHeader)) {
		f.Add([]byte(name))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		line, rest, err := readLine(bytes.NewReader(in), maxHeader)
		slow, none, slowErr := readLine(iotest.OneByteReader(bytes.NewReader(in)), maxHeader)
		if !bytes.Equal(line, slow) || len(none) > 0 || (err == nil) != (slowErr == nil) {
			t.Fatalf("readLine = %q, %v at once and %q, %v by bytes", line, err, slow, slowErr)
		}
		if err != nil {
			return
		}
		read := append(append(bytes.Clone(line), '\n'), rest...)
		if !bytes.HasPrefix(in, read) || len(read) < min(len(in), maxHeader) {
			t.Fatalf("readLine(%q) = %q, %q", in, line, rest)
		}
		name, err := parseName(line)
		if err != nil {
			return
		}
		if name != filepath.Base(name) || !filepath.IsLocal(name) || checkName(name) != nil || strings.ContainsAny(name, "/\\\x00\n\r") {
			t.Fatalf("%q is a name", name)
		}
	})
}

// A length that is taken is what it says.
func FuzzLength(f *testing.F) {
	for _, s := range []string{"0", "1234", "-1", "+1", "", " 1", "9223372036854775808", "99999999999999999999", "00", "1e3", "0x1"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		n, err := parseLength(in)
		if err != nil {
			return
		}
		if want := strings.TrimLeft(string(in), "0"); n < 0 || strconv.FormatInt(n, 10) != want && !(n == 0 && want == "") {
			t.Fatalf("parseLength(%q) = %d", in, n)
		}
	})
}

// What a state's file says is a name, or is passed over.
func FuzzNames(f *testing.F) {
	f.Add(`0123456789abcdef0123456789abcdef -1 2026-02-03 "h:1" "/log/a" "a"`)
	f.Fuzz(func(t *testing.T, line string) {
		if r, ok := parseNamed(line); ok && checkName(r.name) != nil {
			t.Fatalf("parseNamed(%q) = %+v", line, r)
		}
	})
}
