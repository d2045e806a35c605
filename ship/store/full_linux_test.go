package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fairlead/replica"
)

// small mounts a file system of a few MiB.
func small(t testing.TB, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("mount a small tmpfs: %v (it needs root)", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// isBusy fails on any other error.
func isBusy(t testing.TB, err error) bool {
	t.Helper()
	var busy *replica.BusyError
	if err != nil && !errors.As(err, &busy) {
		t.Fatalf("on a full disk: %v, want a BusyError", err)
	}
	return err != nil
}

// A disk that is filled and freed at random costs time and nothing else: no error
// but BUSY, no byte acknowledged that is not there, and it goes on by itself.
func TestF26DiskFull(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			dir := small(t, "size=8m")
			random := rand.New(rand.NewPCG(seed, 3))
			o := Options{HighWater: 2} // never: so that writing finds out
			s := opened(t, filepath.Join(dir, "store"), o)
			ballast := filepath.Join(dir, "ballast")
			bytes := map[replica.ID][]byte{}
			busy, grown := 0, 0
			for i := range 400 {
				switch random.IntN(8) {
				case 0: // somebody else fills the disk, or nearly
					must(t, errors.Join(os.RemoveAll(ballast), fill(ballast, random.IntN(3)*5000)))
				case 1:
					must(t, os.RemoveAll(ballast))
				}
				x := id(byte(random.IntN(5)))
				x.Gen[5] = byte(i / 100)
				c, err := try(s, x, fmt.Sprintf("log/%x/%d", x.Gen[0], x.Gen[5]))
				if isBusy(t, err) {
					busy++
					continue
				}
				if c.rec.N != int64(len(bytes[x])) {
					t.Fatalf("step %d: %d bytes, and %d were acknowledged", i, c.rec.N, len(bytes[x]))
				}
				p := text(uint64(i), random.IntN(20_000))
				err = c.grow(p)
				if err != nil {
					_ = c.c.Truncate(c.rec.N)
				}
				if !isBusy(t, err) {
					bytes[x] = append(bytes[x], p...)
					grown++
				} else {
					busy++
				}
				must(t, c.c.Close())
				if random.IntN(50) == 0 {
					must(t, s.Close())
					os.RemoveAll(ballast)
					s = opened(t, filepath.Join(dir, "store"), o)
				}
			}
			must(t, os.RemoveAll(ballast))
			audited(t, s)
			if busy == 0 || grown == 0 {
				t.Errorf("%d times busy, %d times not: the disk was not filled and freed", busy, grown)
			}
			for x, want := range bytes {
				if rec, _, _, err := s.Find(x); err != nil || rec.N != int64(len(want)) {
					t.Errorf("%x has %d bytes, want %d: %v", x.Gen[0], rec.N, len(want), err)
				}
				c, err := try(s, x, fmt.Sprintf("log/%x/%d", x.Gen[0], x.Gen[5]))
				must(t, err)
				got := make([]byte, len(want))
				if _, err := c.c.ReadAt(got, 0); err != nil && len(got) > 0 || string(got) != string(want) {
					t.Errorf("%x has other bytes: %v", x.Gen[0], err)
				}
			}
		})
	}
}

// fill writes until there is no room, and gives back a little.
func fill(name string, back int) error {
	f, err := os.Create(name)
	if err != nil {
		return nil // not even that
	}
	defer f.Close()
	b := make([]byte, 4096)
	n := int64(0)
	for {
		k, err := f.Write(b)
		if n += int64(k); err != nil {
			return f.Truncate(max(0, n-int64(back)))
		}
	}
}

// Without inodes new copies have to wait, and others go on.
func TestF26NoInodes(t *testing.T) {
	dir := small(t, "size=8m,nr_inodes=30")
	s := opened(t, dir, Options{})
	first := shipped(t, s, id(1), "a", []byte("x"))
	busy := false
	for i := 0; i < 40 && !busy; i++ {
		x := id(2)
		x.Gen[1] = byte(i)
		c, err := try(s, x, fmt.Sprintf("d%d/a", i))
		if busy = isBusy(t, err); !busy {
			must(t, c.c.Close())
		}
	}
	if !busy {
		t.Error("there were inodes for all")
	}
	must(t, first.grow([]byte("y")))
	for i := range 4 {
		must(t, os.RemoveAll(filepath.Join(dir, "web1", fmt.Sprint("d", i))))
	}
	must(t, shipped(t, s, id(3), "new/dir/a", []byte("z")).grow([]byte("z")))
}

// Above the high-water mark nothing is accepted, and what is there stays.
func TestT11HighWater(t *testing.T) {
	dir := small(t, "size=8m")
	now := clock
	o := Options{HighWater: 0.5, logSize: -1}
	o.Now = func() time.Time { return now }
	s := opened(t, dir, o)
	x := shipped(t, s, id(1), "a", text(1, 1<<20))
	must(t, os.WriteFile(filepath.Join(dir, "ballast"), make([]byte, 4<<20), 0o600))
	must(t, x.grow([]byte("within a second it is not noticed")))
	now = now.Add(retryAgain)
	err := x.write([]byte("x"))
	wantBusy(t, err, "the store's disk is ")
	wantBusy(t, err, "% full; above 50 % nothing is accepted")
	_, err = try(s, id(2), "b")
	wantBusy(t, err, "above 50 %")
	must(t, s.End(id(1), clock))
	must(t, os.Remove(filepath.Join(dir, "ballast")))
	now = now.Add(retryAgain)
	must(t, x.grow([]byte("x")))
	if st := s.Stats(); st.Size != 8<<20 || st.Busy == 0 || strings.Contains(fmt.Sprint(s.Problems()), "full") {
		t.Errorf("Stats() = %+v, problems %v", st, s.Problems())
	}
}

// A limit of descriptors, or of the size of files, is no error of the store.
func TestF26Limits(t *testing.T) {
	s := opened(t, quick(t), Options{})
	x := shipped(t, s, id(1), "a", []byte("x"))
	must(t, x.c.Close())
	var was unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &was))
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: was.Max}))
	_, err := try(s, id(1), "a")
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &was))
	wantBusy(t, err, "descriptors")
	must(t, start(t, s, id(1), "a").grow([]byte("y")))
}

// A store on a file system whose names are short: they are cut, and differ.
func TestLongNames(t *testing.T) {
	s := opened(t, quick(t), Options{})
	s.disk.Max = 210
	path := strings.Repeat("é", 100)
	for i := range byte(3) {
		shipped(t, s, id(i+1), path, []byte{'a' + i})
	}
	for name := range tree(t, s) {
		if len(filepath.Base(name)) > 210 {
			t.Errorf("a name of %d bytes", len(filepath.Base(name)))
		}
	}
	if n := len(tree(t, s)); n != 3 {
		t.Errorf("%d files, want 3", n)
	}
	audited(t, s)
}

// On a disk without a byte left pruning makes room.
func TestF26PruneWhenFull(t *testing.T) {
	dir := small(t, "size=8m")
	s := opened(t, filepath.Join(dir, "store"), Options{Keep: time.Hour, HighWater: 2})
	for i := range 60 {
		x := id(1)
		x.Gen[1] = byte(i)
		sealedCopy(t, s, x, fmt.Sprint("log", i), text(uint64(i), 20_000), clock)
	}
	must(t, fill(filepath.Join(dir, "ballast"), 0))
	var err error
	for i := 0; !isBusy(t, err); i++ { // until the journal's room is used up as well
		x := id(2)
		x.Gen[1], x.Gen[2] = byte(i), byte(i>>8)
		var c *sender
		if c, err = try(s, x, fmt.Sprint("new", i)); err == nil {
			must(t, c.c.Close())
		}
	}
	rs, err := s.Prune(clock.Add(2 * time.Hour))
	if err != nil || len(rs) != 60 {
		t.Errorf("Prune() = %d records, %v, want 60", len(rs), err)
	}
	shipped(t, s, id(3), "last", text(1, 100_000))
	audited(t, s)
}

// That there is no room for a commit is known before it begins, and all that pruning
// needs is left.
func TestF26Reserve(t *testing.T) {
	dir := small(t, "size=8m")
	commits := 0
	s := opened(t, filepath.Join(dir, "store"), Options{HighWater: 2, around: func(op, _ string, do func() error) error {
		if op == "commit" {
			commits++
		}
		return do()
	}})
	must(t, fill(filepath.Join(dir, "ballast"), 0))
	var err error
	before := 0
	for i := 0; !isBusy(t, err); i++ {
		before = commits
		x := id(2)
		x.Gen[1], x.Gen[2] = byte(i), byte(i>>8)
		err = s.change(change{new: &record{file: fmt.Sprint("web1/", i), Record: replica.Record{ID: x, Path: []string{fmt.Sprint(i)}}}})
	}
	if commits != before {
		t.Errorf("%d commits failed, want none begun", commits-before)
	}
	fi, err := s.journal.file.Stat()
	must(t, err)
	if left := fi.Size() - s.journal.used; left < reserve/2 {
		t.Errorf("%d bytes of the journal's room are left, want about %d", left, reserve)
	}
}

// Where there is no room for a log there is none, until there is.
func TestF26NoRoomForLog(t *testing.T) {
	dir := small(t, "size=4m")
	o := Options{HighWater: 2}
	s := opened(t, filepath.Join(dir, "store"), o)
	if s.log != nil {
		t.Fatal("there is a log of 4 MiB on a disk of 4 MiB")
	}
	must(t, unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, "size=16m"))
	must(t, sail(t, s, 2).grow([]byte("x")))
	s = reopened(t, s, o)
	if s.log == nil {
		t.Fatal("there is room, and no log")
	}
	f := sail(t, s, 2)
	must(t, f.grow([]byte("y")))
	wantPending(t, s, "grown", 2)
	s = killed(t, s, o)
	if got := tree(t, s)["web1/log/1"]; got != "begun\nxbegun\ny" {
		t.Errorf("the copy is %q", got)
	}
	audited(t, s)
}
