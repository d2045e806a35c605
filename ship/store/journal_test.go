package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fairlead/logfile"
	"fairlead/replica"
)

func TestRecordEncoding(t *testing.T) {
	for _, r := range []*record{
		{Record: replica.Record{ID: id(1), Path: []string{"a"}}},
		{seq: 1 << 40, file: "web1/a/b", Record: replica.Record{
			ID: replica.ID{Sender: strings.Repeat("x", 63), Gen: gen(0xf)}, Path: []string{"a", "b c", "日"}, N: 1<<62 + 3,
			Rest: replica.Hash(text(1, 32)), State: replica.Diverged, Ended: time.Date(1969, 1, 2, 3, 4, 5, 6, time.UTC),
			Seal: replica.Seal{N: 7, Proof: replica.Hash(text(2, 32)), Size: 9, Reason: replica.Regressed},
		}},
	} {
		got, err := decodeRecord(recordKey(r.ID), r.encode())
		must(t, err)
		if fmt.Sprint(got) != fmt.Sprint(r) {
			t.Errorf("decode(encode) = %+v, want %+v", got, r)
		}
		for i := range r.encode() {
			b := r.encode()
			b[i] ^= 1
			if _, err := decodeRecord(recordKey(r.ID), b); !errors.Is(err, errDamaged) {
				t.Errorf("with byte %d flipped: %v, want damage", i, err)
			}
			if _, err := decodeRecord(recordKey(r.ID), b[:i]); !errors.Is(err, errDamaged) {
				t.Errorf("cut to %d bytes: %v, want damage", i, err)
			}
		}
	}
}

func FuzzRecord(f *testing.F) {
	r := &record{file: "web1/a", Record: replica.Record{ID: id(1), Path: []string{"a"}, Ended: clock, Seal: replica.Seal{N: 1}}}
	f.Add(recordKey(r.ID), r.encode())
	i := &intent{id: id(1), what: mend, from: "web1/a", to: "web1/b", with: "x", keep: 3}
	f.Add([]byte("key"), i.encode([]byte("key")))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		value = sealed(key, slices.Clone(value)) // what has a wrong checksum is not looked at
		if r, err := decodeRecord(key, value); err == nil {
			again, err := decodeRecord(key, r.encode())
			if err != nil || fmt.Sprint(again) != fmt.Sprint(r) {
				t.Errorf("decode(encode(%+v)) = %+v, %v", r, again, err)
			}
		}
		if i, err := decodeIntent(key, value); err == nil {
			again, err := decodeIntent(key, i.encode(key))
			if err != nil || *again != *i {
				t.Errorf("decode(encode(%+v)) = %+v, %v", i, again, err)
			}
		}
	})
}

// filled makes a store with copies of all kinds, and closes it. It returns what the
// files have.
func filled(t testing.TB, copies int) (dir string, files map[string]string) {
	dir = quick(t)
	s := opened(t, dir, Options{})
	for i := range copies {
		x := id(1)
		x.Gen[0], x.Gen[1] = byte(i>>8), byte(i)
		c := shipped(t, s, x, fmt.Sprintf("log/%d/app.log", i/3), text(uint64(i), 10+i))
		must(t, c.c.Close())
	}
	big := shipped(t, s, id(0xf), "big.log", text(7, 3*replica.LeafSize+5))
	must(t, big.c.Close())
	files = tree(t, s)
	must(t, s.Close())
	return dir, files
}

// used is how much of a journal has something.
func used(t testing.TB, dir string) int64 {
	s := opened(t, dir, Options{})
	defer s.Close()
	return s.journal.used
}

// damaged opens a store whose journal is damaged, and checks that no byte of a copy
// is lost, and that it can be used.
func damaged(t testing.TB, dir string, files map[string]string) *Store {
	t.Helper()
	s := opened(t, dir, Options{})
	after := tree(t, s)
	for name, content := range files {
		if after[name] != content {
			t.Fatalf("%s was changed", name)
		}
	}
	audited(t, s)
	if st := s.Stats(); st.Copies[replica.Open] != len(files) {
		t.Fatalf("%d copies, want %d", st.Copies[replica.Open], len(files))
	}
	x := shipped(t, s, replica.ID{Sender: "web9", Gen: logfile.NewGenID()}, "new.log", []byte("new"))
	must(t, x.c.Close())
	return s
}

// A journal in which bytes were flipped, anywhere, is as it was or is made anew.
func TestF31JournalFlipped(t *testing.T) {
	dir, files := filled(t, 60)
	end := used(t, dir)
	path := filepath.Join(dir, ownDir, journalName)
	whole, err := os.ReadFile(path)
	must(t, err)
	random := rand.New(rand.NewPCG(1, 2))
	rebuilt, n := 0, 150
	if testing.Short() {
		n = 20
	}
	for i := range n {
		b := slices.Clone(whole)
		for range 1 + i%3*i%20 {
			at := random.Int64N(end)
			switch i % 4 {
			case 0: // the heads of pages, where it hurts most
				at = at&^4095 + random.Int64N(64)
			case 1: // and their elements
				at = at&^4095 + random.Int64N(1024)
			}
			b[at] ^= byte(1 << random.IntN(8))
		}
		must(t, os.WriteFile(path, b, 0o600))
		s := damaged(t, dir, files)
		if len(s.Problems()) > 0 {
			rebuilt++
			matches, err := filepath.Glob(path + ".damaged-*")
			must(t, err)
			if len(matches) != 1 {
				t.Errorf("the damaged journal is not kept: %q", matches)
			}
			for _, m := range matches {
				must(t, os.Remove(m))
			}
		}
		must(t, s.Close())
		must(t, os.RemoveAll(filepath.Join(dir, "web9")))
	}
	if rebuilt < n/3 {
		t.Errorf("of %d journals %d were made anew: the flips hit nothing", n, rebuilt)
	}
}

// A journal that was cut, anywhere, is made anew.
func TestF31JournalTruncated(t *testing.T) {
	dir, files := filled(t, 60)
	end := used(t, dir)
	path := filepath.Join(dir, ownDir, journalName)
	whole, err := os.ReadFile(path)
	must(t, err)
	for _, n := range []int64{0, 1, 16, 4095, 4096, 8191, 8192, 3 * 4096, end / 2, end/2 + 100, end - 4096, end - 1} {
		must(t, os.WriteFile(path, whole[:n], 0o600))
		s := damaged(t, dir, files)
		if n > 0 && len(s.Problems()) == 0 {
			t.Errorf("cut to %d of %d bytes, and nobody is told", n, end)
		}
		must(t, s.Close())
		must(t, os.RemoveAll(filepath.Join(dir, "web9")))
	}
}

// A journal that is gone, or is none, is made anew, and copies are found by their
// senders.
func TestF31JournalLost(t *testing.T) {
	dir := quick(t)
	s := opened(t, dir, Options{})
	shipped(t, s, id(1), "log/app.log", []byte("first"))
	must(t, s.End(id(1), clock))
	must(t, start(t, s, id(2), "log/app.log").grow([]byte("second")))
	must(t, s.End(id(2), clock.Add(time.Hour)))
	shipped(t, s, id(3), "log/app.log", text(1, replica.LeafSize+3))
	flip(t, filepath.Join(dir, "web1", "log", "app.log"), 0)
	must(t, os.WriteFile(filepath.Join(dir, "web1", "app.log.diverged-20260301T120000Z"), nil, 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "README"), []byte("not of a sender"), 0o600))
	must(t, s.Close())
	for name, lose := range map[string]func(path string) error{
		"gone":    os.Remove,
		"garbage": func(path string) error { return os.WriteFile(path, text(1, 1<<16), 0o600) },
		"text":    func(path string) error { return os.WriteFile(path, []byte("hello\n"), 0o600) },
	} {
		must(t, lose(filepath.Join(dir, ownDir, journalName)))
		s := opened(t, dir, Options{})
		rs, err := s.Under("web1", []string{"log", "app.log"}, replica.Head{}, 8)
		must(t, err)
		if len(rs) != 3 || rs[0].N != replica.LeafSize+3 || rs[1].N != 6 || rs[2].N != 5 ||
			!rs[0].Ended.IsZero() || !rs[1].Ended.Equal(clock.Add(time.Hour)) || !rs[2].Ended.Equal(clock) {
			t.Errorf("%s: Under() = %+v, want all three, the newest first", name, rs)
		}
		if len(s.Problems()) != 1 || s.Stats().Copies[replica.Open] != 3 {
			t.Errorf("%s: problems %v, %d copies", name, s.Problems(), s.Stats().Copies[replica.Open])
		}
		x, err := try(s, rs[1].ID, "log/app.log")
		must(t, err)
		must(t, x.grow([]byte(" late")))
		must(t, x.c.Truncate(x.tree.N()))
		audited(t, s)
		must(t, s.Close())
		must(t, os.Truncate(filepath.Join(dir, "web1", "log", "app.log-20260301T130000Z.22222222"), 6))
	}
}

// A directory that never was a store is not taken for one.
func TestFilesOfOthers(t *testing.T) {
	dir := quick(t)
	must(t, os.Mkdir(filepath.Join(dir, "web1"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "web1", "app.log"), []byte("theirs"), 0o600))
	s := opened(t, dir, Options{})
	shipped(t, s, id(1), "app.log", []byte("ours"))
	files := tree(t, s)
	if files["web1/app.log"] != "theirs" || files["web1/app.log.11111111"] != "ours" {
		t.Errorf("the store has %q", files)
	}
}

// Two processes, or two stores of one, do not share a directory.
func TestF35TwoStores(t *testing.T) {
	dir := quick(t)
	s := opened(t, dir, Options{})
	_, err := Open(dir, Options{})
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("process %d ", os.Getpid())) {
		t.Errorf("the second Open() = %v, want the process that has it", err)
	}
	must(t, s.Close())
	must(t, s.Close())
	opened(t, dir, Options{})
}

// A journal most of which is not in use is copied to a smaller one at the start.
func TestCompact(t *testing.T) {
	dir := quick(t)
	s := opened(t, dir, Options{Keep: time.Hour})
	leaves := make([]replica.Hash, 30_000)
	r := &record{file: "web1/big", Record: replica.Record{ID: id(1), Path: []string{"big"}, N: int64(len(leaves)) * replica.LeafSize,
		State: replica.Sealed, Ended: clock}}
	must(t, s.change(change{new: r, leaves: leaves}))
	shipped(t, s, id(2), "small", []byte("small"))
	must(t, os.WriteFile(filepath.Join(dir, "web1", "big"), nil, 0o600))
	if rs, err := s.Prune(clock.Add(2 * time.Hour)); err != nil || len(rs) != 1 {
		t.Fatalf("Prune() = %v, %v", rs, err)
	}
	before := s.journal.used
	s = reopened(t, s, Options{})
	if s.journal.used > before/4 {
		t.Errorf("the journal has %d bytes, and had %d", s.journal.used, before)
	}
	audited(t, s)
	must(t, start(t, s, id(2), "small").grow([]byte("!")))
	if found(t, s, id(1)).State != replica.Pruned {
		t.Error("the record of the pruned copy is gone")
	}
	s = reopened(t, s, Options{})
	audited(t, s)
}

// An error of the journal ends the store: nothing goes on in memory.
func TestF27JournalFails(t *testing.T) {
	for name, cause := range map[string]error{"commit": errors.New("input/output error")} {
		fail := false
		s := opened(t, quick(t), Options{logSize: -1, around: func(op, _ string, do func() error) error {
			if fail && op == "commit" {
				return cause
			}
			return do()
		}})
		x := shipped(t, s, id(1), "a", []byte("abc"))
		must(t, x.write([]byte("def")))
		must(t, x.sync())
		fail = true
		err := x.commit(replica.Open)
		var busy *replica.BusyError
		if !errors.Is(err, ErrStopped) || !errors.Is(err, cause) || errors.As(err, &busy) {
			t.Errorf("%s: Commit() = %v, want ErrStopped", name, err)
		}
		fail = false
		_, _, _, err1 := s.Find(id(1))
		_, err2 := s.Under("web1", []string{"a"}, replica.Head{}, 1)
		_, _, _, err3 := s.Open(id(2), []string{"b"}, time.Time{})
		_, err4 := s.Prune(clock)
		for i, err := range []error{err1, err2, err3, err4, s.End(id(1), clock), x.commit(replica.Open), x.sync(), x.write([]byte("x")), x.c.Truncate(6)} {
			if !errors.Is(err, ErrStopped) {
				t.Errorf("call %d after it = %v, want ErrStopped", i, err)
			}
		}
		if len(s.Problems()) != 1 {
			t.Errorf("the problems are %v", s.Problems())
		}
		s = reopened(t, s, Options{})
		if found(t, s, id(1)).N != 3 {
			t.Error("what was not committed is")
		}
	}
}
