package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// A Size is a number of bytes, never below zero.
type Size int64

// A unit is a word behind a number, and what it stands for.
type unit struct {
	word string
	n    int64
}

// Of two texts of the same length the first one is written.
var sizeUnits = []unit{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3},
	{"B", 1},
}

var timeUnits = []unit{
	{"w", int64(7 * day)}, {"d", int64(day)}, {"h", int64(time.Hour)}, {"m", int64(time.Minute)}, {"s", int64(time.Second)},
	{"ms", int64(time.Millisecond)}, {"us", int64(time.Microsecond)}, {"µs", int64(time.Microsecond)}, {"ns", 1},
}

const day = 24 * time.Hour

var (
	errSize     = errors.New("want " + wantSize)
	errDuration = errors.New("want " + wantDuration)
	errLarge    = errors.New("this is more than anything can have")
)

// ParseSize reads a number of bytes, with a unit or without.
func ParseSize(s string) (Size, error) {
	digits, word := cutNumber(s)
	factor := int64(1)
	if word != "" {
		var ok bool
		if factor, ok = find(sizeUnits, strings.TrimPrefix(word, " "), strings.EqualFold); !ok {
			return 0, sizeUnitError(word)
		}
	}
	n, err := times(digits, factor)
	if errors.Is(err, strconv.ErrSyntax) {
		return 0, errSize
	}
	return Size(n), err
}

// sizeUnitError answers the units that could be either.
func sizeUnitError(word string) error {
	letter := strings.ToUpper(strings.TrimSpace(word))
	if letter != "" && strings.Contains("K M G T", letter) && len(letter) == 1 {
		return errors.New("want " + letter + "iB, where 1 KiB is 1024 bytes, or " + letter + "B, where 1 KB is 1000")
	}
	return errSize
}

// String returns the shortest text that ParseSize reads as s.
func (s Size) String() string {
	best := strconv.FormatInt(int64(s), 10)
	if s <= 0 {
		return best
	}
	short := len(best) + 1
	for _, u := range sizeUnits[:len(sizeUnits)-1] {
		if int64(s)%u.n != 0 {
			continue
		}
		if text := strconv.FormatInt(int64(s)/u.n, 10) + u.word; len(text) < short {
			best, short = text, len(text)
		}
	}
	return best
}

// ParseDuration reads a time as time.ParseDuration does, and days and weeks; but
// nothing below zero, no fractions, and never a number without its unit.
func ParseDuration(s string) (time.Duration, error) {
	if s == "" {
		return 0, errDuration
	}
	var sum int64
	for s != "" {
		digits, rest := cutNumber(s)
		end := strings.IndexAny(rest, "0123456789")
		if end < 0 {
			end = len(rest)
		}
		factor, ok := find(timeUnits, rest[:end], func(a, b string) bool { return a == b })
		if !ok {
			return 0, errDuration
		}
		n, err := times(digits, factor)
		switch {
		case errors.Is(err, strconv.ErrSyntax):
			return 0, errDuration
		case err != nil || sum > math.MaxInt64-n:
			return 0, errLarge
		}
		sum, s = sum+n, rest[end:]
	}
	return time.Duration(sum), nil
}

// FormatDuration returns d as ParseDuration reads it, in few letters.
func FormatDuration(d time.Duration) string {
	if d <= 0 {
		return d.String()
	}
	var b strings.Builder
	left := int64(d)
	for _, u := range timeUnits {
		if u.word == "w" || left < u.n { // weeks are read, not written
			continue
		}
		b.WriteString(strconv.FormatInt(left/u.n, 10) + u.word)
		left %= u.n
	}
	return b.String()
}

// cutNumber cuts s behind the digits it begins with.
func cutNumber(s string) (digits, rest string) {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return s[:n], s[n:]
}

func find(units []unit, word string, same func(a, b string) bool) (n int64, ok bool) {
	for _, u := range units {
		if same(u.word, word) {
			return u.n, true
		}
	}
	return 0, false
}

// times multiplies. Its error is strconv.ErrSyntax or errLarge.
func times(digits string, factor int64) (int64, error) {
	n, err := strconv.ParseInt(digits, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, errLarge
	case err != nil:
		return 0, strconv.ErrSyntax
	case n > math.MaxInt64/factor:
		return 0, errLarge
	}
	return n * factor, nil
}
