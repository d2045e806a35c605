package stream

// A parser understands lines.
type parser struct {
	entry   entry
	clock   clock
	object  object
	pairs   []pair
	inner   []byte // what a Docker line says
	scratch [100]byte
	scanned bool // the object is that of the line, or it is none
	found   bool // it is one
	logwisp bool
}

// begin begins another entry.
func (p *parser) begin() {
	p.entry.reset()
	p.scanned = false
}

// isObject takes a line apart that begins with a brace, if it has not been.
func (p *parser) isObject(line []byte) bool {
	if !p.scanned {
		p.found, p.scanned = p.object.scan(line), true
	}
	return p.found
}

// read puts a line that begins where lines begin into the entry.
func (p *parser) read(line []byte) {
	if p.isObject(line) && p.json() {
		return
	}
	if p.logwisp {
		p.plain(line, 0)
		return
	}
	at, n := p.clock.leading(line)
	if p.klog(line) || p.syslog(line, at, n) || p.access(line) || p.logfmt(line) {
		return
	}
	if n > 0 {
		p.entry.at = at
	}
	p.plain(line, n)
}

// plain takes a line for nothing but text, which begins with n bytes of timestamp.
func (p *parser) plain(line []byte, n int) {
	p.entry.message = plain(line)
	if n > 0 {
		if p.entry.level.b = nginxLevel(line[n:]); p.entry.level.b != nil {
			return
		}
	}
	p.entry.level = plain(levelOf(line))
}

// small returns a slice to be used again, emptied; not if it has become large,
// for there may be thousands of logs.
func small[T any](s []T) []T {
	const large = 16 << 10
	if cap(s) > large {
		return nil
	}
	return s[:0]
}

// cut returns what is before the first blank, and what is behind it.
func cut(p []byte) (word, rest []byte) {
	for i, c := range p {
		if c == ' ' {
			return p[:i], p[i+1:]
		}
	}
	return p, nil
}
