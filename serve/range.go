package serve

import (
	"strconv"
	"strings"

	"fairlead/logfile"
)

// parseRange reads a Range header for a file of size bytes: bytes=A-B, A- or -N.
// ok is false where the whole file is the answer: without a Range, if it cannot
// be read, or asks for several. A range that is empty lies behind the end.
func parseRange(header string, size int64) (want logfile.Range, ok bool) {
	unit, spec, _ := strings.Cut(header, "=")
	if !strings.EqualFold(strings.TrimSpace(unit), "bytes") || strings.Contains(spec, ",") {
		return logfile.Range{}, false
	}
	first, last, found := strings.Cut(strings.TrimSpace(spec), "-")
	if !found {
		return logfile.Range{}, false
	}
	if first == "" {
		n, ok := parseDigits(last)
		return logfile.Range{From: max(0, size-n), To: size}, ok && size > 0
	}
	want = logfile.Range{To: size}
	if want.From, ok = parseDigits(first); !ok {
		return logfile.Range{}, false
	}
	if last != "" {
		to, ok := parseDigits(last)
		if !ok || to < want.From {
			return logfile.Range{}, false
		}
		want.To = min(size, to+1)
	}
	if want.From >= size {
		want.To = want.From
	}
	return want, true
}

// parseDigits reads a number without a sign. One that is too large is as good
// as the largest.
func parseDigits(s string) (n int64, ok bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		n = 1<<63 - 2
	}
	return min(n, 1<<63-2), true
}
