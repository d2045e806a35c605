package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/pelletier/go-toml/v2/unstable"
)

const (
	maxFile  = 1 << 20
	maxValue = 64 << 10
)

// readFile reads a regular file of at most limit bytes. Opening anything else
// does not wait.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, bare(err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, bare(err)
	case info.IsDir():
		return nil, errors.New("this is a directory")
	case !info.Mode().IsRegular():
		return nil, errors.New("this is not a regular file")
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, bare(err)
	case int64(len(b)) > limit:
		return nil, fmt.Errorf("this file is larger than %s", Size(limit))
	}
	return b, nil
}

// bare returns an error without the path, which is said before it.
func bare(err error) error {
	if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

// A reading is one way through the text of a file.
type reading struct {
	*document
	keys     []Key
	secrets  []string             // the last names of keys that are secret
	said     map[string]said      // by the name of the key
	began    map[string]beginning // by the section
	problems []problem
	more     bool // there are problems that are not kept

	base    int    // where the parser began
	done    int    // the end of the last expression that was read
	section string // that we are in
	skip    bool   // it is none of ours, which has been said
}

type problem struct {
	at   span
	text string
}

// A beginning says where a section was first named, and whether more keys may be
// added to it in that way.
type beginning struct {
	off    int
	dotted bool
}

// readTOML reads what the file says.
func readTOML(path string, text []byte, keys []Key) *reading {
	r := &reading{
		document: newDocument(path, bytes.TrimPrefix(text, []byte("\ufeff"))),
		keys:     keys,
		said:     make(map[string]said), began: make(map[string]beginning),
	}
	for _, k := range keys {
		if k.Secret {
			r.secrets = append(r.secrets, k.Last)
		}
	}
	if bytes.HasPrefix(r.text, []byte("\xff\xfe")) || bytes.HasPrefix(r.text, []byte("\xfe\xff")) {
		r.masks = []span{{0, len(r.text)}}
		r.problem(span{0, 0}, "this is UTF-16: save it as UTF-8")
		return r
	}
	for next := 0; next < len(r.text) && !r.more; {
		next = r.parse(next)
	}
	return r
}

// parse reads from an offset on. It returns where to go on: the end, or behind an
// error, so that all errors of a file are found.
func (r *reading) parse(from int) (next int) {
	var p unstable.Parser
	r.base, r.done = from, from
	p.Reset(r.text[from:])
	for !r.more && p.NextExpression() {
		n := p.Expression()
		if n.Kind == unstable.KeyValue {
			r.done = r.span(n.Raw).to
			r.hide(n)
			r.assign(n)
			continue
		}
		r.done = r.keySpan(n).to
		r.header(n)
	}
	if r.more || p.Error() == nil {
		return len(r.text)
	}
	return r.syntax(p.Error())
}

func (r *reading) span(raw unstable.Range) span {
	from := r.base + int(raw.Offset)
	return span{from, from + int(raw.Length)}
}

func (r *reading) problem(at span, format string, args ...any) {
	if r.more = len(r.problems) == maxErrors; r.more {
		return
	}
	if len(args) > 0 {
		format = fmt.Sprintf(format, args...)
	}
	r.problems = append(r.problems, problem{at, format})
}

// errors quotes the lines only now: what is secret in them is known.
func (r *reading) errors() []*Error {
	slices.SortStableFunc(r.problems, func(a, b problem) int { return a.at.from - b.at.from })
	var errs []*Error
	for _, p := range r.problems {
		errs = append(errs, r.fault(p.at, p.text))
	}
	return errs
}

func (r *reading) known(section string) bool {
	return slices.ContainsFunc(r.keys, func(k Key) bool { return k.Section == section })
}

// hide notes what must not be quoted: values of secret keys, wherever they stand
// and even if their name is only nearly right.
func (r *reading) hide(n *unstable.Node) {
	if n.Kind == unstable.KeyValue {
		if parts := keyParts(n); r.soundsSecret(parts[len(parts)-1]) {
			r.masks = append(r.masks, r.valueSpan(n))
			return
		}
		n = n.Value()
	}
	if n.Kind != unstable.Array && n.Kind != unstable.InlineTable {
		return
	}
	for it := n.Children(); it.Next(); {
		r.hide(it.Node())
	}
}

func (r *reading) soundsSecret(name string) bool {
	name = strings.ToLower(clip(name))
	return Near(name, r.secrets) != "" ||
		slices.ContainsFunc(r.secrets, func(secret string) bool { return strings.Contains(name, secret) })
}

func keyParts(n *unstable.Node) (parts []string) {
	for it := n.Key(); it.Next(); {
		parts = append(parts, string(it.Node().Data))
	}
	return parts
}

// keySpan returns where the name of a key or section stands.
func (r *reading) keySpan(n *unstable.Node) (s span) {
	first := true
	for it := n.Key(); it.Next(); first = false {
		part := r.span(it.Node().Raw)
		if first {
			s.from = part.from
		}
		s.to = part.to
	}
	return s
}

// valueSpan returns where the value of a key stands; of lists and tables the
// parser does not say it.
func (r *reading) valueSpan(n *unstable.Node) span {
	s := span{r.keySpan(n).to, r.span(n.Raw).to}
	for s.from < s.to && strings.IndexByte(" \t=", r.text[s.from]) >= 0 {
		s.from++
	}
	return s
}
