package stream

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/valyala/fastjson"
)

// A member is one key of a JSON object, with its value as JSON without white space.
type member struct {
	key, value []byte
}

func (m member) isString() bool { return m.value[0] == '"' }
func (m member) isNumber() bool { return m.value[0] == '-' || isDigit(m.value[0]) }
func (m member) isNull() bool   { return m.value[0] == 'n' }

// text returns the string that the value is.
func (m member) text() text { return text{m.value[1 : len(m.value)-1], true} }

// An object is a line that is a JSON object, taken apart. What it holds is good
// until the next.
type object struct {
	members []member
	parser  fastjson.Parser
	bytes   []byte // of the members
	gelf    bool   // it has a short_message
	visit   func(key []byte, v *fastjson.Value)
}

// largeObject is the size of a line whose parser is not kept: it may have grown
// to many times the line.
const largeObject = 16 << 10

// scan takes a line apart, and says whether it is an object, or null.
func (o *object) scan(line []byte) bool {
	o.members, o.bytes, o.gelf = small(o.members), small(o.bytes), false
	if s := bytes.Trim(line, " \t\r"); len(s) < 2 || (s[0] != '{' || s[len(s)-1] != '}') && string(s) != "null" {
		return false
	}
	if tooDeep(line) {
		return false
	}
	if len(line) > largeObject {
		defer func() { o.parser = fastjson.Parser{} }()
	}
	// Parse is lenient about numbers and strings, Validate about depth.
	v, err := o.parser.ParseBytes(line)
	if err != nil || fastjson.ValidateBytes(line) != nil {
		return false
	}
	if v.Type() == fastjson.TypeNull {
		return true
	}
	if o.visit == nil {
		o.visit = o.take
	}
	v.GetObject().Visit(o.visit)
	return true
}

// maxDepth is how deep the values of an object may be nested. The parser has a
// limit of its own, but wraps an error once for each level.
const maxDepth = 64

// tooDeep says that a line is nested deeper than that. Few lines have enough
// brackets for a closer look.
func tooDeep(line []byte) bool {
	if bytes.Count(line, []byte{'{'})+bytes.Count(line, []byte{'['}) <= maxDepth {
		return false
	}
	depth := 0
	for i := 0; i < len(line) && depth <= maxDepth; i++ {
		switch line[i] {
		case '"':
			i += 1 + stringLen(line[i+1:])
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
	}
	return depth > maxDepth
}

// take takes one member. Its key comes decoded, its value as it stands.
func (o *object) take(key []byte, v *fastjson.Value) {
	o.bytes = append(o.bytes, key...)
	n := len(o.bytes)
	o.gelf = o.gelf || string(key) == "short_message"
	o.bytes = v.MarshalTo(o.bytes)
	o.members = append(o.members, member{o.bytes[n-len(key) : n : n], o.bytes[n:len(o.bytes):len(o.bytes)]})
}

// What a key can be for an entry. Where a line has several of one kind, that of
// the lowest rank counts, and of one rank the last.
type role struct {
	kind, rank uint8
}

const (
	noRole = iota
	messageRole
	levelRole
	timeRole
	fieldsRole
	roleCount
)

// priorityRole is that of PRIORITY in the journal; in other letters it is a field.
var priorityRole = role{levelRole, 8}

// roles names the keys, in lower case: those of LogWisp (also slog, logrus, zap,
// pino and bunyan), then of zerolog, Logstash and ECS, hclog, GELF, Serilog,
// structlog, Docker and Fluentd; of Python, Google, .NET, log15 and the journal.
var roles = map[string]role{
	"msg": {messageRole, 0}, "message": {messageRole, 1}, "@message": {messageRole, 2}, "short_message": {messageRole, 3},
	"@m": {messageRole, 4}, "event": {messageRole, 5}, "log": {messageRole, 6}, "@mt": {messageRole, 7},
	"level": {levelRole, 0}, "lvl": {levelRole, 1}, "severity": {levelRole, 2}, "log.level": {levelRole, 3},
	"levelname": {levelRole, 4}, "@level": {levelRole, 5}, "@l": {levelRole, 6}, "loglevel": {levelRole, 7},
	"priority": priorityRole,
	"time":     {timeRole, 0}, "ts": {timeRole, 1}, "timestamp": {timeRole, 2}, "@timestamp": {timeRole, 3},
	"@t": {timeRole, 4}, "asctime": {timeRole, 5}, "t": {timeRole, 6}, "timemillis": {timeRole, 7},
	"__realtime_timestamp": {timeRole, 8},
	"fields":               {fieldsRole, 0},
}

// roleOf returns what a key in any letter case is for.
func roleOf(key []byte) role {
	var lower [20]byte // as long as the longest
	if len(key) > len(lower) {
		return role{}
	}
	for i, c := range key {
		if c-'A' < 26 {
			c |= 0x20
		}
		lower[i] = c
	}
	return roles[string(lower[:len(key)])]
}

// json reads the members of the object into the entry. It says no if LogWisp
// would have taken the line for plain text.
func (p *parser) json() bool {
	if p.logwisp && !p.decodes() {
		return false
	}
	var chosen [roleCount]int // the member that counts, by kind, from 1
	var rank [roleCount]uint8
	for i, m := range p.object.members {
		r := roleOf(m.key)
		if r.kind == noRole || chosen[r.kind] > 0 && r.rank > rank[r.kind] || !p.serves(r, m) {
			continue
		}
		chosen[r.kind], rank[r.kind] = i+1, r.rank
	}
	for i, m := range p.object.members {
		switch i + 1 {
		case chosen[messageRole]:
			p.entry.message = m.text()
		case chosen[fieldsRole]:
			p.fields(m.value)
		case chosen[levelRole], chosen[timeRole]: // serves took them
		default:
			p.keep(m)
		}
	}
	return true
}

// decodes says that the three keys LogWisp reads have values it can read, or
// numbers where that is clear.
func (p *parser) decodes() bool {
	for _, m := range p.object.members {
		r := roleOf(m.key)
		if r.rank > 0 || r.kind == noRole || r.kind == fieldsRole || m.isString() || m.isNull() {
			continue
		}
		if r.kind == messageRole || !m.isNumber() {
			return false
		}
	}
	return true
}

// serves says whether a value can be what its key promises; levels and times it
// puts into the entry.
func (p *parser) serves(r role, m member) bool {
	switch r.kind {
	case messageRole:
		return m.isString()
	case levelRole:
		level, ok := p.levelValue(r, m)
		if ok {
			p.entry.level = level
		}
		return ok
	case timeRole:
		at := p.timeValue(m)
		if at.ok() {
			p.entry.at = at
		}
		return at.ok()
	}
	return true
}

// pinoLevels are the levels of pino and bunyan: 10, 20, ... 60.
var pinoLevels = [...][]byte{
	[]byte("trace"), []byte("debug"), []byte("info"), []byte("warn"), []byte("error"), []byte("fatal"),
}

func (p *parser) levelValue(r role, m member) (text, bool) {
	v := m.value
	if m.isString() {
		v = m.text().b
	}
	if string(m.key) == "PRIORITY" || len(v) == 1 && m.isNumber() && p.object.gelf {
		if len(v) != 1 || v[0]-'0' > 7 {
			return text{}, false
		}
		return plain(severities[v[0]-'0']), true
	}
	switch {
	case r == priorityRole:
		return text{}, false
	case m.isString():
		return m.text(), len(v) > 0
	case m.isNumber() && len(v) == 2 && v[0]-'1' < 6 && isDigit(v[1]):
		return plain(pinoLevels[v[0]-'1']), true
	}
	return text{}, false
}

// timeValue reads a time: a timestamp, or a number that counts since 1970.
func (p *parser) timeValue(m member) stamp {
	if !m.isString() {
		return epoch(m.value)
	}
	v := m.text().b
	if len(v) < 100 && bytes.IndexByte(v, '\\') >= 0 {
		v = appendDecoded(p.scratch[:0], v)
	}
	if s, n := p.clock.stamp(v); n > 0 && n == len(v) {
		return s
	}
	return epoch(v)
}

// fields takes the value of the key fields: the members of an object are kept
// beside the other keys, anything else is a value of its own.
func (p *parser) fields(v []byte) {
	if len(v) > 2 && v[0] == '{' {
		p.entry.members = append(p.entry.members, ',')
		p.entry.members = appendValue(p.entry.members, v[1:len(v)-1])
		return
	}
	p.entry.whole = appendValue(p.entry.whole[:0], v)
}

// keep adds a member that is nothing but a field.
func (p *parser) keep(m member) {
	if m.isNull() {
		if r := roleOf(m.key); r.rank == 0 && r.kind != noRole && r.kind != fieldsRole {
			return // "msg":null says nothing
		}
	}
	members := appendQuoted(append(p.entry.members, ','), plain(m.key))
	p.entry.members = appendValue(append(members, ':'), m.value)
}

// appendValue appends JSON that has no white space, with its strings written
// as encoding/json writes them.
func appendValue(dst, v []byte) []byte {
	for {
		i := bytes.IndexByte(v, '"') + 1
		if i == 0 {
			return append(dst, v...)
		}
		dst = append(dst, v[:i]...)
		v = v[i:]
		n := stringLen(v)
		dst = appendText(dst, text{v[:n], true})
		dst = append(dst, '"')
		v = v[min(n+1, len(v)):]
	}
}

// stringLen returns where the quote is that ends the string whose text s
// begins with: len(s) if there is none.
func stringLen(s []byte) int {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return len(s)
}

// appendDecoded appends what the text of a JSON string says.
func appendDecoded(dst, s []byte) []byte {
	for {
		i := bytes.IndexByte(s, '\\')
		if i < 0 {
			return append(dst, s...)
		}
		r, n := unescape(s[i:])
		dst = utf8.AppendRune(append(dst, s[:i]...), r)
		s = s[i+n:]
	}
}

// unescape returns the rune of the escape that s begins with, and its length.
// Half of a surrogate pair is U+FFFD.
func unescape(s []byte) (rune, int) {
	if len(s) < 2 {
		return '\\', 1
	}
	switch s[1] {
	case 'n':
		return '\n', 2
	case 't':
		return '\t', 2
	case 'r':
		return '\r', 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'u':
		r := hex4(s[2:])
		if utf16.IsSurrogate(r) {
			if len(s) >= 12 && s[6] == '\\' && s[7] == 'u' {
				if both := utf16.DecodeRune(r, hex4(s[8:])); both != utf8.RuneError {
					return both, 12
				}
			}
			r = utf8.RuneError
		}
		return r, min(6, len(s))
	}
	return rune(s[1]), 2
}

// hex4 reads four hexadecimal digits.
func hex4(s []byte) (r rune) {
	if len(s) < 4 {
		return utf8.RuneError
	}
	for _, c := range s[:4] {
		switch {
		case isDigit(c):
			c -= '0'
		default:
			c = c | 0x20 - 'a' + 10
		}
		r = r<<4 | rune(c&15)
	}
	return r
}
