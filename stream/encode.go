package stream

import (
	"encoding/base64"
	"strconv"
	"unicode/utf8"
)

// A text is what a string of an entry says: bytes, or the bytes between the
// quotes of a JSON string, with its escapes.
type text struct {
	b       []byte
	escaped bool
}

func plain(b []byte) text { return text{b: b} }

// An entry is one line, understood. Its slices are good until the next line.
type entry struct {
	at      stamp // none: the time of reading
	level   text
	message text
	tail    []byte // follows the message: the lines that belong to this one
	members []byte // of fields, as JSON, each with a comma before it
	whole   []byte // "fields" as the line had it, if it has no members
}

func (e *entry) reset() {
	*e = entry{members: small(e.members), whole: small(e.whole)}
}

// key begins a member of fields. What follows must be one JSON value.
func (e *entry) key(k string) {
	e.members = append(e.members, ',', '"')
	e.members = append(e.members, k...)
	e.members = append(e.members, '"', ':')
}

// add adds a member, unless its value is empty or the - that stands for nothing.
func (e *entry) add(k string, v []byte) {
	if len(v) == 0 || len(v) == 1 && v[0] == '-' {
		return
	}
	e.key(k)
	e.members = appendQuoted(e.members, plain(v))
}

// addNumber adds a member if its value is a number as JSON has them.
func (e *entry) addNumber(k string, v []byte) {
	if len(v) == 0 || len(v) > 1 && v[0] == '0' || digits(v) != len(v) {
		return
	}
	e.key(k)
	e.members = append(e.members, v...)
}

// A head is what all entries of one generation of one log have in common.
type head struct {
	source string
	name   []byte // ,"source":"..."
	place  []byte // ,"at":"GEN:
	now    []byte // the time of reading
}

func (h *head) setSource(s string) {
	if h.name == nil || h.source != s {
		h.source = s
		h.name = appendQuoted(append(h.name[:0], `,"source":`...), plain([]byte(s)))
	}
}

func (h *head) setGen(gen string) {
	h.place = append(append(append(h.place[:0], `,"at":"`...), gen...), ':')
}

// A place is what an entry says of its bytes.
type place struct {
	off, n             int64
	partial, truncated bool
}

// append appends the entry as one line, and raw too if it is not valid UTF-8.
func (h *head) append(dst []byte, e *entry, at place, raw []byte) []byte {
	dst = append(dst, `{"time":"`...)
	if e.at.ok() {
		dst = e.at.append(dst)
	} else {
		dst = append(dst, h.now...)
	}
	dst = append(dst, '"')
	dst = append(dst, h.name...)
	if len(e.level.b) > 0 {
		dst = append(dst, `,"level":"`...)
		dst = appendText(dst, e.level)
		dst = append(dst, '"')
	}
	dst = append(dst, `,"message":"`...)
	dst = appendText(dst, e.message)
	dst = appendText(dst, plain(e.tail))
	dst = append(dst, '"')
	dst = e.appendFields(dst)
	dst = append(dst, h.place...)
	dst = strconv.AppendInt(dst, at.off, 10)
	dst = append(dst, `","len":`...)
	dst = strconv.AppendInt(dst, at.n, 10)
	if at.partial {
		dst = append(dst, `,"partial":true`...)
	}
	if at.truncated {
		dst = append(dst, `,"truncated":true`...)
	}
	if !utf8.Valid(raw) {
		dst = append(dst, `,"raw_b64":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, raw)
		dst = append(dst, '"')
	}
	return append(dst, '}', '\n')
}

func (e *entry) appendFields(dst []byte) []byte {
	switch {
	case len(e.members) > 0 && len(e.whole) > 0 && e.whole[0] != '{':
		dst = append(append(dst, `,"fields":{"fields":`...), e.whole...)
		return append(append(dst, e.members...), '}')
	case len(e.members) > 0:
		dst = append(dst, `,"fields":{`...)
		return append(append(dst, e.members[1:]...), '}')
	case len(e.whole) > 0:
		return append(append(dst, `,"fields":`...), e.whole...)
	}
	return dst
}

func appendQuoted(dst []byte, t text) []byte {
	return append(appendText(append(dst, '"'), t), '"')
}

// What appendText must look at; every other byte is copied.
const (
	escapes = iota + 1 // written by an escape
	slash              // a backslash: of an escape, perhaps
	foreign            // of a rune above ASCII
)

var special = specials()

func specials() (t [256]uint8) {
	for i := range t {
		switch c := byte(i); {
		case c < ' ' || c == '"' || c == '<' || c == '>' || c == '&':
			t[i] = escapes
		case c == '\\':
			t[i] = slash
		case c >= utf8.RuneSelf:
			t[i] = foreign
		}
	}
	return t
}

// appendText appends a text as encoding/json would write it between quotes.
func appendText(dst []byte, t text) []byte {
	s := t.b
	for {
		n := ordinary(s)
		dst = append(dst, s[:n]...)
		if s = s[n:]; len(s) == 0 {
			return dst
		}
		switch special[s[0]] {
		case foreign:
			r, n := utf8.DecodeRune(s)
			if r == utf8.RuneError && n == 1 {
				dst = append(dst, `\ufffd`...)
			} else {
				dst = appendRune(dst, r)
			}
			s = s[n:]
		case slash:
			if t.escaped {
				r, n := unescape(s)
				dst = appendRune(dst, r)
				s = s[n:]
				continue
			}
			fallthrough
		default:
			dst = appendEscape(dst, s[0])
			s = s[1:]
		}
	}
}

// ordinary returns how many bytes at the beginning of s are copied as they are.
func ordinary(s []byte) int {
	i := 0
	for ; i+8 <= len(s); i += 8 {
		if special[s[i]]|special[s[i+1]]|special[s[i+2]]|special[s[i+3]]|
			special[s[i+4]]|special[s[i+5]]|special[s[i+6]]|special[s[i+7]] != 0 {
			break
		}
	}
	for i < len(s) && special[s[i]] == 0 {
		i++
	}
	return i
}

func appendRune(dst []byte, r rune) []byte {
	switch {
	case r == '\u2028':
		return append(dst, `\u2028`...)
	case r == '\u2029':
		return append(dst, `\u2029`...)
	case r < utf8.RuneSelf && special[r] != 0:
		return appendEscape(dst, byte(r))
	}
	return utf8.AppendRune(dst, r)
}

const hexDigits = "0123456789abcdef"

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '\n':
		c = 'n'
	case '\r':
		c = 'r'
	case '\t':
		c = 't'
	case '\b':
		c = 'b'
	case '\f':
		c = 'f'
	case '"', '\\':
	default:
		return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
	}
	return append(dst, '\\', c)
}
