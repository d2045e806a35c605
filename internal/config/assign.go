package config

import (
	"errors"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// header begins a section.
func (r *reading) header(n *unstable.Node) {
	name, at := strings.Join(keyParts(n), "."), r.keySpan(n)
	r.section, r.skip = name, !r.known(name)
	switch {
	case r.skip && r.known(keyParts(n)[0]):
		r.problem(at, "unknown section [%s]: [%s] has keys, and no sections below it", shown(name), keyParts(n)[0])
		return
	case r.skip:
		r.problem(at, "unknown section [%s]%s", shown(name), meantSection(r.keys, name))
		return
	case n.Kind == unstable.ArrayTable:
		r.problem(at, "there is one section [%s], no list of them: want one pair of brackets", name)
	}
	r.begin(name, at, false)
}

// begin notes that a section is here. It begins once, but for lines such as
// http.listen = ":8080", of which there may be several.
func (r *reading) begin(section string, at span, dotted bool) {
	was, twice := r.began[section]
	switch {
	case !twice:
		r.began[section] = beginning{at.from, dotted}
	case !dotted || !was.dotted:
		r.problem(at, "the section [%s] begins twice: also in line %d", section, r.line(was.off))
	}
}

// assign takes a line with a key and a value, or with a whole section.
func (r *reading) assign(n *unstable.Node) {
	parts, at := keyParts(n), r.keySpan(n)
	section := parts[0]
	switch {
	case r.skip:
	case r.section != "":
		r.set(r.section, parts, n)
	case r.known(section) && len(parts) > 1:
		r.begin(section, at, true)
		r.set(section, parts[1:], n)
	case r.known(section) && n.Value().Kind == unstable.InlineTable:
		r.begin(section, at, false)
		for it := n.Value().Children(); !r.more && it.Next(); {
			r.set(section, keyParts(it.Node()), it.Node())
		}
	case r.known(section):
		r.problem(at, "[%s] is a section: its keys go below a line [%s]", section, section)
	case len(parts) == 1:
		r.problem(at, "the key %q is in no section%s", shown(section), meantOutside(r.keys, section))
	default:
		r.problem(at, "unknown section [%s]%s", shown(section), meantSection(r.keys, section))
	}
}

// meantOutside is for a key before the first section.
func meantOutside(keys []Key, name string) string {
	if of := owners(keys, name); of != "" {
		return ": it belongs below a line " + of
	}
	return meantSection(keys, name)
}

// set takes the value of a key of a section.
func (r *reading) set(section string, parts []string, n *unstable.Node) {
	last, at, value := strings.Join(parts, "."), r.keySpan(n), r.valueSpan(n)
	k, ok := r.key(section, last)
	if !ok || len(parts) > 1 {
		r.problem(at, "unknown key %q in [%s]%s", shown(last), section, meantKey(r.keys, section, last))
		return
	}
	if was, twice := r.said[k.Name]; twice {
		r.problem(at, "%q is set twice in [%s]: also in line %d", last, section, r.line(was.at.from))
		return
	}
	raw := string(r.text[value.from:value.to])
	texts, err := k.kind.textsOf(n.Value(), raw)
	s := said{texts: texts, at: value, origin: Origin{File, r.where(value.from)}, doc: r.document}
	switch {
	case errors.Is(err, errType):
		err = errors.New("want " + k.kind.wantTOML() + k.not(n.Value().Kind, raw))
	case err == nil:
		s.value, err = k.kind.read(texts)
	}
	if err != nil {
		r.problem(value, "%s", err)
	}
	r.said[k.Name] = s
}

func (r *reading) key(section, last string) (Key, bool) {
	for _, k := range r.keys {
		if k.Section == section && k.Last == last {
			return k, true
		}
	}
	return Key{}, false
}

// not says what there is instead of what is wanted.
func (k Key) not(kind unstable.Kind, raw string) string {
	switch {
	case k.Secret:
		return ""
	case kind == unstable.InlineTable:
		return ", not a table"
	case kind == unstable.Array && k.kind == list:
		return ", and nothing else in it"
	case kind == unstable.Array:
		return ", not a list"
	}
	return ", not " + shown(raw)
}
