package serve

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"
)

// The table of tailsrv's header, and NAME OFFSET beside it. The offsets that
// depend on a file's size are in TestT5Offsets.
var headers = []struct {
	in   string
	want request
	ok   bool
}{
	{"0\n", request{off: 0}, true},
	{"-0\n", request{off: 0}, true},
	{"5\n", request{off: 5}, true},
	{"+5\n", request{off: 5}, true},
	{"-100\n", request{off: -100}, true},
	{"-101\n", request{off: -101}, true},
	{"100\n", request{off: 100}, true},
	{"9223372036854775807\n", request{off: math.MaxInt64}, true},
	{"-9223372036854775808\n", request{off: math.MinInt64}, true},
	{"5\r\n", request{off: 5}, true},
	{" 5\n", request{off: 5}, true},
	{"5 \n", request{off: 5}, true},
	{"\t5\n", request{off: 5}, true},
	{"\u00a05\n", request{off: 5}, true},
	{"\u20285\u0085\n", request{off: 5}, true},
	{"0005\n", request{off: 5}, true},
	{"5", request{off: 5}, true},
	{"5\nGET /", request{off: 5}, true},
	{"5\n7\n", request{off: 5}, true},

	{"", request{}, false},
	{"\n", request{}, false},
	{" \n", request{}, false},
	{"-\n", request{}, false},
	{"+\n", request{}, false},
	{"--5\n", request{}, false},
	{"0x10\n", request{}, false},
	{"1_000\n", request{}, false},
	{"1e3\n", request{}, false},
	{"12.0\n", request{}, false},
	{"\ufeff5\n", request{}, false},
	{"5\x00\n", request{}, false},
	{"\u0665\n", request{}, false}, // an Arabic five
	{"\uff15\n", request{}, false}, // a wide five
	{"5\xff\n", request{}, false},
	{"\xc3(app.log 5\n", request{}, false},
	{"9223372036854775808\n", request{}, false},
	{"-9223372036854775809\n", request{}, false},
	{"99999999999999999999999999\n", request{}, false},
	{"GET / HTTP/1.1\r\n", request{}, false},

	{"app.log 5\n", request{"app.log", 5}, true},
	{"app.log -5\r\n", request{"app.log", -5}, true},
	{"app.log\t+5", request{"app.log", 5}, true},
	{"/var/log/a b.log 10\n", request{"/var/log/a b.log", 10}, true},
	{"5 6\n", request{"5", 6}, true},
	{"- 5\n", request{"-", 5}, true},
	{"app.log\n", request{}, false},
	{"app.log 5x\n", request{}, false},
	{"app.log 9223372036854775808\n", request{}, false},
	{"app.log\u00a05\n", request{}, false}, // only ASCII blanks part a name from its offset

	{strings.Repeat("0", 254) + "5\n", request{off: 5}, true},
	{strings.Repeat("0", 254) + "5", request{off: 5}, true},
	{strings.Repeat("0", 255) + "5\n", request{}, false},
	{strings.Repeat("0", 255) + "5", request{}, false},
	{strings.Repeat(" ", 300) + "5\n", request{}, false},
}

func parseHeader(r io.Reader) (request, error) {
	line, err := readHeader(r)
	if err != nil {
		return request{}, err
	}
	return parseRequest(line)
}

func TestHeader(t *testing.T) {
	for _, tt := range headers {
		for how, r := range map[string]io.Reader{
			"at once":      strings.NewReader(tt.in),
			"byte by byte": iotest.OneByteReader(strings.NewReader(tt.in)),
			"EOF with it":  iotest.DataErrReader(strings.NewReader(tt.in)),
		} {
			got, err := parseHeader(r)
			if got != tt.want || (err == nil) != tt.ok {
				t.Errorf("parseHeader(%q, %s) = %v, %v, want %v, ok %v", tt.in, how, got, err, tt.want, tt.ok)
			}
		}
	}
}

func TestHeaderReadsNothingBehindItsEnd(t *testing.T) {
	tail := strings.NewReader("never")
	if _, err := readHeader(io.MultiReader(strings.NewReader("5\n"), tail)); err != nil {
		t.Fatal(err)
	}
	if tail.Len() != len("never") {
		t.Errorf("readHeader left %d bytes of the next read, want %d", tail.Len(), len("never"))
	}
}

func TestHeaderReadError(t *testing.T) {
	broken := errors.New("broken")
	if _, err := readHeader(io.MultiReader(strings.NewReader("5"), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("readHeader = %v, want %v", err, broken)
	}
}

// FuzzHeader: whatever comes, an accepted header means what it says, whether it
// came at once or byte by byte.
func FuzzHeader(f *testing.F) {
	for _, tt := range headers {
		f.Add(tt.in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		whole, wholeErr := parseHeader(strings.NewReader(in))
		split, splitErr := parseHeader(iotest.OneByteReader(strings.NewReader(in)))
		if whole != split || (wholeErr == nil) != (splitErr == nil) {
			t.Fatalf("parseHeader(%q) = %v, %v, byte by byte %v, %v", in, whole, wholeErr, split, splitErr)
		}
		if wholeErr != nil {
			return
		}
		line, _, _ := strings.Cut(in, "\n")
		if len(line) > maxHeader || !strings.Contains(line, whole.name) {
			t.Fatalf("parseHeader(%q) = %v", in, whole)
		}
		again := fmt.Sprintf("%s %d", whole.name, whole.off)
		if got, err := parseRequest(again); got != whole || err != nil {
			t.Fatalf("parseRequest(%q) = %v, %v, want %v", again, got, err, whole)
		}
	})
}
