package stream

import (
	"bytes"

	"github.com/valyala/fastjson"
)

// A pair is key=value of a logfmt line.
type pair struct {
	key   []byte
	value text
}

// logfmt reads a line of key=value pairs, separated by blanks. It takes no line
// without two of them, or without a key that says level, message or time: prose
// has an a=b here and there.
func (p *parser) logfmt(line []byte) bool {
	if i := bytes.IndexByte(line[:min(len(line), 64)], '='); i <= 0 || bytes.IndexByte(line[:i], ' ') >= 0 {
		return false
	}
	if !p.scanPairs(line) || len(p.pairs) < 2 {
		return false
	}
	known := false
	for _, x := range p.pairs {
		known = known || roleOf(x.key).common()
	}
	if known {
		p.takePairs()
	}
	return known
}

// common says that a key has one of the usual names, of which those with a rank
// below four are.
func (r role) common() bool {
	return r.kind != noRole && r.kind != fieldsRole && (r.rank < 4 || r == roles["t"])
}

// scanPairs takes a line apart, and says whether it is nothing but pairs.
func (p *parser) scanPairs(s []byte) bool {
	p.pairs = small(p.pairs)
	for len(s) > 0 {
		if s[0] == ' ' {
			s = s[1:]
			continue
		}
		n := 0
		for n < len(s) && s[n] > ' ' && s[n] != '=' && s[n] != '"' {
			n++
		}
		if n == 0 || n == len(s) || s[n] != '=' {
			return false
		}
		value, length, ok := pairValue(s[n+1:])
		if !ok {
			return false
		}
		p.pairs = append(p.pairs, pair{s[:n], value})
		s = s[n+1+length:]
	}
	return true
}

// pairValue returns the value that s begins with, and its length there.
func pairValue(s []byte) (value text, length int, ok bool) {
	if len(s) == 0 || s[0] != '"' {
		n := 0
		for n < len(s) && s[n] != ' ' {
			if s[n] < ' ' || s[n] == '"' {
				return text{}, 0, false
			}
			n++
		}
		return plain(s[:n]), n, true
	}
	n := 1 + stringLen(s[1:])
	if n >= len(s) || n+1 < len(s) && s[n+1] != ' ' {
		return text{}, 0, false
	}
	value = plain(s[1:n])
	// What has escapes that JSON has not, as \x1b of Go's %q, stays as it stands.
	if bytes.IndexByte(value.b, '\\') >= 0 && fastjson.ValidateBytes(s[:n+1]) == nil {
		value.escaped = true
	}
	return value, n + 1, true
}

// takePairs puts the pairs into the entry, with those that count found as in JSON.
func (p *parser) takePairs() {
	var chosen [roleCount]int
	var rank [roleCount]uint8
	for i, x := range p.pairs {
		r := roleOf(x.key)
		if !r.common() || chosen[r.kind] > 0 && r.rank > rank[r.kind] {
			continue
		}
		if r.kind == timeRole {
			at := p.pairTime(x.value)
			if !at.ok() {
				continue
			}
			p.entry.at = at
		}
		chosen[r.kind], rank[r.kind] = i+1, r.rank
	}
	for i, x := range p.pairs {
		switch i + 1 {
		case chosen[messageRole]:
			p.entry.message = x.value
		case chosen[levelRole]:
			p.entry.level = x.value
		case chosen[timeRole]:
		default:
			members := appendQuoted(append(p.entry.members, ','), plain(x.key))
			p.entry.members = appendQuoted(append(members, ':'), x.value)
		}
	}
}

func (p *parser) pairTime(v text) stamp {
	if s, n := p.clock.stamp(v.b); n > 0 && n == len(v.b) {
		return s
	}
	return epoch(v.b)
}
