package spool_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"fairlead/spool"
)

// A model is what a spool promises, in slices.
type model struct {
	r    *rapid.T
	dir  string
	o    spool.Options
	s    *spool.Spool
	boot int

	segs    []*part
	dropped []*part
	marks   []spool.Mark
	began   int // calls of Options.Mark
	end     int64
	expired int64
	held    []hold
}

type part struct {
	base    int64
	data    []byte
	sealed  bool
	held    int
	expired bool
}

type hold struct {
	g *spool.Segment
	p *part
}

func (m *model) open(text string) {
	m.o.Boot = fmt.Sprint("boot ", m.boot)
	m.o.Mark = func() []byte { m.began++; return m.mark(m.began) }
	s, err := spool.Open(m.o)
	if err != nil {
		m.r.Fatalf("Open after %s: %v", text, err)
	}
	m.s = s
	m.dropped, m.expired = nil, 0
}

func (m *model) mark(n int) []byte { return fmt.Appendf(nil, "mark %d\nof many", n) }

func (m *model) newest() *part {
	if len(m.segs) == 0 {
		return nil
	}
	return m.segs[len(m.segs)-1]
}

// begin is what Append does before n bytes, and Note before the first.
func (m *model) begin() {
	m.segs = append(m.segs, &part{base: m.end})
	m.marks = append(m.marks, spool.Mark{Pos: spool.Pos{Epoch: m.s.Epoch(), Off: m.end}, Text: m.mark(m.began)})
}

func (m *model) append() {
	var p []byte
	for range rapid.IntRange(1, 3).Draw(m.r, "records") {
		p = append(p, rapid.StringMatching(`[a-c]{0,20}`).Draw(m.r, "record")+"\n"...)
	}
	began := m.began
	if err := m.s.Append(p); err != nil {
		m.r.Fatal(err)
	}
	g := m.newest()
	if g != nil && m.dir == "" && len(g.data)+len(p) > cap(g.data) {
		if g.sealed = len(g.data) > 0; !g.sealed {
			g.data = make([]byte, 0, len(p))
		}
	}
	want := began
	if g == nil || g.sealed {
		want++
		m.begin()
		g = m.newest()
		if m.dir == "" {
			g.data = make([]byte, 0, max(int(m.o.Segment), len(p))) // as much as it may ever have
		}
	}
	if m.began != want {
		m.r.Fatalf("Append began %d segments, want %d", m.began-began, want-began)
	}
	g.data = append(g.data, p...)
	m.end += int64(len(p))
	g.sealed = int64(len(g.data)) >= m.o.Segment
	m.drop()
}

func (m *model) drop() {
	for len(m.segs) > 1 && m.end-m.segs[0].base > m.o.Budget {
		m.dropped = append(m.dropped, m.segs[0])
		m.segs = m.segs[1:]
	}
	for { // the oldest is told first, one by one
		n, oldest := 0, (*part)(nil)
		for _, p := range m.dropped {
			if p.held > 0 && !p.expired {
				n += len(p.data)
				if oldest == nil {
					oldest = p
				}
			}
		}
		if int64(n) <= m.o.Budget {
			return
		}
		oldest.expired = true
		m.expired++
	}
}

func (m *model) note() {
	b := []byte(rapid.StringMatching(`[a-c\n]{0,10}`).Draw(m.r, "note"))
	if err := m.s.Note(b); err != nil {
		m.r.Fatal(err)
	}
	if len(m.segs) == 0 {
		m.begin()
		if m.dir == "" {
			m.newest().data = make([]byte, 0, m.o.Segment)
		}
	}
	last := &m.marks[len(m.marks)-1]
	last.Notes = append(last.Notes, b...)
}

func (m *model) start() int64 {
	if len(m.segs) == 0 {
		return m.end
	}
	return m.segs[0].base
}

func (m *model) acquire() {
	off := rapid.Int64Range(m.start()-2, m.end+1).Draw(m.r, "off")
	g, err := m.s.Acquire(off)
	var gone *spool.Gone
	switch {
	case off < 0 || off > m.end:
		if err == nil || errors.As(err, &gone) {
			m.r.Fatalf("Acquire(%d) = %v, want an error other than *Gone", off, err)
		}
		return
	case off < m.start():
		if !errors.As(err, &gone) || gone.Start != m.start() {
			m.r.Fatalf("Acquire(%d) = %v, want *Gone{%d}", off, err, m.start())
		}
		return
	case err != nil:
		m.r.Fatalf("Acquire(%d): %v", off, err)
	}
	want := &part{base: m.end, sealed: true}
	for _, p := range m.segs {
		if p.base <= off {
			want = p
		}
	}
	want.held++
	m.held = append(m.held, hold{g, want})
}

func (m *model) release() {
	if len(m.held) == 0 {
		return
	}
	i := rapid.IntRange(0, len(m.held)-1).Draw(m.r, "which")
	m.held[i].g.Release()
	m.held[i].p.held--
	m.held = append(m.held[:i], m.held[i+1:]...)
}

func (m *model) releaseAll() {
	for _, h := range m.held {
		h.g.Release()
		h.p.held--
	}
	m.held = nil
}

func (m *model) check() {
	r, st := m.r, m.s.Stats()
	if st.Start != m.start() || st.End != m.end || st.Segments != len(m.segs) || st.Bytes != m.end-m.start() || st.Expired != m.expired {
		r.Fatalf("Stats() = %+v, want [%d, %d) in %d segments, %d expired", st, m.start(), m.end, len(m.segs), m.expired)
	}
	pinned := 0
	for _, p := range m.dropped {
		if p.held > 0 {
			pinned += len(p.data)
		}
	}
	if st.Pinned != int64(pinned) {
		r.Fatalf("Stats().Pinned = %d, want %d", st.Pinned, pinned)
	}
	for _, h := range m.held {
		got, err := content(h.g)
		if err != nil || h.g.Base() != h.p.base || !bytes.Equal(got, h.p.data) {
			r.Fatalf("held segment [%d, ...) = %q, %v, want %d, %q", h.g.Base(), got, err, h.p.base, h.p.data)
		}
		expired := false
		select {
		case <-h.g.Expired():
			expired = true
		default:
		}
		if expired != h.p.expired {
			r.Fatalf("segment %d expired: %v, want %v", h.p.base, expired, h.p.expired)
		}
	}
	for _, p := range m.segs {
		g, err := m.s.Acquire(p.base)
		if err != nil {
			r.Fatalf("Acquire(%d): %v", p.base, err)
		}
		got, err := content(g)
		if err != nil || !bytes.Equal(got, p.data) || g.Sealed() != p.sealed && m.dir != "" {
			r.Fatalf("segment %d = %q, sealed %v, %v, want %q, %v", p.base, got, g.Sealed(), err, p.data, p.sealed)
		}
		g.Release()
	}
	if m.dir != "" {
		if n := len(files(r, m.dir, ".seg")); n != len(m.segs) && len(m.segs) > 0 {
			r.Fatalf("there are %d .seg files, want %d", n, len(m.segs))
		}
	}
	m.checkMarks(spool.Pos{Epoch: m.s.Epoch(), Off: rapid.Int64Range(0, m.end+1).Draw(r, "from")})
	if n := len(m.marks); n > 0 {
		of := m.marks[rapid.IntRange(0, n-1).Draw(r, "of mark")].Pos
		of.Off += rapid.Int64Range(-1, 1).Draw(r, "beside")
		m.checkMarks(of)
	}
}

func (m *model) checkMarks(from spool.Pos) {
	want, wantOK := m.marks, false
	for i, k := range m.marks {
		if k.Pos.Epoch == from.Epoch && k.Pos.Off <= from.Off {
			want, wantOK = m.marks[i:], true
		}
	}
	got, ok := m.s.Marks(from)
	if g, w := fmt.Sprintf("%q", got), fmt.Sprintf("%q", want); g != w || ok != wantOK {
		m.r.Fatalf("Marks(%v) = %s, %v, want %s, %v", from, g, ok, w, wantOK)
	}
}

// goesOn says that a spool whose epoch has begun is opened with the same epoch.
func (m *model) goesOn(epoch spool.Epoch, how string) {
	if len(m.segs) > 0 && m.s.Epoch() != epoch {
		m.r.Fatalf("after %s the epoch is %v, want %v", how, m.s.Epoch(), epoch)
	}
	if len(m.segs) > 0 && m.s.Previous() != nil {
		m.r.Fatalf("after %s Previous() is not nil", how)
	}
}

func (m *model) close() {
	epoch := m.s.Epoch()
	if err := m.s.Close(); err != nil {
		m.r.Fatal(err)
	}
	for _, h := range m.held {
		if got, err := content(h.g); err != nil || !bytes.Equal(got, h.p.data) {
			m.r.Fatalf("after Close() a held segment has %q, %v, want %q", got, err, h.p.data)
		}
	}
	m.releaseAll()
	if m.dir == "" {
		m.segs, m.marks, m.end = nil, nil, 0
		m.open("close")
		return
	}
	m.boot += rapid.IntRange(0, 1).Draw(m.r, "boots")
	m.open("close")
	m.goesOn(epoch, "a clean close")
}

// kill drops the spool. A write may have been under way.
func (m *model) kill() {
	epoch := m.s.Epoch()
	m.releaseAll()
	if n := len(m.segs); n > 0 {
		torn := rapid.StringMatching(`[a-c]{0,5}`).Draw(m.r, "torn")
		m.patch(".seg", func(b []byte) []byte { return append(b, torn...) })
		frame := rapid.SampledFrom([]string{"", "n", "note 3", "note 3 00000000\nabc", "note 99 "}).Draw(m.r, "torn note")
		m.patch(".pos", func(b []byte) []byte { return append(b, frame...) })
	}
	m.open("a kill")
	m.goesOn(epoch, "a kill")
}

// patch changes the newest file with an extension.
func (m *model) patch(ext string, f func([]byte) []byte) {
	last := m.marks[len(m.marks)-1].Pos
	path := filepath.Join(m.dir, fmt.Sprintf("%v-%020d%s", last.Epoch, last.Off, ext))
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, f(b), 0o600)
	}
	if err != nil && (ext == ".pos" || len(m.segs) > 0) {
		m.r.Fatal(err)
	}
}

// powerCut drops the spool and loses ends of its newest files, which no Run
// made durable.
func (m *model) powerCut() {
	r, epoch := m.r, m.s.Epoch()
	m.releaseAll()
	m.boot++
	var left []byte
	if len(m.segs) > 0 {
		left = m.newest().data
		n := rapid.IntRange(0, len(left)).Draw(r, "survived")
		zero := rapid.Bool().Draw(r, "zeroed")
		m.patch(".seg", func(b []byte) []byte {
			if zero {
				return append(b[:n:n], make([]byte, len(b)-n)...)
			}
			return b[:n]
		})
		left = left[:bytes.LastIndexByte(left[:n], '\n')+1]
		last := &m.marks[len(m.marks)-1]
		head := 0
		cut := rapid.IntRange(0, len(last.Notes)).Draw(r, "notes survived")
		m.patch(".pos", func(b []byte) []byte {
			head = bytes.Index(b, last.Text) + len(last.Text)
			if cut == 0 {
				return b[:head]
			}
			return b
		})
		if cut == 0 {
			last.Notes = nil
		}
	}
	base := m.start()
	if len(m.segs) > 0 {
		base = m.newest().base
	}
	m.open("a power cut")
	if m.s.Epoch() == epoch {
		r.Fatal("after a power cut the epoch goes on")
	}
	m.end, m.segs = base+int64(len(left)), nil
	again := rapid.Bool().Draw(r, "killed before anything was written")
	if again {
		m.checkPrevious(base, left)
		m.open("a power cut and a kill")
	}
	m.checkPrevious(base, left)
	if rapid.Bool().Draw(r, "note first") {
		m.note()
	} else {
		m.append()
	}
	if n := len(files(r, m.dir, ".seg")); n != 1 {
		r.Fatalf("there are %d .seg files after Previous() was released, want 1", n)
	}
}

func (m *model) checkPrevious(base int64, left []byte) {
	g := m.s.Previous()
	if len(left) == 0 {
		if g != nil {
			m.r.Fatalf("Previous() = [%d, %d), want nil", g.Base(), g.End())
		}
		return
	}
	if g == nil || g.Base() != base {
		m.r.Fatalf("Previous() = %v, want the segment at %d", g, base)
	}
	if got, err := content(g); err != nil || !bytes.Equal(got, left) {
		m.r.Fatalf("Previous() has %q, %v, want %q", got, err, left)
	}
	g.Release()
}

// Whatever happens in whatever order, a spool has what the model has.
func TestModel(t *testing.T) {
	places(t, func(t *testing.T, dir string) {
		if dir != "" {
			dir = quick(t)
		}
		n := 0
		rapid.Check(t, func(r *rapid.T) {
			m := &model{r: r}
			if dir != "" {
				n++
				m.dir = filepath.Join(dir, fmt.Sprint(n))
				defer os.RemoveAll(m.dir)
			}
			m.o = spool.Options{
				Dir:     m.dir,
				Budget:  rapid.Int64Range(1, 300).Draw(r, "budget"),
				Segment: rapid.Int64Range(1, 60).Draw(r, "segment"),
			}
			m.open("nothing")
			defer func() {
				m.releaseAll()
				m.s.Close()
			}()
			does := map[string]func(*rapid.T){"": func(*rapid.T) { m.check() }}
			for name, f := range map[string]func(){
				"append": m.append, "append again": m.append, "note": m.note,
				"acquire": m.acquire, "acquire again": m.acquire, "release": m.release, "close": m.close,
			} {
				does[name] = func(*rapid.T) { f() }
			}
			if dir != "" {
				does["kill"] = func(*rapid.T) { m.kill() }
				does["power cut"] = func(*rapid.T) { m.powerCut() }
			}
			r.Repeat(does)
		})
	})
}
