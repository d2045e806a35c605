package plain

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"fairlead/ship/disk"
)

const (
	// maxHeader is how long the first line of a sender may be, with its LF.
	maxHeader = 4096
	// maxDigits is how many digits a length may have.
	maxDigits = 20
)

// readLine reads a line of at most max bytes, with its LF, which is cut. Rest is what
// came behind it. The error is io.ErrUnexpectedEOF if there was no LF.
func readLine(r io.Reader, max int) (line, rest []byte, err error) {
	buf := make([]byte, max)
	for n := 0; n < max; {
		m, err := r.Read(buf[n:])
		if i := bytes.IndexByte(buf[n:n+m], '\n'); i >= 0 {
			return buf[:n+i], buf[n+i+1 : n+m], nil
		}
		n += m
		if err == io.EOF {
			return nil, nil, io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return nil, nil, fmt.Errorf("the line is longer than %d bytes", max)
}

// space is what is cut from both ends of a name.
const space = " \t\r\n\v\f"

// parseName returns the name in a sender's first line.
func parseName(line []byte) (string, error) {
	name := strings.Trim(string(line), space)
	if why := disk.WrongName(name); why != "" {
		return "", fmt.Errorf("name %.80q: %s", name, why)
	}
	return name, nil
}

// checkName returns nil if a receiver gets to know a file by this name.
func checkName(name string) error {
	got, err := parseName([]byte(name))
	if err == nil && got != name {
		err = fmt.Errorf("name %.80q: has white space at an end", name)
	}
	return err
}

// parseLength reads what a receiver says that it has.
func parseLength(line []byte) (int64, error) {
	if len(line) == 0 || len(line) > maxDigits || bytes.ContainsFunc(line, func(r rune) bool { return r < '0' || r > '9' }) {
		return 0, fmt.Errorf("want a length in decimal digits, not %.40q", line)
	}
	n, err := strconv.ParseInt(string(line), 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		return 0, fmt.Errorf("the length %s does not fit in 64 bits", line)
	}
	return n, err
}
