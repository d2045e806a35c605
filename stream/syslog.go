package stream

import "bytes"

// severities are the words for the eight severities of syslog: emerg to err,
// warning, notice and info, debug.
var severities = [8][]byte{
	[]byte("ERROR"), []byte("ERROR"), []byte("ERROR"), []byte("ERROR"),
	[]byte("WARN"), []byte("INFO"), []byte("INFO"), []byte("DEBUG"),
}

var facilities = [...]string{
	"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
	"ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
}

// syslog reads RFC 5424 and RFC 3164, and what rsyslog writes into files, with
// or without a priority. The line begins with the timestamp at, of n bytes.
func (p *parser) syslog(line []byte, at stamp, n int) bool {
	if line[0] == '<' {
		return p.priority(line)
	}
	if n == 0 || n+1 >= len(line) || line[n] != ' ' {
		return false
	}
	bsd := isLetter(line[0]) && !isLetter(line[4])
	rsyslog := isDigit(line[0]) && line[10] == 'T'
	if !bsd && !rsyslog {
		return false
	}
	h, ok := header(line[n+1:])
	if !ok || saysLevel(h.host) {
		return false
	}
	// An application's own line may look so: rsyslog writes microseconds and a zone.
	if rsyslog && h.pid == nil && (n != len("2006-01-02T15:04:05.000000+01:00") || h.host == nil) {
		return false
	}
	p.entry.at = at
	p.entry.level = plain(levelOf(h.message))
	p.takeHeader(h)
	return true
}

// priority reads a line that begins with <PRI>.
func (p *parser) priority(line []byte) bool {
	end := bytes.IndexByte(line[:min(5, len(line))], '>')
	if end < 2 || digits(line[1:end]) != end-1 || line[1] == '0' && end > 2 {
		return false
	}
	pri := 0
	for _, c := range line[1:end] {
		pri = pri*10 + int(c-'0')
	}
	rest := line[end+1:]
	if pri/8 >= len(facilities) || len(rest) == 0 {
		return false
	}
	if bytes.HasPrefix(rest, []byte("1 ")) && p.rfc5424(rest[2:], pri) {
		return true
	}
	p.setPriority(pri)
	at, n := p.clock.leading(rest)
	if n > 0 && n+1 < len(rest) && rest[n] == ' ' {
		p.entry.at = at
		rest = rest[n+1:]
	}
	h, ok := header(rest)
	if !ok || n == 0 && h.host != nil {
		h = syslogHeader{message: rest}
	}
	p.takeHeader(h)
	return true
}

func (p *parser) setPriority(pri int) {
	p.entry.level = plain(severities[pri%8])
	p.entry.key("facility")
	p.entry.members = append(append(append(p.entry.members, '"'), facilities[pri/8]...), '"')
}

// A syslogHeader is HOST APP[PID]: MESSAGE.
type syslogHeader struct {
	host, app, pid, message []byte
}

func header(s []byte) (h syslogHeader, ok bool) {
	tag, rest := cut(s)
	if len(tag) > 0 && tag[len(tag)-1] != ':' {
		h.host = tag
		tag, rest = cut(rest)
	}
	if len(tag) < 2 || tag[len(tag)-1] != ':' {
		return h, false
	}
	h.app, h.message = tag[:len(tag)-1], rest
	if i := bytes.IndexByte(h.app, '['); i > 0 && h.app[len(h.app)-1] == ']' {
		h.app, h.pid = h.app[:i], h.app[i+1:len(h.app)-1]
	}
	return h, true
}

func (p *parser) takeHeader(h syslogHeader) {
	p.entry.add("host", h.host)
	p.entry.add("app", h.app)
	p.entry.add("pid", h.pid)
	p.entry.message = plain(h.message)
}

// saysLevel says that a word is a level rather than the name of a host.
func saysLevel(w []byte) bool {
	w = bytes.Trim(w, "[]")
	for _, l := range levelWords {
		if len(w) == len(l.word) && foldEqual(w, l.word) {
			return true
		}
	}
	return string(w) == "NOTICE" || string(w) == "CRITICAL"
}

// rfc5424 reads TIME HOST APP PROCID MSGID SD MESSAGE.
func (p *parser) rfc5424(s []byte, pri int) bool {
	when, s := cut(s)
	var at stamp
	if string(when) != "-" {
		n := 0
		if at, n = p.clock.stamp(when); n == 0 || n != len(when) {
			return false
		}
	}
	var words [4][]byte
	for i := range words {
		if words[i], s = cut(s); len(words[i]) == 0 {
			return false
		}
	}
	n := structuredLen(s)
	if n == 0 {
		return false
	}
	p.entry.at = at
	p.setPriority(pri)
	for i, k := range [...]string{"host", "app", "pid", "msgid"} {
		p.entry.add(k, words[i])
	}
	p.entry.add("sd", s[:n])
	message := bytes.TrimPrefix(s[min(n+1, len(s)):], []byte("\ufeff"))
	p.entry.message = plain(message)
	return true
}

// structuredLen returns the length of the structured data, or its -, that s
// begins with: 0 if there is none.
func structuredLen(s []byte) int {
	n := 0
	if len(s) > 0 && s[0] == '-' {
		n = 1
	}
	for quoted := false; n < len(s) && s[n] == '['; {
		for n++; n < len(s) && (quoted || s[n] != ']'); n++ {
			switch s[n] {
			case '"':
				quoted = !quoted
			case '\\':
				n++
			}
		}
		if n++; n > len(s) {
			return 0
		}
	}
	if n < len(s) && s[n] != ' ' {
		return 0
	}
	return n
}
