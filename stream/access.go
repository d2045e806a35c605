package stream

import "bytes"

// access reads the access lines of web servers, in the common and the combined
// format: REMOTE IDENT USER [TIME] "REQUEST" STATUS BYTES "REFERER" "AGENT". The
// message is the whole line, with whatever follows. Answers of 500 and above are
// errors, of 400 and above warnings; others have no level.
func (p *parser) access(line []byte) bool {
	open := bytes.IndexByte(line, '[')
	if open < 6 || line[open-1] != ' ' || len(line) < open+32 {
		return false
	}
	remote, rest := cut(line[:open-1])
	ident, user := cut(rest)
	at, n := clfStamp(line[open+1:])
	close := open + 1 + n
	if n == 0 || !at.zoned || !at.real() || close >= len(line) || line[close] != ']' {
		return false
	}
	if len(remote) == 0 || len(ident) == 0 || len(user) == 0 {
		return false
	}
	request, rest, ok := quoted(line[close+1:])
	if !ok || len(rest) == 0 || rest[0] != ' ' {
		return false
	}
	status, rest := cut(rest[1:])
	size, rest := cut(rest)
	if len(status) != 3 || digits(status) != 3 {
		return false
	}
	p.entry.at = at
	p.entry.message = plain(line)
	p.entry.level = plain(statusLevel(status[0]))
	p.entry.add("remote", remote)
	p.entry.add("user", user)
	p.request(request)
	p.entry.addNumber("status", status)
	p.entry.addNumber("bytes", size)
	if len(rest) > 0 && rest[0] == '"' {
		referer, rest, _ := quotedHere(rest)
		agent, _, _ := quoted(rest)
		p.entry.add("referer", referer)
		p.entry.add("agent", agent)
	}
	return true
}

// request takes METHOD PATH PROTOCOL, and nothing of what is no request.
func (p *parser) request(r []byte) {
	method, rest := cut(r)
	last := bytes.LastIndexByte(rest, ' ')
	if len(method) == 0 || last <= 0 || !isLetter(method[0]) {
		return
	}
	p.entry.add("method", method)
	p.entry.add("path", rest[:last])
	p.entry.add("protocol", rest[last+1:])
}

func statusLevel(first byte) []byte {
	switch first {
	case '5':
		return levelNames[1]
	case '4':
		return levelNames[2]
	}
	return nil
}

// quoted reads a blank and what is between the quotes behind it.
func quoted(s []byte) (text, rest []byte, ok bool) {
	if len(s) < 3 || s[0] != ' ' || s[1] != '"' {
		return nil, nil, false
	}
	return quotedHere(s[1:])
}

// quotedHere reads what is between the quotes that s begins with.
func quotedHere(s []byte) (text, rest []byte, ok bool) {
	n := 1 + stringLen(s[1:])
	if n >= len(s) {
		return nil, nil, false
	}
	return s[1:n], s[n+1:], true
}

// nginxLevel returns the level of what follows the timestamp in nginx's error
// log, [crit] 12#34:, nil if it is something else.
func nginxLevel(s []byte) []byte {
	if len(s) < 8 || s[0] != ' ' || s[1] != '[' {
		return nil
	}
	end := bytes.IndexByte(s[:min(len(s), 10)], ']')
	if end < 0 || end+2 >= len(s) || s[end+1] != ' ' || !isDigit(s[end+2]) {
		return nil
	}
	number := end + 2 + digits(s[end+2:])
	if number >= len(s) || s[number] != '#' {
		return nil
	}
	switch string(s[2:end]) {
	case "emerg", "alert", "crit", "error":
		return levelNames[1]
	case "warn":
		return levelNames[2]
	case "notice", "info":
		return levelNames[3]
	case "debug":
		return levelNames[4]
	}
	return nil
}
