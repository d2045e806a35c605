package ship

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A page of the ledger is one generation as it was written.
type page struct {
	nr    int
	seq   int
	bytes []byte
	gone  int // of its last bytes, that nobody could read in time

	vanished bool // the file was cut or replaced: who has forgotten it cannot say that it ended
}

// A pen writes one log through its generations and keeps the ledger, by which any
// copy can be judged byte by byte.
type pen struct {
	t      testing.TB
	path   string
	f      *os.File
	page   *page
	ledger []*page
	moved  bool // the file came from another path: its copy keeps its name
}

// newPen begins an empty file at a path below the logs.
func (w *world) newPen(name string) *pen {
	w.t.Helper()
	p := &pen{t: w.t, path: filepath.Join(w.dir, name)}
	must(w.t, os.MkdirAll(filepath.Dir(p.path), 0o755))
	p.open()
	return p
}

// open begins a generation with a new file.
func (p *pen) open() {
	p.t.Helper()
	f, err := os.OpenFile(p.path, os.O_CREATE|os.O_EXCL|os.O_APPEND|os.O_WRONLY, 0o644)
	must(p.t, err)
	p.t.Cleanup(func() { f.Close() })
	p.f = f
	p.turn()
}

func (p *pen) turn() {
	p.page = &page{nr: len(p.ledger)}
	p.ledger = append(p.ledger, p.page)
}

// text is n bytes of lines, of which the first tells every page from every other.
func (g *page) text(path string, n int) []byte {
	rng := rand.New(rand.NewPCG(uint64(g.nr), uint64(g.seq)))
	b := fmt.Appendf(nil, "%s,%d,%d:", filepath.Base(path), g.nr, g.seq)
	g.seq++
	for len(b) < n-1 {
		b = append(b, 'a'+byte(rng.Uint32()%26))
	}
	return append(b[:max(0, n-1)], '\n')
}

// write appends n bytes to the current generation.
func (p *pen) write(n int) *pen {
	p.t.Helper()
	p.writeTo(p.f, p.page, n)
	return p
}

// writeTo is for a writer that reopens late.
func (p *pen) writeTo(f *os.File, g *page, n int) {
	p.t.Helper()
	b := g.text(p.path, n)
	g.bytes = append(g.bytes, b...)
	if _, err := f.Write(b); err != nil {
		p.t.Fatal(err)
	}
}

// shift renames NAME.n to NAME.n+1, the oldest first, as logrotate does.
func (p *pen) shift() {
	p.t.Helper()
	n := 1
	for exists(fmt.Sprintf("%s.%d", p.path, n)) {
		n++
	}
	for ; n > 1; n-- {
		must(p.t, os.Rename(fmt.Sprintf("%s.%d", p.path, n-1), fmt.Sprintf("%s.%d", p.path, n)))
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// rotate renames the file to NAME.1 and begins a new one. What it returns writes to
// the old one.
func (p *pen) rotate() (late func(n int)) {
	p.t.Helper()
	f, g := p.f, p.page
	p.shift()
	must(p.t, os.Rename(p.path, p.path+".1"))
	p.open()
	return func(n int) { p.t.Helper(); p.writeTo(f, g, n) }
}

// compress replaces NAME.1 by NAME.1.gz, as logrotate does.
func (p *pen) compress() {
	p.t.Helper()
	b, err := os.ReadFile(p.path + ".1")
	must(p.t, err)
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	z.Write(b)
	must(p.t, z.Close())
	must(p.t, os.WriteFile(p.path+".1.gz", out.Bytes(), 0o644))
	must(p.t, os.Remove(p.path+".1"))
}

// copyTruncate is logrotate's: copy to NAME.1, cut the file.
func (p *pen) copyTruncate() {
	p.t.Helper()
	p.shift()
	b, err := os.ReadFile(p.path)
	must(p.t, err)
	must(p.t, os.WriteFile(p.path+".1", b, 0o644))
	p.truncate()
}

// truncate cuts the file to nothing; what follows is a new generation.
func (p *pen) truncate() {
	p.t.Helper()
	must(p.t, p.f.Truncate(0))
	p.page.vanished = true
	p.turn()
}

// replace renames a new file over the old one, as editors do.
func (p *pen) replace(n int) {
	p.t.Helper()
	p.page.vanished = true
	p.turn()
	p.page.bytes = p.page.text(p.path, n)
	tmp := filepath.Join(filepath.Dir(p.path), ".new")
	must(p.t, os.WriteFile(tmp, slices.Clone(p.page.bytes), 0o644))
	must(p.t, os.Rename(tmp, p.path))
	f, err := os.OpenFile(p.path, os.O_APPEND|os.O_WRONLY, 0)
	must(p.t, err)
	p.t.Cleanup(func() { f.Close() })
	p.f = f
}

// remove unlinks the file.
func (p *pen) remove() {
	p.t.Helper()
	must(p.t, os.Remove(p.path))
}
