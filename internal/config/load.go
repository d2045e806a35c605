package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Sources is where settings come from, besides their defaults.
type Sources struct {
	File    string              // a path; empty: none
	Environ []string            // as os.Environ returns it
	Flags   map[string][]string // by key, those that were given
}

// A Kind of origin, the weakest first.
type Kind int

const (
	Default Kind = iota
	File
	Environment
	Flag
)

func (k Kind) String() string {
	return [...]string{"default", "file", "environment", "flag"}[k]
}

// An Origin says where a value comes from.
type Origin struct {
	Kind Kind
	Text string // default, fairlead.toml:12, FAIRLEAD_HTTP_LISTEN, --http
}

// said is what somebody said about a key.
type said struct {
	texts  []string
	value  any
	origin Origin
	where  string    // how an error about it begins
	at     span      // in doc
	doc    *document // nil: it was not said in a file
}

// Loaded is what is known of settings besides their values.
type Loaded struct {
	path     string
	keys     []Key
	said     map[string]said
	sections map[string]bool
	values   reflect.Value

	fileKeys, fileSections int
}

// loading is the way to a Loaded.
type loading struct {
	Loaded
	errs []*Error
	more bool // there are errors that are not among them
}

// Load sets in settings, a pointer to a struct, what the sources say. Its error
// has all that is wrong, each an *Error; then settings are as they were.
func Load(settings any, from Sources) (*Loaded, error) {
	target := reflect.ValueOf(settings).Elem()
	l := loading{Loaded: Loaded{
		path: from.File, keys: Keys(settings), said: make(map[string]said), sections: make(map[string]bool),
		values: reflect.New(target.Type()).Elem(),
	}}
	l.values.Set(target)
	if from.File != "" {
		l.file(from.File)
	}
	l.environ(from.Environ)
	l.flags(from.Flags)
	if len(l.errs) > 0 {
		return nil, join(l.errs, l.more)
	}
	for _, k := range l.keys {
		if s, ok := l.said[k.Name]; ok {
			v := k.in(l.values)
			v.Set(reflect.ValueOf(s.value).Convert(v.Type()))
		}
	}
	target.Set(l.values)
	return &l.Loaded, nil
}

func (l *loading) errorAt(where, format string, args ...any) {
	l.errs = append(l.errs, &Error{Where: where, Text: fmt.Sprintf(format, args...)})
}

func (l *loading) file(path string) {
	b, err := readFile(path, maxFile)
	if err != nil {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			err = errNotThere
		case errors.Is(err, fs.ErrPermission):
			err = fmt.Errorf("%w: let this user read it, or name another with --config (/dev/null: none)", err)
		}
		l.errorAt(path, "%v", err)
		return
	}
	r := readTOML(path, b, l.keys)
	l.errs, l.more = append(l.errs, r.errors()...), r.more
	maps.Copy(l.said, r.said)
	for section := range r.began {
		l.sections[section] = true
	}
	l.fileKeys, l.fileSections = len(r.said), len(r.began)
}

// word takes what a variable or flag says, over what was said before.
func (l *loading) word(k Key, s said) {
	l.sections[k.Section] = true
	value, err := k.kind.read(s.texts)
	if err != nil {
		l.errorAt(s.where, "%v", err)
		return
	}
	s.value = value
	l.said[k.Name] = s
}

func (l *loading) flags(given map[string][]string) {
	left := maps.Clone(given)
	for _, k := range l.keys {
		texts := left[k.Name]
		delete(left, k.Name)
		if len(texts) == 0 {
			continue
		}
		if k.kind != list {
			texts = texts[len(texts)-1:]
		}
		name := "--" + k.Flag
		if k.Flag == "" {
			name = k.Name
		}
		where := k.where(name+" ", strings.Join(texts, " "+name+" "))
		if k.Bool {
			where = strings.TrimSuffix(name+"="+shown(texts[0]), "=true")
		}
		l.word(k, said{texts: texts, origin: Origin{Flag, name}, where: where})
	}
	for name := range left {
		panic("bug: settings: a flag of a key that there is not: " + name)
	}
}

func (l *Loaded) key(name string) Key {
	i := slices.IndexFunc(l.keys, func(k Key) bool { return k.Name == name })
	if i < 0 {
		panic("bug: settings: there is no key " + name)
	}
	return l.keys[i]
}

// Origin says where the value of a key, as in http.listen, comes from.
func (l *Loaded) Origin(key string) Origin {
	l.key(key)
	if s, ok := l.said[key]; ok {
		return s.origin
	}
	return Origin{Default, "default"}
}

// Present says that a section stands in the file, even if there is nothing in it,
// or that any key of it was set.
func (l *Loaded) Present(section string) bool { return l.sections[section] }

// File returns the path of the file, or nothing, and what it has.
func (l *Loaded) File() (path string, keys, sections int) {
	return l.path, l.fileKeys, l.fileSections
}

// Errorf returns an *Error about the value of a key, which points to where it was
// said.
func (l *Loaded) Errorf(key, format string, args ...any) error {
	k, why := l.key(key), fmt.Sprintf(format, args...)
	s, ok := l.said[key]
	switch {
	case !ok && k.Secret:
		return &Error{Where: k.Name, Text: why}
	case !ok:
		v := valueOf(k, k.in(l.values))
		return &Error{Where: k.Name + " = " + shown(v.Text) + " (default)", Text: why}
	case s.doc != nil:
		return s.doc.fault(s.at, why)
	}
	return &Error{Where: s.where, Text: why}
}
