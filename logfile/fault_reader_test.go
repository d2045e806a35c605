package logfile_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/logfile"
)

// A reader is what the follower of one log was given, over all processes that
// followed it, and the judge of it.
type reader struct {
	t     *testing.T
	path  string
	moves bool // generations come to it from other logs, with bytes these had

	mu      sync.Mutex // guards what follows
	changed chan struct{}
	gens    []*delivered // by their first byte
	ends    []*logfile.Ended
	errs    []string // what could not be read, each once
	wrong   []string // what must never be
	trace   []string
	stand   stand
}

// delivered is what came of one generation, or a piece of it.
type delivered struct {
	id    logfile.GenID
	start int64 // where it began: above 0 if another log had the bytes before
	bytes []byte
	late  int // how many of them came as late ones
}

func (d *delivered) end() int64 { return d.start + int64(len(d.bytes)) }

func newReader(t *testing.T, path string) *reader {
	return &reader{t: t, path: path, changed: make(chan struct{})}
}

// take judges what needs no knowledge of what was written: every byte of a
// generation comes once, in order, and none after a later generation began,
// unless it is said to be late.
func (r *reader) take(it item) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.announce()
	switch {
	case it.Stand != nil:
		r.stand = *it.Stand
	case it.Ended != nil:
		r.note("%v, next %s:%d", it.Ended, it.Ended.Next.Gen.Short(), it.Ended.Next.Off)
		r.ends = append(r.ends, it.Ended)
	case it.Err != "":
		if !slices.Contains(r.errs, it.Err) {
			r.note("error %s", it.Err)
			r.errs = append(r.errs, it.Err)
		}
	default:
		r.takeBytes(it)
	}
}

func (r *reader) takeBytes(it item) {
	r.note("%s[%d,%d) late %v", it.Gen.Short(), it.Off, it.Off+int64(len(it.Bytes)), it.Late)
	d := r.find(it.Gen)
	if d == nil || r.moves && it.Off != d.end() {
		d = &delivered{id: it.Gen}
		if r.moves {
			d.start = it.Off
		}
		r.gens = append(r.gens, d)
	}
	if it.Off != d.end() {
		r.blame("generation %s: got byte %d after byte %d", it.Gen.Short(), it.Off, d.end())
	}
	if !it.Late && !r.moves && r.gens[len(r.gens)-1] != d && !r.isBackAt(it.Gen, it.Off) {
		r.blame("generation %s: went on at %d after a later one had begun, and not as late", it.Gen.Short(), it.Off)
	}
	if it.Late {
		d.late += len(it.Bytes)
	}
	d.bytes = append(d.bytes, it.Bytes...)
}

// isBackAt says that the end of the generation before led there: the file was
// away, and is at the log's path again.
func (r *reader) isBackAt(id logfile.GenID, off int64) bool {
	return len(r.ends) > 0 && r.ends[len(r.ends)-1].Next == logfile.Pos{Gen: id, Off: off}
}

// find returns what came last of a generation.
func (r *reader) find(id logfile.GenID) *delivered {
	for _, d := range slices.Backward(r.gens) {
		if d.id == id {
			return d
		}
	}
	return nil
}

func (r *reader) blame(format string, args ...any) {
	r.wrong = append(r.wrong, fmt.Sprintf(format, args...))
}

// note keeps the newest lines of what happened, for a failure.
func (r *reader) note(format string, args ...any) {
	const enough = 20
	if len(r.trace) == enough {
		r.trace = r.trace[1:]
	}
	r.trace = append(r.trace, fmt.Sprintf(format, args...))
}

func (r *reader) announce() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// await waits until holds, which is asked with r.mu held.
func (r *reader) await(what string, holds func() bool) {
	r.t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		r.mu.Lock()
		ok, wrong, changed := holds(), len(r.wrong) > 0, r.changed
		r.mu.Unlock()
		switch {
		case wrong:
			r.t.Fatalf("%s: reading it went wrong\n%s", what, r.dump())
		case ok:
			return
		}
		select {
		case <-changed:
		case <-r.t.Context().Done():
			r.t.Fatalf("%s: the test ended first\n%s", what, r.dump())
		case <-late.C:
			r.t.Fatalf("%s: not within %v\n%s", what, patience, r.dump())
		}
	}
}

// awaitBytes waits until n bytes came in all.
func (r *reader) awaitBytes(n int) {
	r.t.Helper()
	r.await(fmt.Sprintf("%d bytes of %s", n, r.path), func() bool { return r.total() >= n })
}

func (r *reader) total() (n int) {
	for _, d := range r.gens {
		n += len(d.bytes)
	}
	return n
}

// awaitEnd waits for the end number n, from 0.
func (r *reader) awaitEnd(n int) *logfile.Ended {
	r.t.Helper()
	r.await(fmt.Sprintf("end %d of a generation of %s", n, r.path), func() bool { return len(r.ends) > n })
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ends[n]
}

// expect waits until exactly want was delivered, generation by generation.
// Generations without a byte are left out of both.
func (r *reader) expect(want ...[]byte) {
	r.t.Helper()
	want = withoutEmpty(want)
	r.await(fmt.Sprintf("all of %s", r.path), func() bool {
		if diff := r.excess(want); diff != "" {
			r.blame("%s", diff)
		}
		return len(r.wrong) == 0 && r.complete(want)
	})
}

func withoutEmpty(all [][]byte) (some [][]byte) {
	for _, b := range all {
		if len(b) > 0 {
			some = append(some, b)
		}
	}
	return some
}

func (r *reader) complete(want [][]byte) bool {
	if len(r.gens) != len(want) {
		return false
	}
	for i, d := range r.gens {
		if len(d.bytes) != len(want[i]) {
			return false
		}
	}
	return true
}

// excess names the first thing delivered that was not wanted.
func (r *reader) excess(want [][]byte) string {
	for i, d := range r.gens {
		switch {
		case i >= len(want):
			return fmt.Sprintf("generation %d of %d: unwanted: %s", i, len(want), glimpse(d.bytes))
		case !bytes.HasPrefix(want[i], d.bytes):
			at := 0
			for at < min(len(d.bytes), len(want[i])) && d.bytes[at] == want[i][at] {
				at++
			}
			return fmt.Sprintf("generation %d of %d: got %d bytes, want %d; they differ at %d: got %s, want %s",
				i, len(want), len(d.bytes), len(want[i]), at, glimpse(d.bytes[at:]), glimpse(want[i][at:]))
		}
	}
	return ""
}

func glimpse(b []byte) string {
	if len(b) > 40 {
		return fmt.Sprintf("%.40q...", b)
	}
	return fmt.Sprintf("%q", b)
}

// dump is all that helps to understand a failure.
func (r *reader) dump() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, w := range r.wrong {
		fmt.Fprintf(&b, "wrong: %s\n", w)
	}
	for i, d := range r.gens {
		if i < 20 || i >= len(r.gens)-3 {
			fmt.Fprintf(&b, "got %d: %s, [%d,%d), %d late: %s\n", i, d.id.Short(), d.start, d.end(), d.late, glimpse(d.bytes))
		}
	}
	fmt.Fprintf(&b, "lately: %s", strings.Join(r.trace, "; "))
	return b.String()
}

// lost returns what was said to be lost, in order.
func (r *reader) lost() (ranges []logfile.Range) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.ends {
		if e.Lost.Len() > 0 {
			ranges = append(ranges, e.Lost)
		}
	}
	return ranges
}

// late returns how many bytes of each generation came as late ones.
func (r *reader) late() (n []int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range r.gens {
		n = append(n, d.late)
	}
	return n
}
