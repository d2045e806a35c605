package logfile_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"fairlead/logfile"
	"fairlead/logfile/logfiletest"
)

func TestLogIsASource(t *testing.T) {
	logfiletest.Run(t, func(t *testing.T) (logfile.Source, logfiletest.Feeder) {
		w := newWriter(t, filepath.Join(t.TempDir(), "app.log"))
		l, done := runSet(t, w.path)
		t.Cleanup(done)
		return l, logfiletest.Feeder{Append: w.raw, End: func() { w.rotate() }}
	})
}

// A log whose files are copied and cut, or deleted, is one just the same.
func TestLogIsASourceHoweverItEnds(t *testing.T) {
	for name, end := range map[string]func(w *refWriter){
		"copytruncate": (*refWriter).copyTruncate,
		"truncate":     (*refWriter).truncate,
		"remove":       (*refWriter).remove,
		"replace":      func(w *refWriter) { w.replace(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			logfiletest.Run(t, func(t *testing.T) (logfile.Source, logfiletest.Feeder) {
				w := newWriter(t, filepath.Join(t.TempDir(), "app.log"))
				l, done := runSet(t, w.path)
				t.Cleanup(done)
				return l, logfiletest.Feeder{Append: w.raw, End: func() { end(w) }}
			})
		})
	}
}

// Notify is Wait without a goroutine: one call for each, however often it changes.
func TestNotify(t *testing.T) {
	w := newWriter(t, filepath.Join(t.TempDir(), "app.log"))
	l, done := runSet(t, w.path)
	defer done()
	calls := make(chan uint64, 100)
	for range 3 {
		seq := l.Stat().Seq
		l.Notify(seq, func() { calls <- seq })
		select {
		case <-calls:
			t.Fatalf("called before anything has changed since %d", seq)
		default:
		}
		w.raw([]byte("line\n"))
		if got := <-calls; got != seq {
			t.Errorf("the call is of %d, want %d", got, seq)
		}
		l.Notify(seq, func() { calls <- seq }) // behind already: at once
		<-calls
	}
	w.raw([]byte("more\n"))
	for l.Stat().Current.Size != 20 {
	}
	if len(calls) > 0 {
		t.Errorf("%d calls more", len(calls))
	}
}

func TestWriterIsASource(t *testing.T) {
	logfiletest.Run(t, func(t *testing.T) (logfile.Source, logfiletest.Feeder) {
		w := openWriter(t, filepath.Join(t.TempDir(), "out"), 0)
		return w, logfiletest.Feeder{
			Append: func(b []byte) {
				_, err := w.Write(b)
				must(t, err)
				must(t, w.Commit())
			},
			End: func() { must(t, w.Close()) },
		}
	})
}

// Where a file was, and how it was named, does not matter to those who have it
// open: Name is the log's, Gen.Path the file's.
func TestGenPath(t *testing.T) {
	w := newWriter(t, filepath.Join(t.TempDir(), "app.log"))
	w.write(9)
	l, done := runSet(t, w.path)
	defer done()
	gen := l.Stat().Current.ID
	w.rotate()
	eventually(t, "the file's new name is known", func() bool {
		g := l.Stat().Find(gen)
		return g != nil && g.Path == w.path+".1"
	})
	if got, want := l.Name(), w.path; got != want {
		t.Errorf("Name() = %q, want %q", got, want)
	}
	must(t, os.Remove(w.path+".1"))
	eventually(t, "the file is in no directory", func() bool {
		g := l.Stat().Find(gen)
		return g == nil || g.Path == "" && !g.Readable
	})
}

// Who reads whatever appears may see a log only after it was rotated: nothing
// that it had since it joined is missed. What was beside it before is not his.
func TestFromJoined(t *testing.T) {
	w := newWriter(t, filepath.Join(t.TempDir(), "app.log"))
	w.write(9)
	w.rotate()
	begin := len(w.contents())
	l, done := runSet(t, w.path)
	defer done()
	for range 3 {
		w.write(9)
		w.rotate()
	}
	w.write(9)
	want := bytes.Join(w.contents()[begin-1:], nil)
	eventually(t, "the rotations are known", func() bool { return len(l.Stat().Old) >= 1+3 })
	f := logfile.Follow(l, logfile.FromJoined)
	defer f.Close()
	var got []byte
	for len(got) < len(want) {
		b := make([]byte, len(want))
		span, err := f.Read(t.Context(), b)
		if err != nil && !errors.Is(err, logfile.ErrEnded) {
			t.Fatalf("Read() after %d bytes: %v", len(got), err)
		}
		got = append(got, b[:span.N]...)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("FromJoined: %d bytes %.40q, want %d bytes %.40q", len(got), got, len(want), want)
	}
	if pos := logfile.FromStart.Resolve(l.Stat()); pos.Gen != l.Stat().Current.ID {
		t.Errorf("FromStart is %v, want the current generation", pos)
	}
}

// A file that was away and came back is one file for who asks for a byte of it,
// and two parts with another between them for who follows the log.
func TestFromByte(t *testing.T) {
	dir := t.TempDir()
	ws := []*refWriter{newWriter(t, filepath.Join(dir, "a.txt")), newWriter(t, filepath.Join(dir, "b.txt"))}
	path := filepath.Join(dir, "app.log")
	for _, w := range ws {
		w.write(3)
	}
	must(t, os.Symlink(ws[0].path, path))
	l, done := runSet(t, path)
	defer done()
	at := logfile.Pos{Gen: l.Stat().Current.ID, Off: l.Stat().Current.Size}
	for _, i := range []int{1, 0} {
		must(t, os.Symlink(ws[i].path, path+".new"))
		must(t, os.Rename(path+".new", path))
		eventually(t, "the link is switched", func() bool {
			cur := l.Stat().Current
			return cur != nil && cur.Path == ws[i].path
		})
	}
	if got := l.Stat().Current.ID; got != at.Gen {
		t.Fatalf("the file is generation %s when it comes back, want %s", got, at.Gen)
	}
	for name, from := range map[string]logfile.From{
		"FromByte": logfile.FromByte(at), "FromOffset": logfile.FromOffset(at.Off), "FromEnd": logfile.FromEnd,
	} {
		f := logfile.Follow(l, from)
		defer f.Close()
		if span, ok, err := f.Ready(); ok || err != nil {
			t.Errorf("%s: %v, %v, want nothing yet", name, span, err)
		}
	}
	f := logfile.Follow(l, logfile.FromPos(at))
	defer f.Close()
	var end *logfile.Ended
	if _, err := f.Next(t.Context()); !errors.As(err, &end) || end.Next.Gen == at.Gen {
		t.Errorf("FromPos: %v, want the end of a part, and the other file next", err)
	}
}
