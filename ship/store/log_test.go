package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"fairlead/replica"
)

// A fleet is copies that grow together, as a receiver has them.
type fleet struct {
	s  *Store
	xs []*sender
}

// fleetID is the id of the i-th copy of a fleet.
func fleetID(i int) replica.ID {
	x := id(byte(1 + i%9))
	x.Gen[1] = byte(i)
	return x
}

// sail begins n copies, or goes on with them: the first commit of each is done.
func sail(t testing.TB, s *Store, n int) *fleet {
	t.Helper()
	f := &fleet{s: s}
	for i := range n {
		x := start(t, s, fleetID(i), fmt.Sprintf("log/%d", i))
		must(t, x.grow([]byte("begun\n")))
		f.xs = append(f.xs, x)
	}
	return f
}

// grow adds bytes to all with one Sync and one Commit.
func (f *fleet) grow(p []byte) error {
	var copies []replica.Copy
	var updates []replica.Update
	for _, x := range f.xs {
		if err := x.write(p); err != nil {
			return err
		}
		copies, updates = append(copies, x.c), append(updates, x.update(replica.Open))
	}
	if err := errors.Join(f.s.Sync(copies)...); err != nil {
		return err
	}
	if err := f.s.Commit(updates); err != nil {
		return err
	}
	for i, x := range f.xs {
		x.n += len(updates[i].Leaves)
	}
	return nil
}

// killed ends a store as a kill does, and opens it again.
func killed(t testing.TB, s *Store, o Options) *Store {
	t.Helper()
	err := ErrStopped
	s.stopped.CompareAndSwap(nil, &err)
	must(t, s.Close())
	return opened(t, s.disk.Path, o)
}

// wantPending checks of how many copies the log has what the journal has not.
func wantPending(t testing.TB, s *Store, what string, want int) {
	t.Helper()
	if got := len(s.log.pending); got != want {
		t.Errorf("%s: %d copies are pending in the log, want %d", what, got, want)
	}
}

// recorder is a seam that notes operations.
type recorder struct {
	mu  sync.Mutex
	ops []string
}

func (r *recorder) around(op, _ string, do func() error) error {
	r.mu.Lock()
	r.ops = append(r.ops, op)
	r.mu.Unlock()
	return do()
}

func (r *recorder) taken() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	ops := strings.Join(r.ops, " ")
	r.ops = nil
	return ops
}

// What a round of appends costs: a little takes one sync, however many copies grow.
func TestLogIsOneSync(t *testing.T) {
	r := &recorder{}
	s := opened(t, quick(t), Options{around: r.around})
	f := sail(t, s, 3)
	must(t, f.grow([]byte("x")))
	r.taken()
	for _, c := range []struct {
		what string
		do   func() error
		want string
	}{
		{"a line each", func() error { return f.grow([]byte("a line\n")) }, "write write write log synclog"},
		{"nothing", func() error { return f.grow(nil) }, "write write write"},
		{"one copy", func() error { return f.xs[0].grow([]byte("a line\n")) }, "write log synclog"},
		{"what is too much", func() error { return f.xs[1].grow(text(1, maxDeferred+1)) }, "write sync sync sync commit"},
		{"a line each again", func() error { return f.grow([]byte("a line\n")) }, "write write write log synclog"},
		{"a look at a record", func() error { _, _, _, err := s.Find(fleetID(0)); return err }, "sync sync sync commit"},
		{"another look", func() error { _, _, _, err := s.Find(fleetID(0)); return err }, ""},
		{"a seal", func() error { return errors.Join(f.xs[2].grow([]byte("y")), f.xs[2].commit(replica.Sealed)) }, "write log synclog sync commit"},
	} {
		must(t, c.do())
		if got := r.taken(); got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
	audited(t, s)
}

// What only the log has is there after a kill, byte for byte, and is told of.
func TestF29LogReplayed(t *testing.T) {
	for _, round := range []int{3, 700, 240_000} {
		dir := quick(t)
		s := opened(t, dir, Options{})
		f := sail(t, s, 3)
		for i := range 20 {
			must(t, f.grow(text(uint64(i), round/3)))
		}
		wantPending(t, s, "grown", 3)
		told := make(map[replica.ID]int64)
		s = killed(t, s, Options{Told: func(rec replica.Record, _ string) { told[rec.ID] = rec.N }})
		wantPending(t, s, "opened again", 0)
		for _, x := range f.xs {
			if n := found(t, s, x.id).N; n != x.tree.N() || told[x.id] != n {
				t.Errorf("copy %s has %d bytes, and %d were told of, want %d", x.id.Gen.Short(), n, told[x.id], x.tree.N())
			}
		}
		if st := s.Stats(); st.Bytes != 3*f.xs[0].tree.N() {
			t.Errorf("Stats() = %d bytes, want %d", st.Bytes, 3*f.xs[0].tree.N())
		}
		audited(t, s)
		f = sail(t, s, 3)
		must(t, f.grow([]byte("and on")))
		s = reopened(t, s, Options{logSize: -1})
		audited(t, s)
	}
}

// Whoever asks the journal is told what the log has.
func TestLogIsSeen(t *testing.T) {
	newest := int64(len("begun\nxnew"))
	for name, look := range map[string]func(s *Store, x *sender) (int64, error){
		"Find": func(s *Store, x *sender) (int64, error) {
			rec, _, _, err := s.Find(x.id)
			return rec.N, err
		},
		"Under": func(s *Store, x *sender) (int64, error) {
			rs, err := s.Under("web1", []string{"log", "0"}, replica.Head{}, 9)
			return rs[0].N, err
		},
		"All": func(s *Store, x *sender) (n int64, err error) {
			for rec := range s.All {
				n = rec.N
			}
			return n, nil
		},
		"Rehash": func(s *Store, x *sender) (int64, error) {
			hashes, err := s.Rehash(x.id, 0, 1)
			if len(hashes) != 1 || hashes[0] != x.tree.Rest() {
				return 0, err
			}
			return newest, err
		},
		"Open": func(s *Store, x *sender) (int64, error) {
			again, err := try(s, x.id, "log/0")
			return again.rec.N, err
		},
		"another path": func(s *Store, x *sender) (int64, error) {
			again, err := try(s, x.id, "log/0.1")
			return again.rec.N, err
		},
		"End": func(s *Store, x *sender) (int64, error) {
			err := s.End(x.id, clock)
			r, _ := s.journal.record(x.id)
			return r.N, err
		},
		"Close of the copy": func(s *Store, x *sender) (int64, error) {
			err := x.c.Close()
			if n := len(s.log.pending); n == 1 && !s.log.pending[x.id].v.has(newest) {
				return 0, err
			}
			r, err1 := s.record(x.id)
			return r.N, errors.Join(err, err1)
		},
		"Close": func(s *Store, x *sender) (int64, error) {
			err := s.Close()
			s, err1 := Open(s.disk.Path, Options{logSize: -1})
			if err1 != nil {
				return 0, err1
			}
			defer s.Close()
			r, err1 := s.record(x.id)
			return r.N, errors.Join(err, err1)
		},
		"a seal": func(s *Store, x *sender) (int64, error) {
			err := x.commit(replica.Sealed)
			r, _ := s.journal.record(x.id)
			return r.N, err
		},
		"a new copy": func(s *Store, x *sender) (int64, error) {
			_, err := try(s, id(7), "log/0")
			r, _ := s.journal.record(x.id)
			return r.N, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := opened(t, quick(t), Options{})
			f := sail(t, s, 1)
			must(t, f.grow([]byte("x")))
			must(t, f.grow([]byte("new")))
			wantPending(t, s, "grown", 1)
			if n, err := look(s, f.xs[0]); n != newest || err != nil {
				t.Errorf("it has %d bytes, %v, want %d", n, err, newest)
			}
			if !s.closed.Load() {
				audited(t, s)
			}
		})
	}
}

// A log that is full begins anew, as often as it takes, and nothing is lost.
func TestLogFull(t *testing.T) {
	r := &recorder{}
	o := Options{logSize: 2 << 10, around: r.around}
	s := opened(t, quick(t), o)
	f := sail(t, s, 3)
	r.taken()
	for i := range 100 {
		must(t, f.grow(text(uint64(i), 64)))
	}
	commits := strings.Count(r.taken(), "commit")
	if commits < 10 || commits > 40 {
		t.Errorf("%d commits of the journal for 100 rounds, want one for some of them", commits)
	}
	must(t, f.xs[0].grow(text(1, 3000))) // more than the log ever takes
	must(t, f.grow([]byte("x")))
	s = killed(t, s, o)
	for _, x := range f.xs {
		if n := found(t, s, x.id).N; n != x.tree.N() {
			t.Errorf("copy %s has %d bytes, want %d", x.id.Gen.Short(), n, x.tree.N())
		}
	}
	audited(t, s)
}

// What is pending holds no more descriptors than the store may have.
func TestF41LogOfManyCopies(t *testing.T) {
	o := Options{MaxOpen: 4}
	s := opened(t, quick(t), o)
	f := sail(t, s, 10)
	for i := range 30 {
		must(t, f.xs[i%10].grow(text(uint64(i), 50)))
		if n := len(s.log.pending); n > 4 {
			t.Fatalf("%d copies are pending", n)
		}
		if n := s.Stats().Open; n > 5 {
			t.Fatalf("%d descriptors", n)
		}
	}
	s = killed(t, s, o)
	audited(t, s)
	for _, x := range f.xs {
		if n := found(t, s, x.id).N; n != x.tree.N() {
			t.Errorf("copy %s has %d bytes, want %d", x.id.Gen.Short(), n, x.tree.N())
		}
	}
}

// forged returns a record of the log.
func forged(t testing.TB, epoch, number uint64, id replica.ID, off int64, p []byte) []byte {
	t.Helper()
	whole := &replica.Tree{}
	whole.Write([]byte("begun\n"))
	whole.Write(p)
	old := &record{Record: replica.Record{ID: id, N: off}}
	next := &record{Record: replica.Record{ID: id, N: off + int64(len(p)), Rest: whole.Rest()}}
	at := bytes.NewReader(append(make([]byte, off), p...))
	b, err := appendEntry(make([]byte, logHeader), &change{old: old, new: next}, at)
	must(t, err)
	header{uint32(len(b) - logHeader), epoch, number}.put(b)
	return sealed(nil, b)
}

// Only records of the journal's epoch count, in order, from the first on; and of them
// only what continues a copy.
func TestF31LogWhatCounts(t *testing.T) {
	const off = int64(len("begun\n"))
	flipped := func(b []byte, at int) []byte {
		b = slices.Clone(b)
		b[(at+len(b))%len(b)] ^= 1
		return b
	}
	one := func(epoch uint64) []byte { return forged(t, epoch, 1, fleetID(0), off, []byte("one")) }
	unknown := id(8)
	for _, c := range []struct {
		name string
		log  func(epoch uint64) []byte
		want string // what is behind the first line
	}{
		{"nothing", func(uint64) []byte { return nil }, ""},
		{"a record", one, "one"},
		{"two", func(e uint64) []byte { return append(one(e), forged(t, e, 2, fleetID(0), off, []byte("one"))...) }, "one"},
		{"garbage", func(uint64) []byte { return text(1, 500) }, ""},
		{"garbage behind", func(e uint64) []byte { return append(one(e), text(1, 500)...) }, "one"},
		{"a record behind a hole", func(e uint64) []byte { return append(make([]byte, 512), one(e)...) }, ""},
		{"another epoch", func(e uint64) []byte { return one(e + 1) }, ""},
		{"epoch 0", func(uint64) []byte { return one(0) }, ""},
		{"another number", func(e uint64) []byte { return forged(t, e, 2, fleetID(0), off, []byte("one")) }, ""},
		{"a number twice", func(e uint64) []byte { return append(one(e), one(e)...) }, "one"},
		{"an epoch behind another", func(e uint64) []byte { return append(one(e+1), one(e)...) }, ""},
		{"wrong checksum", func(e uint64) []byte { return flipped(one(e), -1) }, ""},
		{"wrong byte", func(e uint64) []byte { return flipped(one(e), logHeader+30) }, ""},
		{"wrong magic", func(e uint64) []byte { return flipped(one(e), 0) }, ""},
		{"torn", func(e uint64) []byte { return one(e)[:50] }, ""},
		{"longer than the log", func(e uint64) []byte { return flipped(one(e), 8) }, ""},
		{"an unknown copy", func(e uint64) []byte { return forged(t, e, 1, unknown, off, []byte("one")) }, ""},
		{"an offset behind", func(e uint64) []byte { return forged(t, e, 1, fleetID(0), off+1, []byte("one")) }, ""},
		{"an offset before", func(e uint64) []byte { return forged(t, e, 1, fleetID(0), off-1, []byte("one")) }, ""},
		{"a sealed copy", func(e uint64) []byte { return forged(t, e, 1, fleetID(1), off, []byte("one")) }, ""},
		{"of two only the good one", func(e uint64) []byte {
			return append(forged(t, e, 1, unknown, off, []byte("one")), forged(t, e, 2, fleetID(0), off, []byte("two"))...)
		}, "two"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := opened(t, quick(t), Options{})
			f := sail(t, s, 2)
			must(t, f.xs[1].commit(replica.Sealed))
			log := c.log(s.log.epoch)
			must(t, s.Close())
			must(t, os.WriteFile(filepath.Join(s.disk.Path, ownDir, logName), log, 0o600))
			// Twice: a log that was replayed counts for nothing.
			for range 2 {
				s = opened(t, s.disk.Path, Options{})
				if got := tree(t, s)["web1/log/0"]; got != "begun\n"+c.want {
					t.Errorf("the copy is %q, want %q", got, "begun\n"+c.want)
				}
				if got := tree(t, s)["web1/log/1"]; got != "begun\n" {
					t.Errorf("the other is %q", got)
				}
				audited(t, s)
				must(t, s.Close())
			}
		})
	}
}

// A copy whose file is gone, or lacks what is before the bytes of the log, is mended.
func TestF33LogOfDamagedFile(t *testing.T) {
	for name, hurt := range map[string]func(path string) error{
		"missing":   os.Remove,
		"shorter":   func(path string) error { return os.Truncate(path, 3) },
		"a symlink": func(path string) error { return errors.Join(os.Remove(path), os.Symlink("/etc/passwd", path)) },
	} {
		t.Run(name, func(t *testing.T) {
			s := opened(t, quick(t), Options{})
			f := sail(t, s, 2)
			must(t, f.grow([]byte("x")))
			must(t, f.grow([]byte("y")))
			path := f.xs[0].path(t)
			must(t, f.grow([]byte("z")))
			must(t, hurt(path))
			s = killed(t, s, Options{})
			if n := found(t, s, fleetID(1)).N; n != 9 {
				t.Errorf("the copy beside it has %d bytes, want 9", n)
			}
			x, err := try(s, fleetID(0), "log/0")
			if name == "a symlink" {
				wantBusy(t, err, "symlink")
				return
			}
			must(t, err)
			if x.rec.N != 0 {
				t.Errorf("%d bytes are good, want none", x.rec.N)
			}
			must(t, x.grow([]byte("all again")))
			audited(t, s)
		})
	}
}

// A store of a version without a log is opened, and one whose log is gone.
func TestLogOfAnotherVersion(t *testing.T) {
	s := opened(t, quick(t), Options{logSize: -1})
	f := sail(t, s, 2)
	must(t, f.grow([]byte("x")))
	if epoch, err := s.journal.epoch(); epoch != 0 || err != nil {
		t.Errorf("without a log the epoch is %d, %v", epoch, err)
	}
	s = reopened(t, s, Options{})
	must(t, sail(t, s, 2).grow([]byte("y")))
	must(t, s.Close())
	must(t, os.Remove(filepath.Join(s.disk.Path, ownDir, logName)))
	s = opened(t, s.disk.Path, Options{})
	must(t, sail(t, s, 2).grow([]byte("z")))
	s = killed(t, s, Options{logSize: -1}) // it is read all the same
	if got := tree(t, s)["web1/log/1"]; got != "begun\nxbegun\nybegun\nz" {
		t.Errorf("the copy is %q", got)
	}
	audited(t, s)
}

// A journal that was made anew knows nothing of the log.
func TestF33LogOfLostJournal(t *testing.T) {
	s := opened(t, quick(t), Options{})
	f := sail(t, s, 2)
	must(t, f.grow([]byte("x")))
	must(t, f.grow([]byte("y")))
	dir := s.disk.Path
	must(t, os.Remove(filepath.Join(dir, ownDir, journalName)))
	s = killed(t, s, Options{})
	for _, p := range s.Problems() {
		if strings.Contains(p.What, "the log has") {
			t.Errorf("problem: %s", p.What)
		}
	}
	if got := tree(t, s)["web1/log/0"]; got != "begun\nxy" {
		t.Errorf("the copy is %q", got)
	}
	audited(t, s)
}

// An error of the log, or of a sync of what only the log has, ends the store. What was
// acknowledged is there at the next start.
func TestF27LogFails(t *testing.T) {
	for _, c := range []struct {
		name, op string
		do       func(s *Store, f *fleet) error
		stops    bool // with an error of do
	}{
		{"write", "log", func(_ *Store, f *fleet) error { return f.grow([]byte("lost")) }, true},
		{"sync", "synclog", func(_ *Store, f *fleet) error { return f.grow([]byte("lost")) }, true},
		{"sync of a file before a look", "sync", func(s *Store, _ *fleet) error { _, _, _, err := s.Find(fleetID(0)); return err }, true},
		{"sync of more", "sync", func(_ *Store, f *fleet) error { return f.xs[0].grow(text(1, maxDeferred+1)) }, true},
		{"sync at the close of a copy", "sync", func(s *Store, f *fleet) error { return errors.Join(f.xs[0].c.Close(), s.alive()) }, true},
		{"sync at Close", "sync", func(s *Store, _ *fleet) error { return s.Close() }, false},
		{"journal", "commit", func(s *Store, _ *fleet) error {
			_, err := s.Under("web1", []string{"a"}, replica.Head{}, 1)
			return err
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			fail := &failing{err: syscall.EIO}
			s := opened(t, quick(t), Options{around: fail.around})
			f := sail(t, s, 2)
			must(t, f.grow([]byte("x")))
			must(t, f.grow([]byte("acknowledged")))
			wantPending(t, s, "grown", 2)
			acked := f.xs[0].tree.N()
			fail.op = c.op
			err := c.do(s, f)
			if !errors.Is(err, ErrStopped) && c.stops || err == nil {
				t.Errorf("it is %v, want ErrStopped", err)
			}
			n := fail.n
			if err := f.grow([]byte("no")); !errors.Is(err, ErrStopped) || fail.n != n {
				t.Errorf("afterwards it is %v, and %d operations were tried again", err, fail.n-n)
			}
			s.Close()
			s = opened(t, s.disk.Path, Options{})
			for _, x := range f.xs {
				if n := found(t, s, x.id).N; n < acked {
					t.Errorf("the copy has %d bytes, and %d were acknowledged", n, acked)
				}
			}
			audited(t, s)
		})
	}
}

// A journal that has no room refuses what needs it, and what the log has stays there.
func TestF26LogStays(t *testing.T) {
	fail := &failing{err: &os.PathError{Op: "write", Path: journalName, Err: syscall.ENOSPC}}
	s := opened(t, quick(t), Options{around: fail.around})
	f := sail(t, s, 2)
	must(t, f.grow([]byte("x")))
	for range 2 {
		must(t, f.grow([]byte("in the log")))
		fail.op = "commit"
		_, _, _, err := s.Find(fleetID(0))
		wantBusy(t, err, "no space")
		wantPending(t, s, "refused", 2)
		must(t, f.grow([]byte("and more")))
		fail.op = ""
	}
	s = killed(t, s, Options{})
	for _, x := range f.xs {
		if n := found(t, s, x.id).N; n != x.tree.N() {
			t.Errorf("the copy has %d bytes, want %d", n, x.tree.N())
		}
	}
	audited(t, s)
}

// What Sync has deferred is synced if a commit of the journal names it, and the copy
// alone is refused if that fails.
func TestF27DeferredSyncFails(t *testing.T) {
	fail := &failing{err: syscall.EIO}
	s := opened(t, quick(t), Options{around: fail.around})
	f := sail(t, s, 1)
	x := f.xs[0]
	must(t, x.write([]byte("lost")))
	must(t, x.sync())
	fail.op = "sync"
	wantBusy(t, x.commit(replica.Sealed), "input/output error")
	if err := x.commit(replica.Sealed); err == nil {
		t.Error("what could not be synced was committed")
	}
	fail.op = ""
	x = start(t, s, fleetID(0), "log/0")
	if x.rec.N != 6 {
		t.Errorf("it has %d bytes, want 6", x.rec.N)
	}
	must(t, x.grow([]byte("more")))
	audited(t, s)
}

// After a syncfs that failed files are synced one by one: the next one would say that
// all is well.
func TestF27SyncfsFailsWithLog(t *testing.T) {
	fail := &failing{err: syscall.EIO}
	s := opened(t, quick(t), Options{around: fail.around})
	f := sail(t, s, maxSyncs+1)
	must(t, f.grow([]byte("x")))
	must(t, f.grow([]byte("in the log")))
	wantPending(t, s, "grown", maxSyncs+1)
	fail.op = "syncfs"
	if _, _, _, err := s.Find(fleetID(0)); !errors.Is(err, ErrStopped) {
		t.Errorf("Find() = %v, want ErrStopped", err)
	}
	if s.tells || fail.n != 1 {
		t.Errorf("syncfs was tried %d times, and will be again", fail.n)
	}
	s = killed(t, s, Options{})
	audited(t, s)
}

// A copy that is closed between Sync and Commit is durable all the same, and one that
// is cut is not committed.
func TestLogBetweenSyncAndCommit(t *testing.T) {
	s := opened(t, quick(t), Options{})
	f := sail(t, s, 2)
	must(t, f.grow([]byte("x")))
	for i, between := range []func(c replica.Copy) error{
		func(c replica.Copy) error { return c.Close() },
		func(c replica.Copy) error { return c.Truncate(8) },
	} {
		x := f.xs[i]
		must(t, x.write([]byte("deferred")))
		must(t, x.sync())
		must(t, between(x.c))
		err := x.commit(replica.Open)
		if i == 0 {
			must(t, err)
		} else {
			wantBusy(t, err, "only 8 bytes are durable")
		}
	}
	s = killed(t, s, Options{})
	if a, b := found(t, s, fleetID(0)).N, found(t, s, fleetID(1)).N; a != 15 || b != 7 {
		t.Errorf("the copies have %d and %d bytes, want 15 and 7", a, b)
	}
	audited(t, s)
}

// Many at once, with a log that is soon full, and others who look meanwhile.
func TestF41LogAtOnce(t *testing.T) {
	o := Options{logSize: 4 << 10, MaxOpen: 8}
	s := opened(t, quick(t), o)
	var wg, looking sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		looking.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				for range s.All {
				}
				_, _, _, err := s.Find(fleetID(3))
				_, err1 := s.Prune(clock)
				if err := errors.Join(err, err1); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for n := range 12 {
		wg.Go(func() {
			for range 3 {
				x, err := try(s, fleetID(n), fmt.Sprintf("log/%d", n))
				for i := 0; err == nil && i < 30; i++ {
					err = x.grow(text(uint64(n), 100))
				}
				if err == nil {
					err = x.c.Close()
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	close(done)
	looking.Wait()
	s = killed(t, s, o)
	if st := s.Stats(); st.Bytes != 12*3*30*100 {
		t.Errorf("Stats() = %+v", st)
	}
	for sender, u := range s.limits.senders {
		if u.pending != 0 {
			t.Errorf("%s has %d bytes pending", sender, u.pending)
		}
	}
	audited(t, s)
}

// FuzzLog: a parser of whatever a log may have ends, says no more than the bytes do, and
// gives back what was written.
func FuzzLog(f *testing.F) {
	f.Add(forged(f, 1, 1, id(1), 7, []byte("abc")), uint64(1))
	f.Add(append(forged(f, 5, 1, id(1), replica.LeafSize-2, nil), forged(f, 5, 2, id(2), 0, []byte("x"))...), uint64(5))
	f.Add([]byte(logMagic), uint64(0))
	f.Fuzz(func(t *testing.T, payload []byte, epoch uint64) {
		sum := 0
		for _, e := range parseLog(payload, epoch) {
			sum += len(e.bytes) + len(e.id.Sender) + 32*len(e.leaves)
		}
		// The same as the payload of a record with a right checksum.
		b := append(make([]byte, logHeader), payload...)
		header{uint32(len(payload)), max(1, epoch), 1}.put(b)
		again := make([]byte, logHeader)
		for _, e := range parseLog(sealed(nil, b), max(1, epoch)) {
			sum += len(e.bytes) + len(e.id.Sender) + 32*len(e.leaves)
			again = binary.AppendUvarint(again, uint64(len(e.id.Sender)))
			again = append(append(again, e.id.Sender...), e.id.Gen[:]...)
			again = binary.AppendUvarint(binary.AppendUvarint(again, uint64(e.off)), uint64(len(e.bytes)))
			again = append(append(again, e.bytes...), e.rest[:]...)
			for _, leaf := range e.leaves {
				again = append(again, leaf[:]...)
			}
			if n := e.end()/replica.LeafSize - e.off/replica.LeafSize; n != int64(len(e.leaves)) {
				t.Errorf("%d leaves for the bytes from %d to %d", len(e.leaves), e.off, e.end())
			}
		}
		if sum > 2*len(payload) {
			t.Errorf("%d bytes of %d", sum, len(payload))
		}
		if len(again)-logHeader > len(payload)+10 {
			t.Errorf("%d bytes of entries in a payload of %d", len(again)-logHeader, len(payload))
		}
	})
}

// While files are synced their descriptors stay, whoever wants room for others; and what
// could not be synced is never synced again.
func TestF27SyncKeepsDescriptors(t *testing.T) {
	var s *Store
	fail := &failing{err: syscall.EIO}
	s = opened(t, quick(t), Options{around: func(op, name string, do func() error) error {
		if op == "sync" {
			s.cache.trim(0)
		}
		return fail.around(op, name, do)
	}})
	f := sail(t, s, 2*atOnce)
	var files []*file
	var fs []*os.File
	for _, x := range f.xs {
		must(t, x.write([]byte("x")))
		v := x.c.(*file)
		files, fs = append(files, v), append(fs, v.f)
	}
	must(t, errors.Join(s.makeDurable(files)...))
	for i, f := range fs {
		if _, err := f.Stat(); err != nil {
			t.Errorf("file %d: %v", i, err)
		}
	}
	must(t, f.xs[0].write([]byte("y")))
	fail.op = "sync"
	for range 2 {
		if err := s.makeDurable(files[:1])[0]; !errors.Is(err, syscall.EIO) || fail.n != 1 {
			t.Errorf("makeDurable() = %v after %d syncs, want EIO after one", err, fail.n)
		}
	}
}
