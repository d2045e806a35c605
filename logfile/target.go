package logfile

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

type targetKind uint8

const (
	fileTarget targetKind = iota
	dirTarget
	globTarget
)

// A target is what the operator asked for.
type target struct {
	spec    string // as given
	kind    targetKind
	base    string // the file, the directory, or the directory a glob begins in
	pattern string // of a glob: absolute
}

// meta is what makes a glob of a name, unless a backslash is before it.
const meta = `*?[{`

// Literal returns a target that means the file of that name and no other, also
// while there is none and if the name could be read as a glob.
func Literal(name string) string {
	if os.PathSeparator == '\\' || !strings.ContainsAny(name, meta) {
		return name // where a backslash separates, it cannot escape
	}
	return escaper.Replace(name)
}

var escaper = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `{`, `\{`)

// unescape returns the one name that a spec means; ok is false if it is a glob.
func unescape(spec string) (name string, ok bool) {
	if !strings.ContainsAny(spec, meta) {
		return spec, true
	}
	var b strings.Builder
	for i := 0; i < len(spec); i++ {
		switch c := spec[i]; {
		case c == '\\' && os.PathSeparator != '\\' && i+1 < len(spec):
			i++
		case strings.IndexByte(meta, c) >= 0:
			return spec, false
		}
		b.WriteByte(spec[i])
	}
	return b.String(), true
}

// newTarget takes a spec for the name of a file if there is one of that name, and
// otherwise for a glob if it is one.
func newTarget(spec string) (*target, error) {
	name, literal := spec, true
	if _, err := os.Lstat(spec); err != nil {
		name, literal = unescape(spec)
	}
	path, err := filepath.Abs(name)
	if err != nil {
		return nil, fmt.Errorf("make %s absolute: %w", spec, err)
	}
	t := &target{spec: spec, base: path}
	switch fi, err := os.Stat(path); {
	case err == nil && fi.IsDir():
		t.kind = dirTarget
	case err == nil && !fi.Mode().IsRegular():
		return nil, notRegular(path, fi.Mode())
	case err == nil || literal:
	case !doublestar.ValidatePathPattern(path):
		return nil, fmt.Errorf("glob %s: not a valid pattern", spec)
	default:
		t.kind, t.pattern = globTarget, path
		t.base, _ = doublestar.SplitPattern(filepath.ToSlash(path))
		t.base = filepath.FromSlash(t.base)
	}
	return t, nil
}

// covers says whether the target speaks about files in dir at all.
func (t *target) covers(dir string) bool {
	switch t.kind {
	case fileTarget:
		return dir == filepath.Dir(t.base)
	case dirTarget:
		return within(dir, t.base) && !hiddenBelow(dir, t.base)
	}
	if !within(dir, t.base) {
		return false
	}
	want, have := split(t.pattern), split(dir)
	if i := slices.Index(want, "**"); i >= 0 && i < len(have) {
		want, have = want[:i], have[:i]
	}
	if len(have) > len(want) {
		return false
	}
	ok, _ := doublestar.PathMatch(filepath.Join(want[:len(have)]...), filepath.Join(have...))
	return ok
}

func split(path string) []string {
	return strings.Split(strings.Trim(path, string(filepath.Separator)), string(filepath.Separator))
}

// within says that path is dir or below it.
func within(path, dir string) bool {
	rest, ok := strings.CutPrefix(path, dir)
	return ok && (rest == "" || rest[0] == filepath.Separator || strings.HasSuffix(dir, string(filepath.Separator)))
}

func hiddenBelow(path, dir string) bool {
	return slices.ContainsFunc(split(strings.TrimPrefix(path, dir)), hidden)
}

func hidden(name string) bool { return strings.HasPrefix(name, ".") }

// A verdict is whether a file is collected, by which rule, and what would
// change it.
type verdict struct {
	yes        bool
	rule, cure string
}

const nameIt = "name the file itself"

// Binary logs that other programs keep under the names of logs.
var binaryNames = []string{"wtmp", "btmp", "utmp", "lastlog", "faillog", "wtmp.db", "lastlog2.db", "pacct"}

// judgeName decides by the path alone. ok is false if the content has to be
// looked at.
func (t *target) judgeName(path string) (v verdict, ok bool) {
	name := filepath.Base(path)
	switch t.kind {
	case fileTarget:
		return verdict{path == t.base, "it is named", ""}, true
	case globTarget:
		if match, _ := doublestar.PathMatch(t.pattern, path); !match {
			return verdict{rule: "its name does not match the glob"}, true
		}
		if compressedName.MatchString(name) && !compressedName.MatchString(t.pattern) {
			return verdict{rule: "it is compressed", cure: "end the glob in its suffix, or " + nameIt}, true
		}
		return verdict{yes: true, rule: "it matches the glob"}, false
	}
	switch {
	case !within(path, t.base):
		return verdict{rule: "it is not in the directory"}, true
	case hiddenBelow(path, t.base):
		return verdict{rule: "it is hidden: a name in its path begins with a dot", cure: nameIt}, true
	case compressedName.MatchString(name):
		return verdict{rule: "it is compressed", cure: nameIt}, true
	case slices.Contains(binaryNames, name), strings.HasSuffix(name, ".journal"), strings.HasSuffix(name, ".journal~"):
		return verdict{rule: "it is a binary log of another program", cure: nameIt}, true
	case strings.HasSuffix(name, "~"):
		return verdict{rule: "it is an editor's backup", cure: nameIt}, true
	}
	return verdict{yes: true, rule: "it is in the directory"}, false
}

// judge decides about an existing file. beside says whether a file of that name
// is in the same directory.
func (t *target) judge(path string, mode fs.FileMode, beside func(name string) bool) verdict {
	v, ok := t.judgeName(path)
	if ok || !v.yes {
		return v
	}
	if mode&fs.ModeSymlink != 0 {
		if t.kind == dirTarget {
			return verdict{rule: "it is a symlink in a directory target", cure: nameIt + ", or a glob"}
		}
		fi, err := os.Stat(path)
		if err != nil {
			return v // dangling: it is waited for
		}
		mode = fi.Mode()
	}
	if !mode.IsRegular() {
		return verdict{rule: notRegular(path, mode).Error()}
	}
	for _, base := range rotatedBases(filepath.Base(path)) {
		if beside(base) {
			return verdict{
				rule: "it is an older generation of " + base + " beside it, and read as such",
				cure: nameIt + " to read it as a log of its own",
			}
		}
	}
	if t.kind == dirTarget && isBinary(path) {
		return verdict{rule: "it is binary: there is a NUL in its first bytes", cure: nameIt}
	}
	return v
}

// isBinary looks for a NUL in the first bytes. UTF-16 is text all the same.
func isBinary(path string) bool {
	f, err := openLog(path)
	if err != nil {
		return false // unreadable: that is said elsewhere
	}
	defer f.Close()
	buf := buffers.Get().(*[headMax]byte)
	defer buffers.Put(buf)
	n, _ := f.Read(buf[:512])
	head := buf[:n]
	if bytes.HasPrefix(head, []byte{0xFF, 0xFE}) || bytes.HasPrefix(head, []byte{0xFE, 0xFF}) {
		return false
	}
	return bytes.IndexByte(head, 0) >= 0
}
