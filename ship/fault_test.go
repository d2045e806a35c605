package ship

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// PROMISE ship: what is appended arrives, byte for byte, and goes on where it was.
func TestPromiseShipAppends(t *testing.T) {
	eachWay(t, func(w *world, strike func(func())) {
		p := w.newPen("app.log")
		w.up()
		p.write(100)
		w.acked(p, 100)
		strike(func() { p.write(3_000_000) })
		p.write(10)
		w.judge(w.at, p)
		w.settled()
		w.lostBytes(0)
	})
}

// F1: a rename ends a generation; what comes is another.
func TestF1Rename(t *testing.T) {
	eachWay(t, func(w *world, strike func(func())) {
		p := w.newPen("app.log").write(1000)
		w.up()
		w.acked(p, 1000)
		strike(func() {
			for range 3 {
				p.write(700_000)
				p.rotate()
				p.write(100)
			}
		})
		p.write(10)
		w.judge(w.at, p)
		w.lostBytes(0)
	})
}

// F1b: the writer reopens late. Its bytes are those of the old generation.
func TestF1bLateWriter(t *testing.T) {
	eachWay(t, func(w *world, strike func(func())) {
		w.late = time.Second
		p := w.newPen("app.log").write(1000)
		w.up()
		w.acked(p, 1000)
		var late func(int)
		strike(func() {
			late = p.rotate()
			p.write(2000)
			late(500)
		})
		w.acked(p, 2000)
		late(700)
		p.write(10)
		w.judge(w.at, p)
		w.lostBytes(0)
	}, live, down)
}

// F2: what was renamed, compressed and unlinked while the receiver was behind is
// sent from the open file.
func TestF2CompressedWhileBehind(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.newPen("app.log").write(1000)
	w.up()
	w.acked(p, 1000)
	w.at.down()
	p.write(5_000_000)
	eventually(t, func() string { // it is known how long it is, so it is held
		if l := w.sender.Status()[0]; l.Up || len(l.Files) != 1 || l.Files[0].Size < 1000 {
			return "the receiver is not gone yet"
		}
		if st := w.set.Logs()[0].Stat(); st.Current.Size < 5_001_000 {
			return "the growth was not seen yet"
		}
		return ""
	})
	p.rotate()
	p.compress()
	p.write(100)
	w.at.up()
	w.judge(w.at, p)
	w.lostBytes(0)
}

// behind waits until the set knows all of a log, which the receiver, gone, does not
// have.
func (w *world) behind(p *pen) {
	w.t.Helper()
	eventually(w.t, func() string {
		for _, l := range w.set.Logs() {
			if st := l.Stat(); l.Name() == p.path && st.Current != nil && st.Current.Size == int64(len(p.page.bytes)) {
				return ""
			}
		}
		return "the growth of " + p.path + " was not seen yet"
	})
}

// F3: copytruncate. What was not sent yet comes from the copy, after that was proven
// to be one.
func TestF3CopyTruncate(t *testing.T) {
	eachWay(t, func(w *world, strike func(func())) {
		p := w.newPen("app.log").write(2_500_000)
		w.up()
		w.acked(p, 2_500_000)
		strike(func() {
			p.write(1_700_000)
			p.copyTruncate()
			p.write(500)
		})
		p.write(10)
		w.judge(w.at, p)
		w.lostBytes(0)
	})
}

// F3 while the receiver is away: all that is behind comes from the copy.
func TestF3CopyTruncateWhileBehind(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.newPen("app.log").write(1_300_000)
	w.up()
	w.acked(p, 1_300_000)
	w.at.down()
	p.write(1_700_000)
	w.behind(p)
	p.copyTruncate()
	p.write(500)
	w.at.up()
	w.judge(w.at, p)
	w.lostBytes(0)
}

// F3 without a copy, or with one of other content: what was not sent is lost, and
// said.
func TestF3TruncateWhileBehind(t *testing.T) {
	for name, beside := range map[string]func(p *pen){
		"no copy": func(*pen) {},
		// It is taken for one that was written, and rotated, between two looks.
		"other content": func(p *pen) {
			g := &page{nr: 99}
			g.bytes = g.text(p.path, 5000)
			must(p.t, os.WriteFile(p.path+".1", g.bytes, 0o644))
			p.ledger = append(p.ledger, g)
		},
		// The head and the last 64 bytes are the file's, the middle is not: only
		// the proof of what was sent tells.
		"changed in the middle": func(p *pen) {
			b := bytes.Clone(p.page.bytes)
			b[7000] ^= 1
			must(p.t, os.WriteFile(p.path+".1", b, 0o644))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := w.newPen("app.log").write(10_000)
			w.up()
			w.acked(p, 10_000)
			w.at.down()
			p.write(2000)
			w.behind(p)
			beside(p)
			old := p.page
			p.truncate()
			old.gone = 2000
			p.write(500)
			w.at.up()
			w.judge(w.at, p)
			w.down() // what was lost a moment ago is told before the end
			w.lostBytes(2000)
			if list, _ := w.sender.Lost(); len(list) != 1 || list[0].From != 10_000 || list[0].To != 12_000 || list[0].Path != p.path || list[0].Reason != "truncated" {
				t.Errorf("Lost() = %+v, want 10000 to 12000 of %s, truncated", list, p.path)
			}
		})
	}
}

// F4: copytruncate, and the file has grown past where we were before we look.
func TestF4Regrown(t *testing.T) {
	eachWay(t, func(w *world, strike func(func())) {
		p := w.newPen("app.log").write(1000)
		w.up()
		w.acked(p, 1000)
		strike(func() {
			p.write(50)
			p.copyTruncate()
			p.write(700_000)
		})
		w.judge(w.at, p)
		w.lostBytes(0)
	})
}

// F9: cut to nothing, and nothing written: the copy stays.
func TestF9CutToNothing(t *testing.T) {
	eachWay(t, func(w *world, strike func(func())) {
		p := w.newPen("app.log").write(1_100_000)
		w.up()
		w.acked(p, 1_100_000)
		strike(p.truncate)
		w.judge(w.at, p)
		p.write(10)
		w.judge(w.at, p)
		w.lostBytes(0)
	})
}

// F11: another file renamed over it.
func TestF11RenameOver(t *testing.T) {
	eachWay(t, func(w *world, strike func(func())) {
		p := w.newPen("app.log").write(3000)
		w.up()
		w.acked(p, 3000)
		strike(func() { p.replace(5000) })
		p.write(10)
		w.judge(w.at, p)
		w.lostBytes(0)
	})
}

// F16: deleted while it is sent.
func TestF16Deleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.newPen("app.log").write(20_000_000)
	w.tune = func(s *Sender) { s.Rate = 20 << 20 }
	w.up()
	w.acked(p, 1)
	p.remove()
	w.judge(w.at, p)
	p.open()
	p.write(10)
	w.judge(w.at, p)
	w.lostBytes(0)
	eventually(t, func() string {
		if held := w.set.Stats(); held.PinnedBytes != 0 {
			return fmt.Sprintf("%d bytes of deleted files are kept", held.PinnedBytes)
		}
		return ""
	})
}

// F25: what was written, and gone, while the sender was down, exists nowhere any
// more: the range is named as far as it was known.
func TestF25GoneWhileDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.newPen("app.log").write(3000)
	w.up()
	w.acked(p, 3000)
	w.at.down()
	p.write(2000)
	w.behind(p)
	w.down()
	p.remove()
	p.page.gone = 2000
	p.open()
	p.write(10)
	w.at.up()
	w.up()
	w.judge(w.at, p)
	w.lostBytes(2000)
}

// F32: the source lost what the receiver has, as after a power cut. The copy is not
// cut: it ends, and another begins.
func TestF32SourceRegressed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.newPen("app.log").write(3000)
	w.up()
	w.acked(p, 3000)
	w.down()
	longer := p.page.bytes
	must(t, os.Truncate(p.path, 2500))
	p.page.bytes = bytes.Clone(longer[:2500])
	p.write(100)
	w.up()
	eventually(t, func() string {
		var all []string
		kept, whole := false, false
		for rec, file := range w.at.store.All {
			b, _ := os.ReadFile(file)
			all = append(all, fmt.Sprintf("%s %d %v", rec.State, rec.N, rec.Seal.Reason))
			kept = kept || bytes.Equal(b, longer)
			whole = whole || bytes.Equal(b, p.page.bytes)
		}
		if kept && whole {
			return ""
		}
		return fmt.Sprintf("copies: %q, want one of the longer and one of the shorter; %s", all, w.status())
	})
	p.write(10)
	eventually(t, func() string {
		for rec, file := range w.at.store.All {
			if b, _ := os.ReadFile(file); bytes.Equal(b, p.page.bytes) && rec.N == int64(len(b)) {
				return ""
			}
		}
		return "the shorter one does not grow"
	})
}

// F33: somebody truncated, edited or appended to a copy. What is good of it is kept,
// the rest is fetched again, and what was damaged stays beside it.
func TestF33DamagedCopy(t *testing.T) {
	for name, damage := range map[string]func(b []byte) []byte{
		"truncated": func(b []byte) []byte { return b[:1_500_000] },
		"emptied":   func(b []byte) []byte { return nil },
		"edited":    func(b []byte) []byte { b[len(b)-10] ^= 1; return b },
		"appended":  func(b []byte) []byte { return append(b, "more"...) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := w.newPen("app.log").write(2_500_000)
			w.up()
			w.acked(p, 2_500_000)
			w.at.down()
			file := filepath.Join(w.at.dir, "web1", p.path)
			b, err := os.ReadFile(file)
			must(t, err)
			must(t, os.WriteFile(file, damage(b), 0o600))
			p.write(100)
			w.at.up()
			w.judge(w.at, p)
			w.settled()
			w.lostBytes(0)
		})
	}
}

// F34: the receiver is as it was some time ago. It gets again what the source has.
func TestF34RestoredReceiver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.late = time.Hour // or it was sealed, and cannot be asked for again once it is gone
	p := w.newPen("app.log").write(1_200_000)
	w.up()
	w.acked(p, 1_200_000)
	w.at.down()
	backup := filepath.Join(quick(t), "backup")
	must(t, os.CopyFS(backup, os.DirFS(w.at.dir)))
	w.at.up()
	p.write(900_000)
	w.acked(p, 2_100_000)
	p.rotate()
	p.write(500)
	w.acked(p, 500)
	w.at.down()
	must(t, os.RemoveAll(w.at.dir))
	must(t, os.CopyFS(w.at.dir, os.DirFS(backup)))
	w.at.up()
	p.write(10)
	eventually(t, func() string {
		list, err := w.at.copies(p.path)
		if err == nil && len(list) == 2 && slices.ContainsFunc(list, func(c stored) bool { return bytes.Equal(c.bytes, p.ledger[0].bytes) }) &&
			slices.ContainsFunc(list, func(c stored) bool { return bytes.Equal(c.bytes, p.page.bytes) }) {
			return ""
		}
		return fmt.Sprintf("copies %s, %v; %s", glimpse(list), err, w.status())
	})
	w.lostBytes(0)
}

// A file that is renamed to another log's path is one generation: its copy goes with
// it, and no byte is sent twice.
func TestMovedToAnotherLog(t *testing.T) {
	eachWay(t, func(w *world, strike func(func())) {
		p := w.newPen("a.log").write(5000)
		w.up()
		w.acked(p, 5000)
		other := filepath.Join(w.dir, "b.log")
		strike(func() { must(t, os.Rename(p.path, other)) })
		p.write(300)
		old := p.path
		p.path, p.moved = other, true
		w.judge(w.at, p)
		p.write(10)
		w.judge(w.at, p)
		if list, _ := w.at.copies(old); len(list) != 0 {
			t.Errorf("copies of %s are left: %s", old, glimpse(list))
		}
		w.lostBytes(0)
		w.settled()
	}, live, down)
}
