package logfile_test

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A written is one generation as it was written: a page of the ledger.
type written struct {
	writer string
	nr     int
	seq    int
	bytes  []byte
}

// record returns the next record, WRITER,GEN,SEQ,LEN,CRC:PAYLOAD, with a
// payload of n bytes. Its first bytes tell every generation from every other.
func (g *written) record(n int) []byte {
	rng := rand.New(rand.NewPCG(uint64(g.nr), uint64(g.seq)))
	payload := make([]byte, n)
	for i := range payload {
		payload[i] = 'a' + byte(rng.Uint32()%26)
	}
	b := fmt.Appendf(nil, "%s,%d,%d,%d,%08x:%s\n", g.writer, g.nr, g.seq, n, crc32.ChecksumIEEE(payload), payload)
	g.seq++
	return b
}

// A pen is a descriptor of a writer, and the generation it writes. It goes on
// writing after its file was renamed, as daemons that reopen late do.
type pen struct {
	t   *testing.T
	f   *os.File
	gen *written
}

// write appends n records in one write.
func (p pen) write(n int) {
	p.t.Helper()
	var b []byte
	for i := range n {
		b = append(b, p.gen.record(20+(p.gen.nr*31+p.gen.seq*7+i)%100)...)
	}
	p.raw(b)
}

// raw appends what is no record.
func (p pen) raw(b []byte) {
	p.t.Helper()
	p.gen.bytes = append(p.gen.bytes, b...)
	if _, err := p.f.Write(b); err != nil {
		p.t.Fatal(err)
	}
}

// fill appends records of about n bytes in all.
func (p pen) fill(n int) {
	p.t.Helper()
	var b []byte
	for len(b) < n {
		b = append(b, p.gen.record(min(n, 8000))...)
	}
	p.raw(b)
}

// A refWriter writes one log through its generations and keeps the ledger.
type refWriter struct {
	pen
	path   string
	ledger []*written
	dated  int
}

// newWriter returns a writer with an empty file at path.
func newWriter(t *testing.T, path string) *refWriter {
	t.Helper()
	w := &refWriter{pen: pen{t: t}, path: path}
	w.open()
	return w
}

// open begins a new generation with a new file. The old pen stays open.
func (w *refWriter) open() {
	w.t.Helper()
	f, err := os.OpenFile(w.path, os.O_CREATE|os.O_EXCL|os.O_APPEND|os.O_WRONLY, 0o644)
	must(w.t, err)
	w.t.Cleanup(func() { f.Close() })
	w.f = f
	w.turnPage()
}

func (w *refWriter) turnPage() {
	w.gen = &written{writer: filepath.Base(w.path), nr: len(w.ledger)}
	w.ledger = append(w.ledger, w.gen)
}

// contents returns what was written of each generation.
func (w *refWriter) contents() (all [][]byte) {
	for _, g := range w.ledger {
		all = append(all, g.bytes)
	}
	return all
}

func (w *refWriter) rename(from, to string) {
	w.t.Helper()
	must(w.t, os.Rename(from, to))
}

// shift renames NAME.n to NAME.n+1, the oldest first, as logrotate does.
func (w *refWriter) shift() {
	w.t.Helper()
	n := 1
	for exists(fmt.Sprintf("%s.%d", w.path, n)) {
		n++
	}
	for ; n > 1; n-- {
		w.rename(fmt.Sprintf("%s.%d", w.path, n-1), fmt.Sprintf("%s.%d", w.path, n))
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// rotate renames the file to NAME.1 and begins a new one. It returns the pen of
// the renamed one.
func (w *refWriter) rotate() pen {
	w.t.Helper()
	old := w.pen
	w.shift()
	w.rename(w.path, w.path+".1")
	w.open()
	return old
}

// rotateDated is rotate to NAME-DATE.
func (w *refWriter) rotateDated() {
	w.t.Helper()
	w.dated++
	w.rename(w.path, fmt.Sprintf("%s-20260228-%06d", w.path, w.dated))
	w.open()
}

// copyTruncate is logrotate's: copy to NAME.1, cut the file.
func (w *refWriter) copyTruncate() {
	w.t.Helper()
	w.shift()
	w.copyTo(w.path + ".1")
	w.truncate()
}

func (w *refWriter) copyTo(path string) {
	w.t.Helper()
	b, err := os.ReadFile(w.path)
	must(w.t, err)
	must(w.t, os.WriteFile(path, b, 0o644))
}

// truncate cuts the file to nothing; what follows is a new generation.
func (w *refWriter) truncate() {
	w.t.Helper()
	must(w.t, w.f.Truncate(0))
	w.turnPage()
}

// remove unlinks the file.
func (w *refWriter) remove() {
	w.t.Helper()
	must(w.t, os.Remove(w.path))
}

// replace renames a new file over the old one, as editors do.
func (w *refWriter) replace(content []byte) {
	w.t.Helper()
	tmp := filepath.Join(filepath.Dir(w.path), ".new")
	must(w.t, os.WriteFile(tmp, content, 0o644))
	w.rename(tmp, w.path)
	f, err := os.OpenFile(w.path, os.O_APPEND|os.O_WRONLY, 0)
	must(w.t, err)
	w.t.Cleanup(func() { f.Close() })
	w.f = f
	w.turnPage()
	w.gen.bytes = slices.Clone(content)
}

// text returns n bytes that do not repeat soon and depend on seed.
func text(seed, n int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%d line %d of a log that looks like others\n", seed, i)
	}
	return b.Bytes()[:n]
}
