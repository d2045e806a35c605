package replica_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"fairlead/logfile"
	"fairlead/replica"
)

var update = flag.Bool("update", false, "write testdata/vectors again")

// A vector is a conversation: lines "S HEX" are what a sender says, "R HEX" what a
// receiver does, and "X CODE" the end: whoever got the line before it ends the
// connection with this code ("X eof": the connection was cut inside a frame).
type vector struct {
	name, about string
	lines       []line
}

type line struct {
	who   string
	bytes []byte
	code  string
}

func sends(b ...[]byte) line   { return line{who: "S", bytes: bytes.Join(b, nil)} }
func answers(b ...[]byte) line { return line{who: "R", bytes: bytes.Join(b, nil)} }
func ends(code int) line       { return line{who: "X", code: strconv.Itoa(code)} }

// str is a string with its length before it.
type str string

// pack encodes a payload, without any of our own code.
func pack(fields ...any) []byte {
	var b []byte
	for _, f := range fields {
		switch f := f.(type) {
		case int:
			b = append(b, byte(f))
		case uint16:
			b = binary.BigEndian.AppendUint16(b, f)
		case uint32:
			b = binary.BigEndian.AppendUint32(b, f)
		case uint64:
			b = binary.BigEndian.AppendUint64(b, f)
		case str:
			b = append(binary.BigEndian.AppendUint16(b, uint16(len(f))), f...)
		case []byte:
			b = append(b, f...)
		case replica.Hash:
			b = append(b, f[:]...)
		default:
			panic(fmt.Sprintf("%T", f))
		}
	}
	return b
}

// frame encodes one, without any of our own code.
func frame(typ, flags byte, ch uint32, off uint64, fields ...any) []byte {
	payload := pack(fields...)
	b := []byte{typ, flags, 0, 0}
	b = binary.BigEndian.AppendUint32(b, ch)
	b = binary.BigEndian.AppendUint64(b, off)
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	return append(binary.BigEndian.AppendUint32(b, crc(b, payload)), payload...)
}

func crc(parts ...[]byte) uint32 {
	return crc32.Checksum(bytes.Join(parts, nil), crc32.MakeTable(crc32.Castagnoli))
}

// again gives a frame that was changed the checksum that it would have.
func again(b []byte, change func([]byte)) []byte {
	b = bytes.Clone(b)
	change(b)
	binary.BigEndian.PutUint32(b[20:], crc(b[:20], b[24:]))
	return b
}

// proofOf is H(n).
func proofOf(content []byte) replica.Hash {
	var all []byte
	rest := content
	for len(rest) >= 1<<20 {
		leaf := hashOf(rest[:1<<20])
		all, rest = append(all, leaf[:]...), rest[1<<20:]
	}
	return hashOf(pack(all, hashOf(rest), uint64(len(content))))
}

var (
	vectorGen  = []byte("generation-00001")
	vectorInst = []byte("instance-0000001")

	sayHello = frame(1, 0, 0, 0, uint16(1), uint32(0), uint32(0), vectorInst, str("web1"), str("test"))
	welcome  = frame(2, 0, 0, 0, uint16(1), uint32(0), uint32(0), make([]byte, 16), str("vault"), str("test"))
	hi       = []line{sends(sayHello), answers(welcome)}
	// That of one that compares is another instance each time; here it is zeros.
	hiChecker = []line{sends(frame(1, 0, 0, 0, uint16(1), uint32(0), uint32(0), make([]byte, 16), str("web1"), str("test"))), answers(welcome)}
	opened    = append(hi[:2:2], sends(open(1, vectorGen, 7)), answers(at(1, nil)))
)

func open(ch uint32, gen []byte, size int, names ...str) []byte {
	if names == nil {
		names = []str{"var", "log", "a.log"}
	}
	fields := []any{gen, uint64(size), uint64(0), uint16(0), make([]byte, 32), len(names)}
	for _, n := range names {
		fields = append(fields, n)
	}
	return frame(3, 0, ch, 0, fields...)
}

func at(ch uint32, content []byte) []byte {
	return frame(4, 0, ch, uint64(len(content)), proofOf(content))
}

func data(ch uint32, off int, b []byte) []byte {
	return frame(6, 0, ch, uint64(off), uint32(len(b)), crc(b), b)
}

// squeezed is a DATA as one zstd frame, with the hash of a leaf if there is one.
func squeezed(ch uint32, off int, b []byte, leaf []byte) []byte {
	enc, _ := zstd.NewWriter(nil, zstd.WithWindowSize(256<<10), zstd.WithEncoderCRC(false))
	defer enc.Close()
	flags := byte(1)
	if leaf != nil {
		flags |= 2
	}
	return frame(6, flags, ch, uint64(off), uint32(len(b)), crc(b), enc.EncodeAll(b, nil), leaf)
}

func ack(ch uint32, n int) []byte { return frame(7, 0, 0, 0, ch, uint64(n)) }

func seal(ch uint32, content []byte, size, reason int) []byte {
	return frame(8, 0, ch, uint64(len(content)), proofOf(content), uint64(size), reason)
}

func rejects(ch uint32, code int, why string) []byte {
	return frame(15, 0, ch, 0, uint16(code), str(why))
}

func check(first uint64, count uint32) []byte { return frame(11, 0, 0, first, vectorGen, count) }

// held is LEAVES.
func held(first uint64, n, state int, list ...replica.Hash) []byte {
	fields := []any{vectorGen, uint64(n), state, len(list)}
	for _, h := range list {
		fields = append(fields, h)
	}
	return frame(12, 0, 0, first, fields...)
}

func (v vector) file() string { return filepath.Join("testdata", "vectors", v.name+".txt") }

// write writes a vector as a file.
func (v vector) write(t *testing.T) {
	var b strings.Builder
	for _, l := range strings.Split(v.about, "\n") {
		fmt.Fprintf(&b, "# %s\n", l)
	}
	for _, l := range v.lines {
		if l.code != "" {
			fmt.Fprintf(&b, "X %s\n", l.code)
			continue
		}
		fmt.Fprintf(&b, "%s %s\n", l.who, hex.EncodeToString(l.bytes))
	}
	if err := os.MkdirAll(filepath.Dir(v.file()), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(v.file(), []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// readVector reads a vector as a stranger would.
func readVector(t testing.TB, name string) (lines []line) {
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in := bufio.NewScanner(f)
	in.Buffer(nil, 4<<20)
	for in.Scan() {
		who, rest, _ := strings.Cut(in.Text(), " ")
		switch who {
		case "X":
			lines = append(lines, line{who: who, code: rest})
		case "S", "R":
			b, err := hex.DecodeString(rest)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			lines = append(lines, line{who: who, bytes: b})
		}
	}
	return lines
}

// TestVectors has our two ends say and hear what is in testdata/vectors. With
// -update the files are written again.
func TestVectors(t *testing.T) {
	if *update {
		for _, v := range vectors() {
			v.write(t)
		}
	}
	files, err := filepath.Glob(filepath.Join("testdata", "vectors", "*.txt"))
	if err != nil || len(files) != len(vectors()) {
		t.Fatalf("there are %d vectors, want %d: %v", len(files), len(vectors()), err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			lines := readVector(t, name)
			if strings.HasPrefix(filepath.Base(name), "checker-") {
				hearChecker(t, lines)
				return
			}
			if last := lines[len(lines)-1]; last.who != "X" || lines[len(lines)-2].who == "S" {
				hearReceiver(t, lines)
			}
			if !strings.HasPrefix(filepath.Base(name), "receiver-") {
				hearSender(t, lines)
			}
		})
	}
}

// code is that of the end of a connection.
func code(err error) string {
	var p *replica.ProtocolError
	var peer *replica.PeerError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "eof"
	case errors.As(err, &p):
		return strconv.Itoa(int(p.Code))
	case errors.As(err, &peer):
		return "peer " + strconv.Itoa(int(peer.Code))
	}
	return fmt.Sprint(err)
}

// takes gives frames to one end, up to the first error.
func takes(b []byte, take func(replica.Frame) error) error {
	in := replica.Reader{R: bytes.NewReader(b)}
	for {
		f, err := in.Next()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = take(f)
		}
		if err != nil {
			return err
		}
	}
}

// hearReceiver says a sender's lines to a receiver.
func hearReceiver(t *testing.T, lines []line) {
	r := &replica.Receiver{Store: newShelf(), Name: "vault", Software: "test"}
	s := r.Sink("web1")
	defer s.Close()
	var got error
	for i, l := range lines {
		switch l.who {
		case "S":
			if got = takes(l.bytes, s.Take); got != nil && lines[i+1].who != "X" {
				t.Fatalf("line %d: %v", i, got)
			}
			if err := r.Commit(); err != nil {
				t.Fatal(err)
			}
		case "R":
			if b, _ := s.Next(nil); !bytes.Equal(b, l.bytes) {
				t.Fatalf("line %d: the receiver says\n%x, want\n%x", i, b, l.bytes)
			}
		case "X":
			if code(got) != l.code {
				t.Errorf("the connection ends with %v (%s), want %s", got, code(got), l.code)
			}
		}
	}
}

// hearSender says a receiver's lines to a sender of one file.
func hearSender(t *testing.T, lines []line) {
	f := newText("a.log", []byte("a line\n"))
	f.gen = logfile.GenID(vectorGen)
	s := &replica.Source{Name: "web1", Software: "test", Instance: [16]byte(vectorInst)}
	s.Add(f)
	s.Connected()
	var got error
	for i, l := range lines {
		switch l.who {
		case "S":
			b, _ := s.Next(nil)
			// Of its head nothing is said, so that the lines need not know it.
			if b = withoutHead(b); !bytes.Equal(b, l.bytes) {
				t.Fatalf("line %d: the sender says\n%x, want\n%x", i, b, l.bytes)
			}
		case "R":
			if got = takes(l.bytes, s.Take); got != nil && lines[i+1].who != "X" {
				t.Fatalf("line %d: %v", i, got)
			}
			for s.Prove(t.Context()) {
			}
			if i == len(lines)-1 || lines[i+1].who != "S" {
				continue
			}
			if lines[i+1].bytes[0] == 8 { // a SEAL comes next
				f.change(func(st *replica.FileStat) { st.Final, st.Reason = true, replica.Rotated })
				s.Changed(f.gen)
			}
		case "X":
			if code(got) != l.code {
				t.Errorf("the connection ends with %v (%s), want %s", got, code(got), l.code)
			}
		}
	}
}

// hearChecker says a receiver's lines to one that compares a file of seven bytes.
func hearChecker(t *testing.T, lines []line) {
	here, there := net.Pipe()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer there.Close()
		in := replica.Reader{R: there}
		for i, l := range lines {
			switch l.who {
			case "S":
				if b := nextOf(t, &in); !bytes.Equal(b, l.bytes) {
					t.Errorf("line %d: it says\n%x, want\n%x", i, b, l.bytes)
					return
				}
			case "R":
				there.Write(l.bytes)
			}
		}
	}()
	defer func() { <-ended }()
	want := "none"
	if last := lines[len(lines)-1]; last.who == "X" {
		want = last.code
	}
	file := newText("a.log", []byte("a line\n"))
	file.gen = logfile.GenID(vectorGen)
	c, err := replica.NewChecker(t.Context(), here, "web1", "test")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got, err := c.Compare(t.Context(), file, file.gen, replica.Sample{Full: true}, nil)
	if end := code(err); err == nil && want != "none" || err != nil && end != want {
		t.Errorf("Compare = %v (%s), want %s", err, end, want)
	}
	if outcome, ok := compared[strings.TrimPrefix(t.Name(), "TestVectors/checker-")]; ok && fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", outcome) {
		t.Errorf("Compare = %+v, want %+v", got, outcome)
	} else if !ok && want == "none" {
		t.Errorf("what came of it is not known: %+v", got)
	}
}

// compared is what comes of the vectors that a Checker takes.
var compared = map[string]replica.Comparison{
	"equal":      {N: 7, Leaves: 1, Bytes: 7},
	"differs":    {N: 7, Leaves: 1, Bytes: 7, Differs: []replica.Difference{{Leaf: 0, Why: replica.OtherBytes}}},
	"unreadable": {State: replica.Sealed, N: 7, Leaves: 1, Bytes: 7, Differs: []replica.Difference{{Leaf: 0, Why: replica.Unreadable}}},
	"none":       {None: true},
	"later":      {None: true},
	"diverged":   {State: replica.Diverged, N: 7},
	"pruned":     {State: replica.Pruned, N: 7},
}

// nextOf is a frame as it was sent, but for the instance of a HELLO.
func nextOf(t *testing.T, in *replica.Reader) []byte {
	f, err := in.Next()
	if err != nil {
		t.Errorf("wait for a frame: %v", err)
		return nil
	}
	if b := bytes.Clone(f.Payload); f.Type == replica.TypeHello {
		clear(b[10:26])
		return frame(byte(f.Type), f.Flags, f.Channel, uint64(f.Offset), b)
	}
	return frame(byte(f.Type), f.Flags, f.Channel, uint64(f.Offset), f.Payload)
}

// withoutHead takes the head out of an OPEN.
func withoutHead(b []byte) []byte {
	if len(b) < 24 || b[0] != 3 {
		return b
	}
	return again(b, func(b []byte) { clear(b[24+32 : 24+66]) })
}
