package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fairlead/replica"
)

// A failing seam makes operations of one kind fail.
type failing struct {
	op  string
	err error
	n   int // how often it did
}

func (f *failing) around(op, _ string, do func() error) error {
	if op == f.op {
		f.n++
		return f.err
	}
	return do()
}

// After a failed fsync the copy is back at what is committed, on another
// descriptor. After three in a row it is left alone for a while.
func TestF27SyncFails(t *testing.T) {
	f := &failing{}
	now := clock
	s := opened(t, quick(t), Options{logSize: -1, around: f.around, Now: func() time.Time { return now }})
	x := shipped(t, s, id(1), "a", []byte("abc"))
	other := shipped(t, s, id(2), "b", []byte("abc"))
	f.op, f.err = "sync", syscall.EIO
	for i := range maxFailures {
		before := x.c.(*file).f
		must(t, x.write([]byte("lost")))
		wantBusy(t, x.sync(), "input/output error")
		if _, err := before.Stat(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("the descriptor is still open: %v", err)
		}
		n := f.n
		if err := x.sync(); err == nil || f.n != n {
			t.Errorf("synced again: %v, %d times", err, f.n-n)
		}
		if err := x.commit(replica.Open); err == nil {
			t.Error("what could not be synced was committed")
		}
		again, err := try(s, id(1), "a")
		if i < maxFailures-1 {
			must(t, err)
			x = again
			if got := tree(t, s)["web1/a"]; got != "abc" || x.rec.N != 3 {
				t.Errorf("opened again the copy is %q", got)
			}
			continue
		}
		wantBusy(t, err, "3 fsyncs in a row failed")
	}
	if ps := s.Problems(); len(ps) != 1 {
		t.Errorf("the problems are %v", ps)
	}
	f.op = ""
	must(t, other.grow([]byte("def")))
	now = now.Add(2 * retryRefused)
	must(t, start(t, s, id(1), "a").grow([]byte("def")))
	audited(t, s)
}

// A write, cut or directory that cannot be made durable for want of room is no
// reason to stop.
func TestF26WriteFails(t *testing.T) {
	for _, cause := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		f := &failing{err: &os.PathError{Op: "write", Path: "a", Err: cause}}
		s := opened(t, quick(t), Options{logSize: -1, around: f.around})
		x := shipped(t, s, id(1), "a", []byte("abc"))
		for _, op := range []string{"write", "sync"} {
			f.op = op
			err := x.write([]byte("def"))
			if op == "sync" {
				must(t, err)
				err = x.sync()
			}
			wantBusy(t, err, "")
		}
		for _, op := range []string{"mkdir", "create"} {
			f.op = op
			_, err := try(s, id(2), "new/dir")
			wantBusy(t, err, "")
		}
		f.op = ""
		must(t, start(t, s, id(1), "a").grow([]byte("def")))
		must(t, start(t, s, id(2), "new/dir").grow([]byte("def")))
		audited(t, s)
	}
	f := &failing{op: "write", err: syscall.EIO}
	s := opened(t, quick(t), Options{around: f.around})
	err := start(t, s, id(1), "a").write([]byte("x"))
	var busy *replica.BusyError
	if !errors.Is(err, syscall.EIO) || errors.As(err, &busy) {
		t.Errorf("write on a broken disk = %v, want EIO", err)
	}
}

// A directory that cannot be synced ends the store: whether a file is there cannot
// be known any more.
func TestF27DirectorySyncFails(t *testing.T) {
	f := &failing{err: syscall.EIO}
	s := opened(t, quick(t), Options{around: f.around})
	x := start(t, s, id(1), "a")
	must(t, x.write([]byte("x")))
	f.op = "syncdir"
	if err := x.sync(); !errors.Is(err, ErrStopped) {
		t.Errorf("Sync() = %v, want ErrStopped", err)
	}
}

// All of a batch is in doubt if the file system could not be synced.
func TestF27SyncfsFails(t *testing.T) {
	f := &failing{err: syscall.EIO}
	s := opened(t, quick(t), Options{around: f.around})
	if !s.tells {
		t.Skip("syncfs does not tell of errors here")
	}
	var copies []replica.Copy
	for i := range maxSyncs + 1 {
		x := id(1)
		x.Gen[2] = byte(i)
		c := start(t, s, x, fmt.Sprint(i))
		must(t, c.write([]byte("x")))
		copies = append(copies, c.c)
	}
	f.op = "syncfs"
	for _, err := range s.Sync(copies) {
		wantBusy(t, err, "input/output error")
	}
	if f.n != 1 {
		t.Errorf("syncfs was called %d times", f.n)
	}
}

// A rename that cannot be had does not keep the next generation from its sender.
func TestEndFails(t *testing.T) {
	f := &failing{}
	s := opened(t, quick(t), Options{around: f.around})
	shipped(t, s, id(1), "a", []byte("one"))
	f.op, f.err = "rename", syscall.EPERM
	must(t, s.End(id(1), clock))
	f.op = ""
	shipped(t, s, id(2), "a", []byte("two"))
	files := tree(t, s)
	if files["web1/a"] != "one" || files["web1/a.22222222"] != "two" || len(s.Problems()) != 2 {
		t.Errorf("the store has %q, problems %v", files, s.Problems())
	}
	if rec := found(t, s, id(1)); !rec.Ended.Equal(clock) {
		t.Errorf("it ended at %v", rec.Ended)
	}
	audited(t, s)
}

// Where the system has no rename that spares what is there, a link does it.
func TestRenameByLink(t *testing.T) {
	s := opened(t, quick(t), Options{})
	shipped(t, s, id(1), "a", []byte("one"))
	shipped(t, s, id(2), "b", []byte("two"))
	if err := s.disk.RenameByLink("web1/a", "web1/b"); !errors.Is(err, os.ErrExist) {
		t.Errorf("RenameByLink over a file = %v, want ErrExist", err)
	}
	must(t, s.disk.RenameByLink("web1/a", "web1/c"))
	wantNames(t, s, "web1/b", "web1/c")
}

// A kill between link and unlink leaves both names; the next start removes one.
func TestF29LinkedTwice(t *testing.T) {
	f := &failing{op: "none"}
	s := opened(t, quick(t), Options{around: f.around})
	x := shipped(t, s, id(1), "a", []byte("one"))
	r, err := s.record(id(1))
	must(t, err)
	i := &intent{id: id(1), what: end, from: "web1/a", ended: clock, to: "web1/a-20260301T120000Z.11111111"}
	must(t, s.change(change{old: r, new: r, intent: i}))
	must(t, x.c.Close())
	must(t, os.Link(filepath.Join(s.disk.Path, i.from), filepath.Join(s.disk.Path, i.to)))
	s = reopened(t, s, Options{})
	wantNames(t, s, i.to)
	audited(t, s)
}

// After a kill behind the rename somebody put a file at the old name: it is left
// alone.
func TestF29NameTakenAfterKill(t *testing.T) {
	s := opened(t, quick(t), Options{})
	x := shipped(t, s, id(1), "a", []byte("one"))
	r, err := s.record(id(1))
	must(t, err)
	i := &intent{id: id(1), what: end, from: "web1/a", ended: clock, to: "web1/a-20260301T120000Z.11111111"}
	must(t, s.change(change{old: r, new: r, intent: i}))
	must(t, x.c.Close())
	must(t, s.disk.Rename(i.from, i.to))
	must(t, os.WriteFile(filepath.Join(s.disk.Path, i.from), []byte("theirs"), 0o600))
	s = reopened(t, s, Options{})
	files := tree(t, s)
	if files["web1/a"] != "theirs" || files[i.to] != "one" {
		t.Errorf("the store has %q", files)
	}
	audited(t, s)
}

// A mend that is interrupted is finished when the copy is opened next: what was good
// is not looked for again.
func TestF33MendInterrupted(t *testing.T) {
	for fails := 1; fails <= 2; fails++ {
		renames := 0
		s := opened(t, quick(t), Options{around: func(op, _ string, do func() error) error {
			if op == "rename" {
				if renames++; renames == fails {
					return syscall.EPERM
				}
			}
			return do()
		}})
		p := text(1, 2*leaf+5)
		x := shipped(t, s, id(1), "a", p)
		must(t, x.c.Close())
		flip(t, x.path(t), leaf+5)
		flip(t, x.path(t), 2*leaf+1)
		_, err := try(s, id(1), "a")
		wantBusy(t, err, "operation not permitted")
		x = start(t, s, id(1), "a")
		if x.rec.N != leaf || len(tree(t, s)) != 2 {
			t.Errorf("rename %d: %d bytes are kept, want %d; the store has %q", fails, x.rec.N, leaf, names(tree(t, s)))
		}
		must(t, x.grow(p[leaf:]))
		audited(t, s)
	}
}

// What a sender may have is counted, over a restart too, and given back.
func TestT11Quota(t *testing.T) {
	o := Options{Keep: time.Hour, Quota: func(sender string) Quota {
		if sender == "web1" {
			return Quota{Bytes: 100, Files: 2}
		}
		return Quota{}
	}}
	s := opened(t, quick(t), o)
	x := shipped(t, s, id(1), "a", text(1, 60))
	must(t, x.write(text(1, 40)))
	wantBusy(t, x.write([]byte("x")), "quota of web1 is used up: 100 of 100 bytes")
	must(t, x.c.Truncate(90))
	must(t, x.c.Close())
	x = start(t, s, id(1), "a") // back at 60
	must(t, x.grow(text(1, 40)))
	wantBusy(t, x.write([]byte("x")), "100 of 100 bytes")
	s = reopened(t, s, o)
	x = start(t, s, id(1), "a")
	wantBusy(t, x.write([]byte("x")), "100 of 100 bytes")
	must(t, shipped(t, s, replica.ID{Sender: "web2", Gen: gen(1)}, "a", text(1, 200)).c.Close())
	shipped(t, s, id(2), "b", nil)
	_, err := try(s, id(3), "c")
	wantBusy(t, err, "2 of 2 files")
	must(t, s.End(id(1), clock))
	must(t, x.commit(replica.Sealed))
	if rs, err := s.Prune(clock.Add(2 * time.Hour)); err != nil || len(rs) != 1 {
		t.Fatalf("Prune() = %v, %v", rs, err)
	}
	must(t, start(t, s, id(3), "c").grow(text(1, 100)))
	if u := s.limits.senders["web1"]; u.bytes != 100 || u.pending != 0 || u.files != 2 {
		t.Errorf("the usage is %+v", *u)
	}
}

// Many senders at once: what is counted and kept agrees in the end.
func TestF41AtOnce(t *testing.T) {
	s := opened(t, quick(t), Options{MaxOpen: 8})
	var wg sync.WaitGroup
	for n := range 16 {
		wg.Go(func() {
			for i := range 6 {
				x := replica.ID{Sender: fmt.Sprintf("web%d", n%3), Gen: gen(byte(n))}
				x.Gen[1] = byte(i)
				c, err := try(s, x, fmt.Sprintf("log/%d", n%4))
				for err == nil && c.tree.N() < 3000 {
					err = c.grow(text(uint64(n*i), 500))
				}
				if err == nil && i%2 == 0 {
					err = s.End(x, clock)
				}
				if err == nil && i%3 == 0 {
					err = c.c.Close()
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	audited(t, s)
	if st := s.Stats(); st.Copies[replica.Open] != 96 || st.Bytes != 96*3000 {
		t.Errorf("Stats() = %+v, want 96 copies of 3000 bytes", st)
	}
	for sender, u := range s.limits.senders {
		if u.pending != 0 {
			t.Errorf("%s has %d bytes pending", sender, u.pending)
		}
	}
}

// Whole ended copies are removed, those that ended first, and their records stay.
func TestT11Prune(t *testing.T) {
	for _, c := range []struct {
		name string
		o    Options
		want string // the copies that are pruned
	}{
		{"no limit", Options{}, ""},
		{"by age", Options{Keep: 3*time.Hour - time.Minute}, "12"},
		{"by bytes", Options{KeepBytes: 25}, "12"},
		{"by bytes, all", Options{KeepBytes: 1}, "1234"},
		{"by both", Options{Keep: 3*time.Hour - time.Minute, KeepBytes: 15}, "123"},
	} {
		s := opened(t, quick(t), c.o)
		for _, n := range []byte{3, 1, 4, 2} {
			sealedCopy(t, s, id(n), "a", text(uint64(n), 10), clock.Add(time.Duration(n)*time.Hour))
		}
		shipped(t, s, id(5), "a", text(5, 1000)) // it may grow
		must(t, s.End(id(5), clock))
		shipped(t, s, id(6), "a", text(6, 1000))
		rs, err := s.Prune(clock.Add(5 * time.Hour))
		must(t, err)
		got := ""
		for _, r := range rs {
			got += r.Gen.String()[:1]
		}
		if got != c.want || len(tree(t, s)) != 6-len(got) {
			t.Errorf("%s: pruned %q, want %q; left %q", c.name, got, c.want, names(tree(t, s)))
		}
		audited(t, s)
		s = reopened(t, s, c.o)
		for _, r := range rs {
			rec := found(t, s, r.ID)
			if rec.State != replica.Pruned || rec.N != 10 || rec.Seal.Proof == (replica.Hash{}) {
				t.Errorf("%s: the record is %+v", c.name, rec)
			}
			_, err := try(s, r.ID, "a")
			wantBusy(t, err, "pruned")
		}
		if len(s.Problems()) > 0 {
			t.Errorf("%s: problems %v", c.name, s.Problems())
		}
		if again, err := s.Prune(clock.Add(5 * time.Hour)); err != nil || len(again) != 0 {
			t.Errorf("%s: Prune() again = %v, %v", c.name, again, err)
		}
		if rs, err := s.Under("web1", []string{"a"}, replica.Head{}, 9); err != nil || len(rs) != 6-len(got) {
			t.Errorf("%s: Under() = %d records, %v", c.name, len(rs), err)
		}
		audited(t, s)
	}
}

// Who reads a copy may finish, though it is pruned.
func TestT11PruneWhileRead(t *testing.T) {
	s := opened(t, quick(t), Options{Keep: time.Hour})
	sealedCopy(t, s, id(1), "a", []byte("abcdef"), clock)
	x := start(t, s, id(1), "a")
	f, err := os.Open(x.path(t))
	must(t, err)
	defer f.Close()
	if rs, err := s.Prune(clock.Add(2 * time.Hour)); err != nil || len(rs) != 1 {
		t.Fatalf("Prune() = %v, %v", rs, err)
	}
	b := make([]byte, 6)
	if _, err := f.ReadAt(b, 0); err != nil || string(b) != "abcdef" {
		t.Errorf("ReadAt() = %q, %v", b, err)
	}
	_, err = x.c.ReadAt(b, 0)
	wantBusy(t, err, "pruned")
	wantNames(t, s)
}

// What a leaf has on disk can be asked for, and samples are taken.
func TestRehash(t *testing.T) {
	s := opened(t, quick(t), Options{})
	x := shipped(t, s, id(1), "dir/a", text(1, 4*replica.LeafSize+1))
	shipped(t, s, id(2), "dirs/a", text(2, 10))
	flip(t, x.path(t), 2*replica.LeafSize)
	leaves := x.tree.Leaves()
	hashes, err := s.Rehash(id(1), 1, 1<<60)
	must(t, err)
	if len(hashes) != 4 || hashes[0] != leaves[1] || hashes[1] == leaves[2] || hashes[2] != leaves[3] || hashes[3] != x.tree.Rest() {
		t.Errorf("Rehash() = %v, want the leaves %v, but for the second, and the rest", hashes, leaves[1:])
	}
	for _, first := range []int64{-1, 5, 1 << 60} {
		if hashes, err := s.Rehash(id(1), first, 3); err != nil || len(hashes) != 0 {
			t.Errorf("Rehash(%d) = %v, %v, want none", first, hashes, err)
		}
	}
	if _, err := s.Rehash(id(9), 0, 1); err == nil {
		t.Error("Rehash of no copy = nil")
	}
	for _, c := range []struct {
		sel    Sel
		faults int
		bytes  int64
	}{
		{Sel{Full: true}, 1, 4*replica.LeafSize + 11},
		{Sel{Full: true, Path: []string{"dir"}}, 1, 4*replica.LeafSize + 1},
		{Sel{Full: true, Path: []string{"dirs"}}, 0, 10},
		{Sel{Full: true, Sender: "web2"}, 0, 0},
		{Sel{Rate: 1e-9}, 0, 11},
		{Sel{Rate: 1}, 1, 4*replica.LeafSize + 11},
	} {
		var p Progress
		faults := 0
		for fault, err := range s.Verify(t.Context(), c.sel, func(now Progress) { p = now }) {
			must(t, err)
			if faults++; fault.Leaf != 2 || !strings.HasSuffix(fault.File, "web1/dir/a") || fault.Rec.ID != id(1) {
				t.Errorf("%+v: fault %+v", c.sel, fault)
			}
		}
		if faults != c.faults || p.Bytes != c.bytes {
			t.Errorf("%+v: %d faults in %d bytes, want %d in %d", c.sel, faults, p.Bytes, c.faults, c.bytes)
		}
	}
}
