package logfiletest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/logfile"
)

// A Feeder writes to the source under test. When a call returns, what it did
// has happened; the source may learn of it later.
type Feeder struct {
	Append func(b []byte)
	End    func() // ends the current generation; another may follow
}

// Run tests a source. open makes a new one, with one empty generation or none
// yet, for each of the tests, and ends it with the test.
func Run(t *testing.T, open func(t *testing.T) (logfile.Source, Feeder)) {
	for name, test := range map[string]func(*testing.T, logfile.Source, Feeder){
		"Name":          name,
		"Stat":          stat,
		"Wait":          wait,
		"WaitEnds":      waitEnds,
		"ReadAt":        readAt,
		"ReadAtNothing": readAtNothing,
		"ReadAtOften":   readAtOften,
		"End":           end,
		"EndBehind":     endBehind,
		"Followers":     followers,
		"BeyondTheEnd":  beyondTheEnd,
	} {
		t.Run(name, func(t *testing.T) {
			src, feed := open(t)
			test(t, src, feed)
		})
	}
}

// limit bounds every wait.
const limit = 30 * time.Second

func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// await returns the first Stat for which ok holds.
func await(t *testing.T, src logfile.Source, what string, ok func(logfile.Stat) bool) logfile.Stat {
	t.Helper()
	ctx := bounded(t)
	for {
		st := src.Stat()
		if ok(st) {
			return st
		}
		if err := src.Wait(ctx, st.Seq); err != nil {
			t.Fatalf("wait for %s: %v; Stat() = %s", what, err, describe(st))
		}
	}
}

// awaitSize waits for a current generation of n bytes or more.
func awaitSize(t *testing.T, src logfile.Source, n int64) logfile.Stat {
	t.Helper()
	return await(t, src, fmt.Sprintf("%d bytes", n), func(st logfile.Stat) bool { return st.Current != nil && st.Current.Size >= n })
}

func describe(st logfile.Stat) string {
	var b strings.Builder
	fmt.Fprintf(&b, "seq %d, error %v", st.Seq, st.Err)
	for _, g := range append(append([]*logfile.Gen(nil), st.Old...), st.Current) {
		if g != nil {
			fmt.Fprintf(&b, "; %+v", *g)
		}
	}
	return b.String()
}

func name(t *testing.T, src logfile.Source, feed Feeder) {
	before := src.Name()
	feed.Append([]byte("x"))
	awaitSize(t, src, 1)
	if got := src.Name(); got != before || !strings.Contains(got, "/") && !strings.Contains(got, `\`) {
		t.Errorf("Name() = %q, then %q, want one path", before, got)
	}
}

// A Stat never changes, and another one has another Seq.
func stat(t *testing.T, src logfile.Source, feed Feeder) {
	feed.Append([]byte("12345"))
	st := awaitSize(t, src, 5)
	g := *st.Current
	switch {
	case g.ID.IsZero(), g.Size != 5, !g.Readable, g.Final, g.End != nil, st.Err != nil:
		t.Errorf("Stat() = %s, want 5 readable bytes", describe(st))
	case st.Find(g.ID) != st.Current:
		t.Errorf("Find(%v) is not the current generation", g.ID)
	case st.Find(logfile.NewGenID()) != nil:
		t.Error("Find() of an id of nobody is not nil")
	}
	feed.Append([]byte("67890"))
	later := awaitSize(t, src, 10)
	if *st.Current != g {
		t.Errorf("an earlier Stat's generation became %+v, was %+v", *st.Current, g)
	}
	if later.Seq == st.Seq || later.Current.ID != g.ID {
		t.Errorf("Stat() = %s after %s, want another Seq and the same generation", describe(later), describe(st))
	}
	if again := src.Stat(); again.Seq == later.Seq && *again.Current != *later.Current {
		t.Errorf("two Stats with Seq %d differ: %s and %s", later.Seq, describe(later), describe(again))
	}
}

// Wait returns at once for a Seq that is past, and wakes all who wait.
func wait(t *testing.T, src logfile.Source, feed Feeder) {
	before := src.Stat().Seq
	feed.Append([]byte("x"))
	st := awaitSize(t, src, 1)
	ctx := bounded(t)
	if err := src.Wait(ctx, before); err != nil {
		t.Errorf("Wait(a past Seq) = %v, want nil", err)
	}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for seq := st.Seq; ; { // some wake-ups may be for less
				if err := src.Wait(ctx, seq); err != nil {
					t.Errorf("Wait(%d) = %v, want nil", seq, err)
					return
				}
				now := src.Stat()
				if now.Current != nil && now.Current.Size == 2 {
					return
				}
				seq = now.Seq
			}
		})
	}
	feed.Append([]byte("y"))
	wg.Wait()
}

// Wait ends with its context.
func waitEnds(t *testing.T, src logfile.Source, feed Feeder) {
	feed.Append([]byte("x"))
	awaitSize(t, src, 1)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		for {
			if err := src.Wait(ctx, src.Stat().Seq); err != nil {
				ended <- err
				return
			}
		}
	}()
	cancel()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Wait() = %v, want %v", err, context.Canceled)
		}
	case <-time.After(limit):
		t.Fatalf("Wait() did not end within %v after its context", limit)
	}
}

// Every byte can be read at its offset, and no byte beyond the end.
func readAt(t *testing.T, src logfile.Source, feed Feeder) {
	content := []byte("0123456789 any byte: \x00\xff\r\n%s, to the end")
	feed.Append(content)
	gen := awaitSize(t, src, int64(len(content))).Current.ID
	for off := 0; off <= len(content)+1; off++ {
		for _, size := range []int{1, 2, 7, len(content), 10_000} {
			p := make([]byte, size)
			n, err := src.ReadAt(bounded(t), p, logfile.Pos{Gen: gen, Off: int64(off)})
			if off >= len(content) {
				if n != 0 || err != io.EOF {
					t.Fatalf("ReadAt(%d bytes at %d) = %d, %v, want 0, %v", size, off, n, err, io.EOF)
				}
				continue
			}
			if err != nil || n < 1 || !bytes.HasPrefix(content[off:], p[:n]) {
				t.Fatalf("ReadAt(%d bytes at %d) = %d, %v: %q", size, off, n, err, p[:n])
			}
		}
	}
}

// A generation that nobody knows has ended, and a context that has, ends a read.
func readAtNothing(t *testing.T, src logfile.Source, feed Feeder) {
	feed.Append([]byte("x"))
	st := awaitSize(t, src, 1)
	unknown := logfile.NewGenID()
	var e *logfile.Ended
	if n, err := src.ReadAt(bounded(t), make([]byte, 1), logfile.Pos{Gen: unknown}); n != 0 || !errors.As(err, &e) || e.Gen != unknown || e.Reason != logfile.Forgotten {
		t.Errorf("ReadAt(unknown generation) = %d, %v, want %v", n, err, logfile.Forgotten)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if n, err := src.ReadAt(ctx, make([]byte, 1), logfile.Pos{Gen: st.Current.ID}); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("ReadAt() with an ended context = %d, %v, want %v", n, err, context.Canceled)
	}
}

// Many read while it is written: each sees a beginning of what is there in the
// end.
func readAtOften(t *testing.T, src logfile.Source, feed Feeder) {
	const records = 200
	var content []byte
	for i := range records {
		content = fmt.Appendf(content, "record %d\n", i)
	}
	feed.Append(content[:1])
	gen := awaitSize(t, src, 1).Current.ID
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { readBeginnings(t, src, gen, content) })
	}
	for rest := content[1:]; len(rest) > 0; {
		n := min(len(rest), 11)
		feed.Append(rest[:n])
		rest = rest[n:]
	}
	wg.Wait()
}

func readBeginnings(t *testing.T, src logfile.Source, gen logfile.GenID, content []byte) {
	ctx := bounded(t)
	buf := make([]byte, len(content)+1)
	for {
		seq := src.Stat().Seq
		n, err := src.ReadAt(ctx, buf, logfile.Pos{Gen: gen})
		if err != nil || !bytes.HasPrefix(content, buf[:n]) {
			t.Errorf("ReadAt(0) = %d, %v: %q, want a beginning of what is written", n, err, buf[:n])
			return
		}
		if n == len(content) {
			return
		}
		if err := src.Wait(ctx, seq); err != nil {
			t.Errorf("Wait() = %v after %d of %d bytes", err, n, len(content))
			return
		}
	}
}

// A reader that has read all is told the end, once.
func end(t *testing.T, src logfile.Source, feed Feeder) {
	feed.Append([]byte("all there is"))
	st := awaitSize(t, src, 12)
	f := logfile.Follow(src, logfile.FromStart)
	defer f.Close()
	got, err := follow(bounded(t), f, 12)
	if err != nil || string(got) != "all there is" {
		t.Fatalf("read %q, %v", got, err)
	}
	feed.End()
	_, err = f.Next(bounded(t))
	var e *logfile.Ended
	if !errors.As(err, &e) || e.Gen != st.Current.ID || e.At != 12 || e.Lost.Len() != 0 || e.Reason == 0 {
		t.Fatalf("Next() at the end = %v, want *Ended at 12 with a reason and nothing lost", err)
	}
	ended := await(t, src, "the end", func(st logfile.Stat) bool { g := st.Find(e.Gen); return g == nil || g.End != nil })
	if ended.Current != nil && ended.Current.ID == e.Gen {
		t.Errorf("Stat() = %s, want another current generation than the ended one", describe(ended))
	}
	if span, ok, err := f.Ready(); ok {
		t.Errorf("Ready() after the end = %+v, %v, want nothing", span, err)
	}
}

// A reader that is behind when a generation ends is given the rest of it, or is
// told what of it is lost.
func endBehind(t *testing.T, src logfile.Source, feed Feeder) {
	content := bytes.Repeat([]byte("0123456789"), 100)
	feed.Append(content)
	awaitSize(t, src, int64(len(content)))
	f := logfile.Follow(src, logfile.FromStart)
	defer f.Close()
	got, err := follow(bounded(t), f, 100)
	if err != nil {
		t.Fatal(err)
	}
	feed.End()
	rest, err := follow(bounded(t), f, len(content))
	var e *logfile.Ended
	if !errors.As(err, &e) {
		t.Fatalf("read %d bytes, then %v, want *Ended", len(rest), err)
	}
	got = append(got, rest...)
	if !bytes.HasPrefix(content, got) || int64(len(got))+e.Lost.Len() != int64(len(content)) {
		t.Errorf("read %d bytes and %+v was lost, want %d together", len(got), e.Lost, len(content))
	}
	if e.Lost.Len() > 0 && e.Lost != (logfile.Range{From: int64(len(got)), To: int64(len(content))}) {
		t.Errorf("lost %+v, want from %d to %d", e.Lost, len(got), len(content))
	}
}

// follow reads at most n bytes, or up to an error.
func follow(ctx context.Context, f *logfile.Follower, n int) (got []byte, err error) {
	buf := make([]byte, 64)
	for len(got) < n {
		span, err := f.Read(ctx, buf[:min(len(buf), n-len(got))])
		if err != nil {
			return got, err
		}
		got = append(got, buf[:span.N]...)
	}
	return got, nil
}

// Followers from anywhere are each given all that is behind it.
func followers(t *testing.T, src logfile.Source, feed Feeder) {
	var content []byte
	for i := range 100 {
		content = fmt.Appendf(content, "line %d\n", i)
	}
	half := len(content) / 2
	feed.Append(content[:half])
	awaitSize(t, src, int64(half))
	froms := map[string]int{"start": 0, "end": half, "5": 5, "-5": half - 5, "-100000": 0}
	var wg sync.WaitGroup
	for text, off := range froms {
		from, err := logfile.ParseFrom(text)
		if err != nil {
			t.Fatal(err)
		}
		f := logfile.Follow(src, from)
		wg.Go(func() {
			defer f.Close()
			got, err := follow(bounded(t), f, len(content)-off)
			if err != nil || !bytes.Equal(got, content[off:]) {
				t.Errorf("from %s: read %d bytes, %v, want %d", text, len(got), err, len(content)-off)
			}
			if got, want := f.Pos().Off, int64(len(content)); got != want {
				t.Errorf("from %s: Pos() at %d, want %d", text, got, want)
			}
		})
	}
	for rest := content[half:]; len(rest) > 0; rest = rest[min(len(rest), 13):] {
		feed.Append(rest[:min(len(rest), 13)])
	}
	wg.Wait()
}

// A follower that begins beyond the end waits until the file has grown past it.
func beyondTheEnd(t *testing.T, src logfile.Source, feed Feeder) {
	feed.Append([]byte("01234"))
	awaitSize(t, src, 5)
	f := logfile.Follow(src, logfile.FromOffset(10))
	defer f.Close()
	for _, piece := range []string{"56", "789"} {
		feed.Append([]byte(piece))
	}
	awaitSize(t, src, 10)
	if span, ok, err := f.Ready(); ok {
		t.Errorf("Ready() at the end = %+v, %v, want nothing", span, err)
	}
	feed.Append([]byte("abc"))
	if got, err := follow(bounded(t), f, 3); err != nil || string(got) != "abc" {
		t.Errorf("read %q, %v, want what is behind byte 10", got, err)
	}
}
