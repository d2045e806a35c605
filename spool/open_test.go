package spool_test

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fairlead/spool"
)

// A torn record at the end is cut off, wherever it was torn.
func TestTornTail(t *testing.T) {
	const whole, torn = "one\ntwo\n", "three\nfour\n"
	for n := range len(torn) + 1 {
		dir := quick(t)
		s := open(t, spool.Options{Dir: dir})
		must(t, s.Append([]byte(whole)))
		seg := files(t, dir, ".seg")[0]
		must(t, os.WriteFile(seg, []byte((whole + torn)[:len(whole)+n]), 0o600))

		again := open(t, spool.Options{Dir: dir})
		want := whole + torn[:n]
		want = want[:strings.LastIndexByte(want, '\n')+1]
		if got := text(t, again); got != want || again.End() != int64(len(want)) {
			t.Errorf("torn after %d: %q, End() = %d, want %q", n, got, again.End(), want)
		}
		must(t, again.Append([]byte("next\n")))
		if got := text(t, again); got != want+"next\n" {
			t.Errorf("torn after %d, then written: %q, want %q", n, got, want+"next\n")
		}
	}
}

// A torn note is left out, wherever it was torn, and the next one is not.
func TestTornNote(t *testing.T) {
	dir := quick(t)
	s := open(t, spool.Options{Dir: dir})
	must(t, s.Append([]byte("x\n")))
	must(t, s.Note([]byte("one ")))
	path := files(t, dir, ".pos")[0]
	one, err := os.ReadFile(path)
	must(t, err)
	must(t, s.Note([]byte("note 0 00000000\n")))
	two, err := os.ReadFile(path)
	must(t, err)
	notes := func(s *spool.Spool) string {
		marks, ok := s.Marks(spool.Pos{Epoch: s.Epoch()})
		if len(marks) != 1 || !ok {
			t.Fatalf("Marks() = %q, %v, want one", marks, ok)
		}
		return string(marks[0].Notes)
	}
	for n := len(one); n < len(two); n++ {
		for flip := range 2 { // torn there, or garbled there
			b := bytes.Clone(two[:n+flip])
			b[len(b)-1] ^= byte(flip)
			if n == len(one) && flip == 0 {
				continue
			}
			must(t, os.WriteFile(path, b, 0o600))
			again := open(t, spool.Options{Dir: dir})
			if got := notes(again); got != "one " {
				t.Fatalf("torn at %d: the notes are %q, want %q", n, got, "one ")
			}
			must(t, again.Note([]byte("three")))
			if got := notes(again); got != "one three" {
				t.Fatalf("torn at %d, then written: the notes are %q, want %q", n, got, "one three")
			}
		}
	}
}

// An epoch goes on after a kill and after a clean close, not after a power cut,
// and also after a kill in a boot that came after a clean close.
func TestEpoch(t *testing.T) {
	tests := []struct {
		name  string
		steps string // c: close, k: kill, b: another boot
		goes  bool
	}{
		{"clean close", "c", true},
		{"clean close and another boot", "cb", true},
		{"kill", "k", true},
		{"power cut", "kb", false},
		{"clean close, another boot, kill", "cb k", true},
		{"clean close, another boot, power cut", "cb kb", false},
		{"clean closes and boots", "cb cb cb", true},
		{"clean close, kill, power cut", "c k kb", false},
		{"clean close, kill", "c k", true},
	}
	for _, write := range []bool{false, true} {
		for _, tt := range tests {
			t.Run(fmt.Sprintf("%s, written between %v", tt.name, write), func(t *testing.T) {
				dir := quick(t)
				boot := 1
				s := open(t, spool.Options{Dir: dir, Boot: fmt.Sprint(boot)})
				epoch := s.Epoch()
				must(t, s.Append([]byte("x\n")))
				for step := range strings.FieldsSeq(tt.steps) {
					if step[0] == 'c' {
						must(t, s.Close())
					}
					boot += strings.Count(step, "b")
					s = open(t, spool.Options{Dir: dir, Boot: fmt.Sprint(boot)})
					if write {
						must(t, s.Append([]byte("x\n")))
					}
				}
				if (s.Epoch() == epoch) != tt.goes || s.Epoch() == 0 {
					t.Errorf("the epoch is %v, before %v, want that it goes on: %v", s.Epoch(), epoch, tt.goes)
				}
			})
		}
	}
}

// The note of a clean close does not vouch for bytes that are gone.
func TestCleanButShorter(t *testing.T) {
	for _, boot := range []string{"boot 1", "boot 2"} {
		dir := quick(t)
		s := open(t, spool.Options{Dir: dir})
		must(t, s.Append([]byte("one\ntwo\n")))
		must(t, s.Close())
		must(t, os.Truncate(files(t, dir, ".seg")[0], 4))
		again := open(t, spool.Options{Dir: dir, Boot: boot})
		if again.Epoch() == s.Epoch() || again.Start() != 4 || again.Previous() == nil {
			t.Errorf("%s: epoch %v, Start() = %d, want another epoch than %v that starts at 4", boot, again.Epoch(), again.Start(), s.Epoch())
		}
	}
}

// What a kill leaves while a segment begins is no obstacle.
func TestKilledWhileBeginning(t *testing.T) {
	dir := quick(t)
	s := open(t, spool.Options{Dir: dir, Segment: 4, Mark: func() []byte { return []byte("mark") }})
	must(t, s.Append([]byte("one\n")))
	must(t, s.Append([]byte("two\n")))
	mark, seg := files(t, dir, ".pos")[1], files(t, dir, ".seg")[1]
	whole, err := os.ReadFile(mark)
	must(t, err)
	for n := range len(whole) + 1 {
		os.Remove(seg)
		must(t, os.WriteFile(mark, whole[:n], 0o600))
		again := open(t, spool.Options{Dir: dir, Segment: 4})
		if again.Epoch() != s.Epoch() || text(t, again) != "one\n" {
			t.Fatalf("killed after %d bytes: epoch %v, %q, want %v and the first record", n, again.Epoch(), text(t, again), s.Epoch())
		}
		must(t, again.Append([]byte("TWO\n")))
		if got := text(t, again); got != "one\nTWO\n" {
			t.Fatalf("killed after %d bytes, then written: %q", n, got)
		}
	}
}

// What is older than a missing segment cannot be reached and is dropped.
func TestHole(t *testing.T) {
	dir := quick(t)
	s := open(t, spool.Options{Dir: dir, Segment: 4})
	for i := range 5 {
		must(t, s.Append(fmt.Appendf(nil, "rc%d\n", i)))
	}
	must(t, os.Remove(files(t, dir, ".seg")[1]))
	again := open(t, spool.Options{Dir: dir, Segment: 4})
	if got := text(t, again); got != "rc2\nrc3\nrc4\n" || again.Start() != 8 {
		t.Errorf("with a hole: %q from %d, want what is behind it", got, again.Start())
	}
	if n := len(files(t, dir, ".seg")); n != 3 {
		t.Errorf("there are %d segments, want 3", n)
	}
	if _, ok := again.Marks(spool.Pos{Epoch: s.Epoch()}); !ok {
		t.Error("the mark of a segment that was dropped is unknown")
	}
}

// A segment that is longer than where the next begins ends there.
func TestLongerThanNext(t *testing.T) {
	dir := quick(t)
	s := open(t, spool.Options{Dir: dir, Segment: 4})
	must(t, s.Append([]byte("one\n")))
	must(t, s.Append([]byte("two\n")))
	must(t, os.WriteFile(files(t, dir, ".seg")[0], []byte("one\nnever promised\n"), 0o600))
	again := open(t, spool.Options{Dir: dir, Segment: 4})
	if got := text(t, again); got != "one\ntwo\n" {
		t.Errorf("the log is %q, want what was appended", got)
	}
}

// A mark that is garbled is set aside with its segment, for one look; its
// offsets are not given to other bytes in the same epoch.
func TestGarbledMark(t *testing.T) {
	dir := quick(t)
	s := open(t, spool.Options{Dir: dir, Segment: 4})
	must(t, s.Append([]byte("one\n")))
	must(t, s.Append([]byte("two\n")))
	path := files(t, dir, ".pos")[1]
	b, err := os.ReadFile(path)
	must(t, err)
	b[len(b)/2] ^= 1
	must(t, os.WriteFile(path, b, 0o600))
	again := open(t, spool.Options{Dir: dir, Segment: 4})
	if again.Epoch() == s.Epoch() || again.End() != 4 || again.Stats().Aside != 1 {
		t.Errorf("epoch %v, End() = %d, %d aside, want another epoch than %v from 4 on, 1 aside", again.Epoch(), again.End(), again.Stats().Aside, s.Epoch())
	}
	if n := len(files(t, dir, ".bad")); n != 2 {
		t.Errorf("there are %d .bad files, want 2", n)
	}
	open(t, spool.Options{Dir: dir})
	if n := len(files(t, dir, ".bad")); n != 0 {
		t.Errorf("next time there are %d .bad files, want 0", n)
	}
}

// Files of others stay as they are.
func TestForeignFiles(t *testing.T) {
	dir := quick(t)
	foreign := []string{
		"README", "0a1b2c3d-1.seg", "0a1b2c3d-00000000000000000001.txt", "0A1B2C3D-00000000000000000001.seg",
		"0a1b2c3d-99999999999999999999.pos", "00000000-00000000000000000001.pos", "x.bad", ".seg", "clean.bak",
	}
	for _, name := range foreign {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600))
	}
	must(t, os.Mkdir(filepath.Join(dir, "0a1b2c3d-00000000000000000002.pos"), 0o700))
	for range 3 {
		s := open(t, spool.Options{Dir: dir, Segment: 4, Budget: 8})
		for range 5 {
			must(t, s.Append([]byte("abc\n")))
		}
		must(t, s.Close())
	}
	for _, name := range foreign {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(b) != name {
			t.Errorf("%s has %q, %v", name, b, err)
		}
	}
}

// Where the boot is not said it is the kernel's.
func TestKernelBoot(t *testing.T) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		t.Skip(err)
	}
	dir := quick(t)
	s, err := spool.Open(spool.Options{Dir: dir})
	must(t, err)
	must(t, s.Append([]byte("x\n")))
	if again := open(t, spool.Options{Dir: dir, Boot: strings.TrimSpace(string(b))}); again.Epoch() != s.Epoch() {
		t.Error("the epoch did not go on in the kernel's boot")
	}
}

func crc(text string) uint32 {
	return crc32.Checksum([]byte(text), crc32.MakeTable(crc32.Castagnoli))
}

// pos returns a .pos file as the package documentation describes it.
func pos(base, seq int, text, frames string) []byte {
	line := func(crc uint32) string {
		return fmt.Sprintf("fairlead spool 1 0a1b2c3d %d %d %d %08x %q\n", base, seq, len(text), crc, "boot 1")
	}
	return []byte(line(crc(line(0)+text)) + text + frames)
}

func frame(kind, text string) string {
	return fmt.Sprintf("%s %d %08x\n%s", kind, len(text), crc(kind+" "+text), text)
}

func clean(end int) []byte {
	line := fmt.Sprintf("fairlead spool clean 1 0a1b2c3d %d", end)
	return fmt.Appendf(nil, "%s %08x\n", line, crc(line))
}

// The files are as documented: what is written by hand is opened.
func TestFormat(t *testing.T) {
	dir := quick(t)
	for name, b := range map[string][]byte{
		"0a1b2c3d-00000000000000000007.pos": pos(7, 3, "text", frame("note", "a\nb")+frame("boot", "boot 2")+frame("note", "c")),
		"0a1b2c3d-00000000000000000007.seg": []byte("one\n"),
		"clean":                             clean(11),
	} {
		must(t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
	}
	for _, boot := range []string{"boot 2", "boot 3"} {
		s := open(t, spool.Options{Dir: dir, Boot: boot})
		want := spool.Mark{Pos: spool.Pos{Epoch: 0x0a1b2c3d, Off: 7}, Text: []byte("text"), Notes: []byte("a\nbc")}
		marks, ok := s.Marks(want.Pos)
		if got, want := fmt.Sprintf("%q", marks), fmt.Sprintf("%q", []spool.Mark{want}); got != want || !ok {
			t.Errorf("Marks() = %s, %v, want %s", got, ok, want)
		}
		if s.Epoch() != want.Pos.Epoch || s.Start() != 7 || s.End() != 11 {
			t.Errorf("opened as %v [%d, %d)", s.Epoch(), s.Start(), s.End())
		}
		must(t, s.Close())
		if b, err := os.ReadFile(filepath.Join(dir, "clean")); err != nil || !bytes.Equal(b, clean(11)) {
			t.Errorf("clean has %q, %v, want %q", b, err, clean(11))
		}
	}
}

// Whatever is in the files, a spool opens, keeps only offsets that can be read,
// and can be written.
func FuzzOpen(f *testing.F) {
	f.Add(pos(0, 1, "mark", ""), []byte("one\n"), clean(8), pos(4, 2, "", frame("note", "n")), []byte("two\n"), byte(4))
	f.Add(pos(0, 1, "mark", ""), []byte("one\n"), []byte{}, []byte{}, []byte("torn"), byte(4))
	f.Add(pos(0, 2, "", ""), []byte("one\n"), clean(4), pos(4, 1, "", "note 99999999999 "), []byte("two\n"), byte(4))
	f.Add([]byte("fairlead spool 1 0a1b2c3d 0 1 9999999999999 00000000 \"\"\n"), []byte{}, []byte{}, []byte{}, []byte{}, byte(4))
	f.Fuzz(func(t *testing.T, pos1, seg1, clean, pos2, seg2 []byte, base byte) {
		fuzzOpen(t, map[string][]byte{
			fmt.Sprintf("0a1b2c3d-%020d.pos", 0): pos1, fmt.Sprintf("0a1b2c3d-%020d.seg", 0): seg1,
			fmt.Sprintf("0a1b2c3d-%020d.pos", base): pos2, fmt.Sprintf("0a1b2c3d-%020d.seg", base): seg2,
			"clean": clean,
		})
	})
}

// FuzzOpenSound garbles only what is behind sound checksums.
func FuzzOpenSound(f *testing.F) {
	f.Add("mark", "note 1 00000000\nx", "one\n", "", frame("boot", "boot 1"), "two\n", byte(4), byte(1), byte(2), byte(8))
	f.Fuzz(func(t *testing.T, text1, frames1, seg1, text2, frames2, seg2 string, base, seq1, seq2, end byte) {
		fuzzOpen(t, map[string][]byte{
			fmt.Sprintf("0a1b2c3d-%020d.pos", 0):    pos(0, int(seq1), text1, frames1),
			fmt.Sprintf("0a1b2c3d-%020d.seg", 0):    []byte(seg1),
			fmt.Sprintf("0a1b2c3d-%020d.pos", base): pos(int(base), int(seq2), text2, frames2),
			fmt.Sprintf("0a1b2c3d-%020d.seg", base): []byte(seg2),
			"clean":                                 clean(int(end)),
		})
	})
}

func fuzzOpen(t *testing.T, garbage map[string][]byte) {
	dir := quick(t)
	for name, b := range garbage {
		must(t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
	}
	s := open(t, spool.Options{Dir: dir})
	before := text(t, s)
	if s.Start() < 0 || s.End()-s.Start() != int64(len(before)) {
		t.Fatalf("[%d, %d) has %d bytes", s.Start(), s.End(), len(before))
	}
	if g := s.Previous(); g != nil {
		if b, err := content(g); err != nil || !bytes.HasSuffix(b, []byte("\n")) {
			t.Fatalf("Previous() has %q, %v", b, err)
		}
		g.Release()
	}
	s.Marks(spool.Pos{})
	must(t, s.Note([]byte("note")))
	must(t, s.Append([]byte("next\n")))
	must(t, s.Close())
	again := open(t, spool.Options{Dir: dir})
	if got := text(t, again); got != before+"next\n" || again.Epoch() != s.Epoch() {
		t.Fatalf("opened again: %q in %v, want %q in %v", got, again.Epoch(), before+"next\n", s.Epoch())
	}
}
