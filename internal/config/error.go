package config

import (
	"errors"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// An Error says what is wrong with what somebody said, and where.
type Error struct {
	Where string // fairlead.toml:7, FAIRLEAD_HTTP_PLAIN=maybe, --plain=maybe
	Text  string
	Quote string // the line of the file, with carets in a line below; may be empty
}

func (e *Error) Error() string {
	s := e.Where + ": " + e.Text
	if e.Quote != "" {
		s += "\n" + e.Quote
	}
	return s
}

var errNotThere = errors.New("there is no such file")

// maxErrors of one file are said. Then it is not read any further.
const maxErrors = 20

func join(errs []*Error, more bool) error {
	all := make([]error, 0, len(errs)+1)
	for _, e := range errs {
		all = append(all, e)
	}
	if more {
		all = append(all, errors.New("there are more errors in the file"))
	}
	return errors.Join(all...)
}

const maxShown = 64

// shown returns a value as an error says it: short, in one line, and without
// anything that a terminal obeys.
func shown(value string) string {
	short, cut := value, false
	if len(short) > maxShown {
		short, cut = value[:maxShown], true
		for len(short) > 0 && !utf8.RuneStart(value[len(short)]) {
			short = short[:len(short)-1]
		}
	}
	for _, r := range short {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			short = strconv.Quote(short)
			break
		}
	}
	return short + mark(cut)
}
