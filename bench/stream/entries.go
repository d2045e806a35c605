package main

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"fairlead/bench/measure"
)

// markSeq is the number of the lines that say to a client that it is being served. They do not count.
const markSeq = measure.LinesLimit - 1

// entryReader follows the entries of one client, each of which has one of our lines as message.
type entryReader struct {
	measure.LineCounter
	marked bool  // a mark has come
	bytes  int64 // of the entries that count

	sse  bool
	body chunked // of an SSE client
	rest []byte  // the beginning of a line whose end has not come

	// Of the entry before, since the next is mostly cut alike: where its message was, and how long
	// its line and the id's were with their LF.
	at, entryLen, idLen int
}

// feed takes the next bytes of the connection and calls each for every line that is a new one.
func (r *entryReader) feed(p []byte, each func(seq, stamp int64)) error {
	if !r.sse {
		r.lines(p, each)
		return nil
	}
	for len(p) > 0 {
		data, rest, err := r.body.next(p)
		if err != nil {
			return err
		}
		r.lines(data, each)
		p = rest
	}
	return nil
}

// lines takes all whole lines of p and keeps the beginning of the next.
func (r *entryReader) lines(p []byte, each func(seq, stamp int64)) {
	if len(r.rest) > 0 {
		n := bytes.IndexByte(p, '\n')
		if n < 0 {
			r.rest = append(r.rest, p...)
			return
		}
		r.rest = append(r.rest, p[:n]...)
		p = p[n+1:]
		r.line(r.rest, each)
		r.rest = r.rest[:0]
	}
	for len(p) > 0 {
		if n := r.alike(p, each); n > 0 {
			p = p[n:]
			continue
		}
		n := bytes.IndexByte(p, '\n')
		if n < 0 {
			r.rest = append(r.rest, p...)
			return
		}
		r.line(p[:n], each)
		p = p[n+1:]
	}
}

// alike takes the next line if it is cut like the one before, and returns its length; else 0. The
// clients share the cores with the server they measure: looking for each LF would cost them half
// as much again.
func (r *entryReader) alike(p []byte, each func(seq, stamp int64)) int {
	n := r.entryLen
	if r.sse {
		switch p[0] {
		case '\n':
			return 1
		case 'i':
			n = r.idLen
		}
	}
	if n == 0 || n > len(p) || p[n-1] != '\n' {
		return 0
	}
	if r.sse && p[0] == 'i' {
		return n
	}
	entry := p[:n-1]
	if r.sse {
		entry = entry[len(dataField):]
	}
	seq, stamp, ok := r.parseAt(entry, r.at)
	if !ok {
		return 0
	}
	r.took(seq, stamp, len(entry), each)
	return n
}

// took counts an entry of n bytes.
func (r *entryReader) took(seq, stamp int64, n int, each func(seq, stamp int64)) {
	if seq == markSeq {
		r.marked = true
		return
	}
	if r.Saw(seq) {
		r.bytes += int64(n + 1)
		each(seq, stamp)
	}
}

var (
	dataField   = []byte("data: ")
	idField     = []byte("id: ")
	entryStart  = []byte(`{"time":"`)
	clientStart = []byte(`{"client_id":`)
	recordStart = []byte(`{"type":`)
	messageText = []byte(`"message":"`)
)

// line takes one line without its LF: an entry, or of SSE another field too, which says nothing of lines.
func (r *entryReader) line(p []byte, each func(seq, stamp int64)) {
	n := len(p) + 1
	if r.sse {
		if bytes.HasPrefix(p, idField) {
			r.idLen = n
		}
		if !bytes.HasPrefix(p, dataField) {
			return
		}
		p = p[len(dataField):]
	}
	if bytes.HasPrefix(p, clientStart) || bytes.HasPrefix(p, recordStart) {
		return // connected, or a gap: what is missing will be seen
	}
	seq, stamp, ok := r.parse(p)
	if !ok {
		r.Torn++
		return
	}
	r.entryLen = n
	r.took(seq, stamp, len(p), each)
}

// parse finds the message of an entry.
func (r *entryReader) parse(p []byte) (seq, stamp int64, ok bool) {
	i := bytes.Index(p, messageText)
	if i < 0 {
		return 0, 0, false
	}
	r.at = i + len(messageText)
	return r.parseAt(p, r.at)
}

// parseAt reads the message of an entry at its place.
func (r *entryReader) parseAt(p []byte, at int) (seq, stamp int64, ok bool) {
	end := at + measure.LineLen - 1
	if len(p) < end+2 || string(p[:len(entryStart)]) != string(entryStart) || p[end] != '"' || p[len(p)-1] != '}' ||
		string(p[at-len(messageText):at]) != string(messageText) {
		return 0, 0, false
	}
	return measure.ParseText(p[at:])
}

// chunked takes an HTTP response apart: the header, then chunks.
type chunked struct {
	head   []byte // of the response, until it is whole
	inside bool   // the header is over
	size   []byte // line of a chunk
	left   int64  // of the chunk; below zero: of the CRLF behind it
}

// next returns the first data in p, maybe none, and what is behind it.
func (c *chunked) next(p []byte) (data, rest []byte, err error) {
	if !c.inside {
		return c.header(p)
	}
	if c.left > 0 {
		n := min(c.left, int64(len(p)))
		if c.left -= n; c.left == 0 {
			c.left = -2
		}
		return p[:n], p[n:], nil
	}
	if c.left < 0 {
		n := min(-c.left, int64(len(p)))
		c.left += n
		return nil, p[n:], nil
	}
	i := bytes.IndexByte(p, '\n')
	if i < 0 {
		c.size = append(c.size, p...)
		return nil, nil, nil
	}
	text := string(bytes.TrimSuffix(append(c.size, p[:i]...), []byte{'\r'}))
	c.size = c.size[:0]
	if c.left, err = strconv.ParseInt(text, 16, 63); err != nil {
		return nil, nil, fmt.Errorf("read a chunk's size: %w", err)
	}
	if c.left == 0 {
		return nil, nil, errors.New("the server ended the response")
	}
	return nil, p[i+1:], nil
}

func (c *chunked) header(p []byte) (data, rest []byte, err error) {
	c.head = append(c.head, p...)
	head, rest, whole := bytes.Cut(c.head, []byte("\r\n\r\n"))
	if !whole {
		return nil, nil, nil
	}
	status, fields, _ := bytes.Cut(head, []byte("\r\n"))
	if !bytes.HasPrefix(status, []byte("HTTP/1.1 200 ")) || !bytes.Contains(bytes.ToLower(fields), []byte("transfer-encoding: chunked")) {
		return nil, nil, fmt.Errorf("the server answered %q", head)
	}
	c.head, c.inside = nil, true
	return nil, bytes.Clone(rest), nil
}
