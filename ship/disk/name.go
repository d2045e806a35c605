package disk

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"fairlead/logfile"
)

// MaxName is how many bytes a name may have.
const MaxName = 200

// WrongName says what is wrong with a name that a file or directory shall have, "" if
// nothing is: it has 1 to 200 bytes of UTF-8 without slashes, backslashes and control
// characters, is not . or .., and does not begin with a dash.
func WrongName(name string) string {
	switch {
	case name == "":
		return "is empty"
	case len(name) > MaxName:
		return fmt.Sprintf("has %d bytes, and may have %d", len(name), MaxName)
	case !utf8.ValidString(name):
		return "is not UTF-8"
	case name == "." || name == "..":
		return "is a directory of its own"
	case name[0] == '-':
		return "begins with a dash"
	case strings.ContainsAny(name, `/\`):
		return "has a slash or backslash"
	case strings.ContainsFunc(name, unicode.IsControl):
		return "has a control character"
	}
	return ""
}

// StampLayout is how a time is written in a name.
const StampLayout = "20060102T150405Z"

// Stamp is a time as it is part of a file's name. What no name can say is a time
// that nobody meant.
func Stamp(at time.Time) string {
	at = at.UTC()
	if y := at.Year(); y < 0 || y > 9999 {
		at = time.Unix(0, 0).UTC()
	}
	return at.Format(StampLayout)
}

// Join returns base with a suffix, and a number if it is above 1: base is cut at a
// rune's boundary if the whole is longer than max bytes.
func Join(base, suffix string, nr, max int) string {
	if nr > 1 {
		suffix += "." + strconv.Itoa(nr)
	}
	for len(base)+len(suffix) > max && base != "" {
		_, n := utf8.DecodeLastRuneInString(base)
		base = base[:len(base)-n]
	}
	return base + suffix
}

// GenSuffix is what the name of a copy of one generation among several gets: a time of it,
// and the beginning of its id.
func GenSuffix(at time.Time, gen logfile.GenID) string {
	return "-" + Stamp(at) + "." + gen.Short()
}
