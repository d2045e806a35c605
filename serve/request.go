package serve

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxHeader is the longest line a client may send, without its LF.
const maxHeader = 255

// errLong says that a header went on beyond maxHeader bytes.
var errLong = fmt.Errorf("header is longer than %d bytes", maxHeader)

// A request is what a client asks for in its one line.
type request struct {
	name string // empty: the only or the first log
	off  int64  // below zero: back from the end
}

// readHeader reads a line up to its LF or the end of input. Bytes that came
// along behind the LF are dropped, as tailsrv does; later ones are never read.
func readHeader(r io.Reader) (string, error) {
	buf := make([]byte, maxHeader+1)
	for n := 0; n < len(buf); {
		m, err := r.Read(buf[n:])
		if i := bytes.IndexByte(buf[n:n+m], '\n'); i >= 0 {
			return string(buf[:n+i]), nil
		}
		n += m
		if err == io.EOF && n <= maxHeader {
			return string(buf[:n]), nil
		}
		if err != nil {
			return "", err
		}
	}
	return "", errLong
}

// parseRequest reads [NAME ]OFFSET. White space is cut at both ends; what is
// left splits at its last blank.
func parseRequest(line string) (request, error) {
	if !utf8.ValidString(line) {
		return request{}, errors.New("header is not UTF-8")
	}
	var req request
	number := strings.TrimSpace(line)
	if i := strings.LastIndexAny(number, " \t"); i >= 0 {
		req.name, number = number[:i], number[i+1:]
	}
	off, err := strconv.ParseInt(number, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return request{}, fmt.Errorf("offset %s does not fit in 64 bits", number)
	case err != nil:
		return request{}, fmt.Errorf("header %q: want [NAME ]OFFSET, a decimal integer", line)
	}
	req.off = off
	return req, nil
}
