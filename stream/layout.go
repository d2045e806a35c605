package stream

import (
	"strconv"
	"time"
)

// A stamp is a time as a line says it: the date and the clock of its own zone.
// The zero stamp is none.
type stamp struct {
	year, month, day  int
	hour, minute, sec int
	nano              int
	offset            int  // seconds east of UTC
	zoned             bool // the line named its zone
}

func (s stamp) ok() bool { return s.month > 0 }

func stampOf(t time.Time) stamp {
	year, month, day := t.Date()
	hour, minute, sec := t.Clock()
	_, offset := t.Zone()
	return stamp{year, int(month), day, hour, minute, sec, t.Nanosecond(), offset, true}
}

var monthDays = [13]int{0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

// real says that the calendar and the clock have such a time.
func (s stamp) real() bool {
	if s.month < 1 || s.month > 12 || s.day < 1 || s.hour > 23 || s.minute > 59 || s.sec > 59 {
		return false
	}
	leap := s.month == 2 && s.day == 29 && s.year%4 == 0 && (s.year%100 != 0 || s.year%400 == 0)
	return s.day <= monthDays[s.month] || leap
}

// append appends the stamp as time.RFC3339Nano has it.
func (s stamp) append(dst []byte) []byte {
	dst = append2(append2(dst, s.year/100), s.year%100)
	dst = append2(append(dst, '-'), s.month)
	dst = append2(append(dst, '-'), s.day)
	dst = append2(append(dst, 'T'), s.hour)
	dst = append2(append(dst, ':'), s.minute)
	dst = append2(append(dst, ':'), s.sec)
	if s.nano > 0 {
		dst = append(dst, '.')
		for n, unit := s.nano, 100_000_000; n > 0; unit /= 10 {
			dst = append(dst, byte('0'+n/unit))
			n %= unit
		}
	}
	if s.offset == 0 {
		return append(dst, 'Z')
	}
	minutes := s.offset / 60
	sign := byte('+')
	if minutes < 0 {
		sign, minutes = '-', -minutes
	}
	dst = append2(append(dst, sign), minutes/60)
	return append2(append(dst, ':'), minutes%60)
}

func append2(dst []byte, n int) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }

// A clock gives stamps what the lines leave out: the zone, and the year.
type clock struct {
	location *time.Location
	now      time.Time

	minute stamp // the last that was asked for, to the minute
	offset int   // and its offset
}

// settle gives the stamp its zone. Times between two clocks are read as the
// time package does.
func (c *clock) settle(s stamp) stamp {
	if s.zoned || !s.ok() {
		return s
	}
	minute := s
	minute.sec, minute.nano = 0, 0
	if minute != c.minute {
		_, offset := time.Date(s.year, time.Month(s.month), s.day, s.hour, s.minute, 0, 0, c.location).Zone()
		c.minute, c.offset = minute, offset
	}
	s.offset, s.zoned = c.offset, true
	return s
}

// guessYear gives a stamp the year that puts it before tomorrow, and nearest.
func (c *clock) guessYear(s stamp) stamp {
	limit := c.now.In(c.location).AddDate(0, 0, 1)
	for year := limit.Year(); year > limit.Year()-9; year-- { // 29 February may be eight years ago
		s.year = year
		t := time.Date(year, time.Month(s.month), s.day, s.hour, s.minute, s.sec, s.nano, c.location)
		if s.real() && !t.After(limit) {
			return s
		}
	}
	return stamp{}
}

// leading reads the timestamp at the beginning of p, and returns its length
// with the brackets around it; 0 if there is none. The first bytes say which
// layout it can be, so no layout is tried in vain.
func (c *clock) leading(p []byte) (stamp, int) {
	if len(p) < 10 {
		return stamp{}, 0
	}
	if p[0] != '[' {
		s, n := c.stamp(p)
		if n > 0 && n < len(p) && wordByte(p[n]) {
			return stamp{}, 0
		}
		return s, n
	}
	if s, n := c.stamp(p[1:]); n > 0 && n+1 < len(p) && p[n+1] == ']' {
		return s, n + 2
	}
	return stamp{}, 0
}

// stamp reads a timestamp of any known layout.
func (c *clock) stamp(p []byte) (stamp, int) {
	var s stamp
	n := 0
	switch {
	case len(p) < 10:
	case isDigit(p[0]) && (p[4] == '-' || p[4] == '/'):
		s, n = isoStamp(p)
	case isDigit(p[0]) && p[2] == '/':
		s, n = clfStamp(p)
	case isDigit(p[0]):
		s, n = epochStamp(p)
	case p[3] == ' ' && isLetter(p[4]):
		s, n = ansiStamp(p)
	case p[3] == ' ':
		if s, n = bsdStamp(p); n > 0 {
			s = c.guessYear(s)
		}
	}
	if n == 0 || !s.real() {
		return stamp{}, 0
	}
	return c.settle(s), n
}

// isoStamp reads 2006-01-02T15:04:05.999Z07:00: also with slashes, with a
// blank, with a comma, without a fraction, and with other zones or none.
func isoStamp(p []byte) (s stamp, n int) {
	if len(p) < 19 || p[7] != p[4] || p[10] != 'T' && p[10] != ' ' && p[10] != 't' {
		return s, 0
	}
	ok := true
	s.year = twoDigits(p, 0, &ok)*100 + twoDigits(p, 2, &ok)
	s.month, s.day = twoDigits(p, 5, &ok), twoDigits(p, 8, &ok)
	if n = s.clock(p, 11); n == 0 || !ok {
		return s, 0
	}
	return s, s.zone(p, n)
}

// clfStamp reads 02/Jan/2006:15:04:05 -0700.
func clfStamp(p []byte) (s stamp, n int) {
	if len(p) < 20 || p[6] != '/' || p[11] != ':' {
		return s, 0
	}
	ok := true
	s.day, s.month = twoDigits(p, 0, &ok), month(p[3:6])
	s.year = twoDigits(p, 7, &ok)*100 + twoDigits(p, 9, &ok)
	if n = s.clock(p, 12); n == 0 || !ok {
		return s, 0
	}
	return s, s.zone(p, n)
}

// bsdStamp reads Jan _2 15:04:05.999, which has no year.
func bsdStamp(p []byte) (s stamp, n int) {
	if len(p) < 15 || p[6] != ' ' {
		return s, 0
	}
	s.year = 2000 // any that has a 29 February
	s.month, s.day = month(p[:3]), day(p[4:6])
	if s.day == 0 || s.month == 0 {
		return s, 0
	}
	return s, s.clock(p, 7)
}

// ansiStamp reads Mon Jan _2 15:04:05.999 2006, also with the name of a zone
// before the year, of which only UTC and GMT are known.
func ansiStamp(p []byte) (s stamp, n int) {
	if len(p) < 24 || !weekday(p[:3]) {
		return s, 0
	}
	s, n = bsdStamp(p[4:])
	if n += 4; n == 4 || n >= len(p) || p[n] != ' ' {
		return s, 0
	}
	if n+4 < len(p) && isLetter(p[n+1]) {
		if s.zone(p, n) == n {
			return s, 0
		}
		n += 4
	}
	if n+5 > len(p) || p[n] != ' ' {
		return s, 0
	}
	ok := true
	s.year = twoDigits(p, n+1, &ok)*100 + twoDigits(p, n+3, &ok)
	if !ok {
		return s, 0
	}
	return s, n + 5
}

// epochStamp reads seconds, milliseconds, microseconds or nanoseconds since
// 1970, told apart by their size, if a blank follows.
func epochStamp(p []byte) (stamp, int) {
	n := numberLen(p)
	if whole := digits(p); whole < 9 || n >= len(p) || p[n] != ' ' || n > 24 {
		return stamp{}, 0
	}
	return epoch(p[:n]), n
}

// numberLen returns the length of the digits, with a fraction perhaps, that p begins with.
func numberLen(p []byte) int {
	n := digits(p)
	if n > 0 && n < len(p) && p[n] == '.' {
		if f := digits(p[n+1:]); f > 0 {
			n += 1 + f
		}
	}
	return n
}

// epoch reads a number that counts since 1970, in the unit that makes it a
// time between 1973 and 5138; 0, negative and very large numbers are none.
func epoch(p []byte) stamp {
	whole := digits(p)
	if whole == 0 || whole > 19 || numberLen(p) != len(p) {
		return stamp{}
	}
	n, err := strconv.ParseInt(string(p[:whole]), 10, 64)
	if err != nil || n < 1e8 {
		return stamp{}
	}
	unit := int64(time.Second) // in ns
	for unit > 1 && n >= 1e11*(int64(time.Second)/unit) {
		unit /= 1000
	}
	sec, nano := n/(int64(time.Second)/unit), n%(int64(time.Second)/unit)*unit
	for _, c := range p[min(whole+1, len(p)):] {
		unit /= 10
		nano += int64(c-'0') * unit
	}
	return stampOf(time.Unix(sec, nano).UTC())
}

// clock reads 15:04:05 with a fraction perhaps at p[n:] and returns where it
// ends, 0 if it is not there.
func (s *stamp) clock(p []byte, n int) int {
	if len(p) < n+8 || p[n+2] != ':' || p[n+5] != ':' {
		return 0
	}
	ok := true
	s.hour, s.minute, s.sec = twoDigits(p, n, &ok), twoDigits(p, n+3, &ok), twoDigits(p, n+6, &ok)
	if !ok {
		return 0
	}
	if n += 8; n+1 >= len(p) || p[n] != '.' && p[n] != ',' || !isDigit(p[n+1]) {
		return n
	}
	n++
	for unit := 100_000_000; n < len(p) && isDigit(p[n]); n++ {
		s.nano += int(p[n]-'0') * unit
		unit /= 10
	}
	return n
}

// zone reads Z, +07, +0700, +07:00, UTC or GMT at p[n:], with a blank before
// all but the first two perhaps, and returns where it ends.
func (s *stamp) zone(p []byte, n int) int {
	if n < len(p) && (p[n] == 'Z' || p[n] == 'z') {
		s.zoned = true
		return n + 1
	}
	z := n
	if z < len(p) && p[z] == ' ' {
		z++
	}
	if name := string(p[z:min(z+3, len(p))]); name == "UTC" || name == "GMT" {
		s.zoned = true
		return z + 3
	}
	if z+3 > len(p) || p[z] != '+' && p[z] != '-' {
		return n
	}
	ok := true
	hours, minutes := twoDigits(p, z+1, &ok), 0
	end := z + 3
	colon := 0
	if end < len(p) && p[end] == ':' {
		colon = 1
	}
	if two := true; end+colon+2 <= len(p) && isDigit(p[end+colon]) {
		minutes, end = twoDigits(p, end+colon, &two), end+colon+2
		ok = ok && two
	} else if z > n {
		ok = false // a blank and +07: rather a number
	}
	if !ok || hours > 23 || minutes > 59 {
		return n
	}
	s.zoned, s.offset = true, hours*3600+minutes*60
	if p[z] == '-' {
		s.offset = -s.offset
	}
	return end
}

// twoDigits reads the two digits at p[i:], or makes ok false.
func twoDigits(p []byte, i int, ok *bool) int {
	if i+2 > len(p) || !isDigit(p[i]) || !isDigit(p[i+1]) {
		*ok = false
		return 0
	}
	return int(p[i]-'0')*10 + int(p[i+1]-'0')
}

// day reads a day of one or two digits, with a blank or a 0 before the one; 0 if it is none.
func day(p []byte) int {
	ok := true
	if p[0] == ' ' && isDigit(p[1]) {
		return int(p[1] - '0')
	}
	return twoDigits(p, 0, &ok)
}

// month returns the number of Jan, Feb, ...; 0 if it is none.
func month(p []byte) int {
	switch string(p) {
	case "Jan":
		return 1
	case "Feb":
		return 2
	case "Mar":
		return 3
	case "Apr":
		return 4
	case "May":
		return 5
	case "Jun":
		return 6
	case "Jul":
		return 7
	case "Aug":
		return 8
	case "Sep":
		return 9
	case "Oct":
		return 10
	case "Nov":
		return 11
	case "Dec":
		return 12
	}
	return 0
}

func weekday(p []byte) bool {
	switch string(p) {
	case "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun":
		return true
	}
	return false
}

func isDigit(c byte) bool { return c-'0' < 10 }

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func wordByte(c byte) bool { return isDigit(c) || isLetter(c) }

// digits returns how many digits p begins with.
func digits(p []byte) int {
	n := 0
	for n < len(p) && isDigit(p[n]) {
		n++
	}
	return n
}
