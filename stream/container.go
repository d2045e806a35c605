package stream

import "bytes"

// A piece is what one line of a container's log says: a line of the program in
// it, or with more to come a part of one.
type piece struct {
	stream, text []byte
	more         bool
}

// container reads the lines of CRI and of Docker's json-file: the piece, and
// into the entry what the runtime says beside it.
func (p *parser) container(line []byte) (piece, bool) {
	if len(line) > 0 && isDigit(line[0]) {
		return p.cri(line)
	}
	if !p.isObject(line) {
		return piece{}, false
	}
	return p.docker()
}

// cri reads TIME STREAM TAGS TEXT, where the first tag is F, or P for a part.
func (p *parser) cri(line []byte) (c piece, ok bool) {
	if len(line) < 28 || line[10] != 'T' {
		return piece{}, false
	}
	blank := bytes.IndexByte(line[:min(len(line), 40)], ' ')
	if blank < 0 {
		return piece{}, false
	}
	c.stream, c.text = cut(line[blank+1:])
	if !standard(c.stream) || len(c.text) == 0 || c.text[0] != 'F' && c.text[0] != 'P' {
		return piece{}, false
	}
	at, n := p.clock.stamp(line[:blank])
	if n != blank {
		return piece{}, false
	}
	tags, rest := cut(c.text)
	if len(tags) > 1 && tags[1] != ':' {
		return piece{}, false
	}
	c.more, c.text = tags[0] == 'P', rest
	p.entry.at = at
	p.entry.add("stream", c.stream)
	return c, true
}

func standard(stream []byte) bool { return string(stream) == "stdout" || string(stream) == "stderr" }

// docker reads the object as {"log":"text\n","stream":"stdout","time":"..."}.
// Other keys, as those of Fluentd, are kept.
func (p *parser) docker() (c piece, ok bool) {
	log := -1
	for i, m := range p.object.members {
		switch {
		case !m.isString():
		case string(m.key) == "log":
			log = i
		case string(m.key) == "stream":
			c.stream = m.text().b
		}
	}
	if log < 0 || !standard(c.stream) {
		return piece{}, false
	}
	for i, m := range p.object.members {
		if i == log {
			continue
		}
		if string(m.key) == "time" {
			if at := p.timeValue(m); at.ok() {
				p.entry.at = at
				continue
			}
		}
		p.keep(m)
	}
	p.inner = appendDecoded(small(p.inner), p.object.members[log].text().b)
	c.text = bytes.TrimSuffix(p.inner, []byte{'\n'})
	c.more = len(c.text) == len(p.inner)
	if !c.more {
		c.text = bytes.TrimSuffix(c.text, []byte{'\r'})
	}
	p.scanned = false // what is read next is the text
	return c, true
}

// contained puts the text of a program into the entry that the runtime's words
// are in: what it says itself wins.
func (p *parser) contained(text []byte) {
	if len(text) > 0 {
		p.read(text)
	}
}
