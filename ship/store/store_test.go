package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/replica"
)

// A copy is there, byte for byte, and found again after the store was closed.
func TestShipped(t *testing.T) {
	for _, n := range []int{0, 1, 4095, replica.LeafSize - 1, replica.LeafSize, replica.LeafSize + 1, 3*replica.LeafSize + 7} {
		p := text(uint64(n), n)
		s := opened(t, quick(t), Options{})
		x := shipped(t, s, id(1), "var/log/app.log", p[:n/2])
		must(t, x.grow(p[n/2:]))
		wantNames(t, s, "web1/var/log/app.log")
		if got := tree(t, s)["web1/var/log/app.log"]; got != string(p) {
			t.Fatalf("the copy of %d bytes has %d others", n, len(got))
		}
		s = reopened(t, s, Options{})
		rec, leaves, ok, err := s.Find(id(1))
		must(t, err)
		if !ok || rec.N != int64(n) || replica.Proof(leaves, rec.Rest, rec.N) != x.tree.Proof() ||
			strings.Join(rec.Path, "/") != "var/log/app.log" || rec.State != replica.Open {
			t.Errorf("Find() = %+v with %d leaves, want what was committed of %d bytes", rec, len(leaves), n)
		}
		audited(t, s)
		x = start(t, s, id(1), "var/log/app.log")
		must(t, x.grow([]byte("more")))
		audited(t, s)
	}
}

// What was not committed is cut off when the copy is opened again, and at a start.
func TestF31CutBack(t *testing.T) {
	s := opened(t, quick(t), Options{})
	x := shipped(t, s, id(1), "a", []byte("committed"))
	must(t, x.write([]byte(" and not")))
	must(t, x.sync())
	again := start(t, s, id(1), "a")
	if got := tree(t, s)["web1/a"]; got != "committed" || again.rec.N != 9 {
		t.Errorf("opened again the copy is %q, its N %d", got, again.rec.N)
	}
	wantBusy(t, x.write([]byte("from a ghost")), "opened again")
	wantBusy(t, s.Commit([]replica.Update{x.update(replica.Open)}), "opened again")
	must(t, again.write([]byte(" nor this")))
	must(t, again.sync())
	s = reopened(t, s, Options{})
	if got := tree(t, s)["web1/a"]; got != "committed" {
		t.Errorf("after a start the copy is %q", got)
	}
}

// A copy that is closed while its commit is on the way is committed.
func TestCloseBeforeCommit(t *testing.T) {
	s := opened(t, quick(t), Options{})
	x := start(t, s, id(1), "a")
	must(t, x.write([]byte("synced")))
	must(t, x.sync())
	must(t, x.c.Close())
	must(t, x.commit(replica.Open))
	if rec := found(t, s, id(1)); rec.N != 6 {
		t.Errorf("N = %d, want 6", rec.N)
	}
	if _, err := x.c.ReadAt(make([]byte, 1), 0); err == nil {
		t.Error("a closed copy was read")
	}
	audited(t, s)
}

// A commit that comes after its copy was opened and cut again is refused.
func TestCommitAfterCut(t *testing.T) {
	s := opened(t, quick(t), Options{})
	x := start(t, s, id(1), "a")
	must(t, x.write([]byte("synced")))
	must(t, x.sync())
	must(t, x.c.Close())
	must(t, start(t, s, id(1), "a").c.Close())
	wantBusy(t, x.commit(replica.Open), "only 0 bytes are durable")
	audited(t, s)
}

// Nothing is committed that is not durable, or not there.
func TestCommitChecks(t *testing.T) {
	s := opened(t, quick(t), Options{})
	x := shipped(t, s, id(1), "a", []byte("abc"))
	must(t, x.write([]byte("def")))
	wantBusy(t, x.commit(replica.Open), "only 3 bytes are durable")
	for name, change := range map[string]func(*replica.Update){
		"less":       func(u *replica.Update) { u.N = 2 },
		"leaf":       func(u *replica.Update) { u.Leaves = make([]replica.Hash, 1) },
		"no leaf":    func(u *replica.Update) { u.N = replica.LeafSize },
		"pruned":     func(u *replica.Update) { u.State = replica.Pruned },
		"other copy": func(u *replica.Update) { u.Gen = gen(9) },
	} {
		u := x.update(replica.Open)
		change(&u)
		var busy *replica.BusyError
		if err := s.Commit([]replica.Update{u}); err == nil || errors.As(err, &busy) {
			t.Errorf("%s: Commit() = %v, want an error", name, err)
		}
	}
	must(t, x.sync())
	u := x.update(replica.Open)
	if err := s.Commit([]replica.Update{u, u}); err == nil {
		t.Error("a copy was committed twice at once")
	}
	must(t, x.commit(replica.Sealed))
	wantBusy(t, start(t, s, id(1), "a").write([]byte("x")), "complete")
	if rec := found(t, s, id(1)); rec.State != replica.Sealed || rec.Seal.Proof != x.tree.Proof() {
		t.Errorf("the record is %+v, want it sealed", rec)
	}
}

// Writing is at the end, and cutting never below what is committed.
func TestWriteAtEnd(t *testing.T) {
	s := opened(t, quick(t), Options{})
	x := shipped(t, s, id(1), "a", []byte("abc"))
	for _, off := range []int64{0, 2, 4} {
		if _, err := x.c.WriteAt([]byte("x"), off); err == nil {
			t.Errorf("WriteAt(%d) = nil, the copy has 3 bytes", off)
		}
	}
	must(t, x.write([]byte("defg")))
	must(t, x.c.Truncate(5))
	for _, n := range []int64{2, 6} {
		if err := x.c.Truncate(n); err == nil {
			t.Errorf("Truncate(%d) = nil, 3 bytes of 5 are committed", n)
		}
	}
	if got := tree(t, s)["web1/a"]; got != "abcde" {
		t.Errorf("the copy is %q", got)
	}
}

// The next generation of a path begins beside the one before, which is renamed once.
func TestEnd(t *testing.T) {
	s := opened(t, quick(t), Options{})
	x := shipped(t, s, id(1), "log/app.log", []byte("one"))
	at := time.Date(2026, 2, 28, 23, 59, 58, 7, time.FixedZone("", 3600))
	must(t, s.End(id(1), at))
	must(t, s.End(id(1), at.Add(time.Hour)))
	wantNames(t, s, "web1/log/app.log-20260228T225958Z.11111111")
	must(t, x.grow([]byte(" late")))
	y := shipped(t, s, id(2), "log/app.log", []byte("two"))
	wantNames(t, s, "web1/log/app.log", "web1/log/app.log-20260228T225958Z.11111111")

	// a rename at the source is one of the record
	x = start(t, s, id(1), "log/app.log.1")
	must(t, x.grow([]byte("r")))
	must(t, y.grow([]byte("!")))
	files := tree(t, s)
	if files["web1/log/app.log"] != "two!" || files["web1/log/app.log-20260228T225958Z.11111111"] != "one later" {
		t.Errorf("the store has %q", files)
	}
	s = reopened(t, s, Options{})
	if rec := found(t, s, id(1)); strings.Join(rec.Path, "/") != "log/app.log.1" || !rec.Ended.Equal(at) || rec.N != 9 {
		t.Errorf("the record is %+v", rec)
	}
	audited(t, s)
	if err := s.End(id(9), at); err == nil {
		t.Error("a copy ended that there is not")
	}
}

// A copy whose name is wanted by the next is ended, though nobody said so.
func TestEndedByTheNext(t *testing.T) {
	s := opened(t, quick(t), Options{})
	shipped(t, s, id(1), "app.log", []byte("one"))
	shipped(t, s, id(2), "app.log", []byte("two"))
	wantNames(t, s, "web1/app.log", "web1/app.log-20260301T120000Z.11111111")
	if rec := found(t, s, id(1)); !rec.Ended.Equal(clock) {
		t.Errorf("the first ended at %v, want %v", rec.Ended, clock)
	}
	audited(t, s)
}

// Two that end at once, with ids that begin alike, have names of their own.
func TestEndedNamesClash(t *testing.T) {
	s := opened(t, quick(t), Options{})
	want := []string{"web1/a-20260301T120000Z.11111111"}
	for i := range 3 {
		x := id(1)
		x.Gen[15] = byte(i)
		shipped(t, s, x, "a", []byte{byte('0' + i)})
		if i == 1 {
			must(t, os.WriteFile(filepath.Join(s.disk.Path, "web1", "a-20260301T120000Z.11111111.2"), []byte("theirs"), 0o600))
		}
		must(t, s.End(x, clock))
	}
	want = append(want, want[0]+".2", want[0]+".3", want[0]+".4")
	wantNames(t, s, want...)
	if got := tree(t, s)[want[1]]; got != "theirs" {
		t.Errorf("a file of others became %q", got)
	}
	audited(t, s)
}

// Under finds the copies of a path, and of no other.
func TestUnder(t *testing.T) {
	s := opened(t, quick(t), Options{})
	for i, p := range []string{"first", "second", "other", ""} {
		x := shipped(t, s, id(byte(i+1)), "app.log", []byte(p))
		if p == "other" {
			must(t, x.commit(replica.Diverged))
		}
	}
	shipped(t, s, id(5), "app.logs", []byte("second"))
	shipped(t, s, id(6), "app.log/x", []byte("second"))
	elsewhere := replica.ID{Sender: "web", Gen: gen(7)}
	shipped(t, s, elsewhere, "app.log", []byte("second"))
	must(t, start(t, s, id(1), "app.log").c.Close())

	head := func(p string) replica.Head {
		h, _ := hashOf(strings.NewReader(p))
		return replica.Head{N: int64(len(p)), Hash: h}
	}
	for _, c := range []struct {
		name string
		head replica.Head
		max  int
		want string
	}{
		{"all but the diverged, the newest first", replica.Head{}, 8, "421"},
		{"no more than asked for", replica.Head{}, 2, "42"},
		{"with this beginning, or too short to tell", head("sec"), 8, "42"},
		{"too short", head("second and more"), 8, "421"},
		{"another beginning", head("x"), 8, "4"},
	} {
		rs, err := s.Under("web1", []string{"app.log"}, c.head, c.max)
		must(t, err)
		got := ""
		for _, r := range rs {
			got += r.Gen.String()[:1]
		}
		if got != c.want {
			t.Errorf("%s: Under() = %s, want %s", c.name, got, c.want)
		}
	}
}

// The rest of a store follows what it is told.
func TestTold(t *testing.T) {
	var told []string
	s := opened(t, quick(t), Options{Told: func(rec replica.Record, file string) {
		told = append(told, rec.State.String()+" "+filepath.Base(file))
	}})
	sealedCopy(t, s, id(1), "a", []byte("x"), clock)
	want := []string{"open a", "open a", "open a-20260301T120000Z.11111111", "sealed a-20260301T120000Z.11111111"}
	if !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	n := 0
	for rec, file := range s.All {
		if n++; rec.ID != id(1) || !filepath.IsAbs(file) {
			t.Errorf("All has %v, %s", rec.ID, file)
		}
	}
	st := s.Stats()
	if n != 1 || st.Copies[replica.Sealed] != 1 || st.Copies[replica.Open] != 0 || st.Bytes != 1 || st.Open != 0 {
		t.Errorf("All has %d, Stats are %+v", n, st)
	}
}

// Files and directories have the modes that were asked for.
func TestModes(t *testing.T) {
	for _, c := range []struct{ mode, file, dir os.FileMode }{
		{0, 0o600, 0o700}, {0o640, 0o640, 0o750}, {0o644, 0o644, 0o755},
	} {
		s := opened(t, quick(t), Options{Mode: c.mode})
		x := shipped(t, s, id(1), "dir/a", []byte("x"))
		file, err := os.Stat(x.path(t))
		must(t, err)
		dir, err := os.Stat(filepath.Dir(x.path(t)))
		must(t, err)
		if file.Mode().Perm() != c.file || dir.Mode().Perm() != c.dir {
			t.Errorf("mode %o: file %o, directory %o, want %o, %o", c.mode, file.Mode().Perm(), dir.Mode().Perm(), c.file, c.dir)
		}
		own, err := os.Stat(filepath.Join(s.disk.Path, ownDir, journalName))
		must(t, err)
		if own.Mode().Perm() != 0o600 {
			t.Errorf("the journal has mode %o", own.Mode().Perm())
		}
	}
}

// Many copies need few descriptors, and one that is dirty keeps its own.
func TestF22Descriptors(t *testing.T) {
	s := opened(t, quick(t), Options{MaxOpen: 4})
	var all []*sender
	for i := range 40 {
		x := id(1)
		x.Gen[1] = byte(i)
		all = append(all, start(t, s, x, "log/"+strings.Repeat("x", i+1)))
	}
	if n := s.Stats().Open; n > 4 {
		t.Errorf("%d descriptors for idle copies, want 4", n)
	}
	for range 3 {
		for _, x := range all {
			must(t, x.write([]byte("abc")))
		}
		if n := s.Stats().Open; n < len(all) {
			t.Errorf("%d descriptors for %d dirty copies", n, len(all))
		}
		for _, x := range all {
			must(t, x.sync())
			must(t, x.commit(replica.Open))
		}
	}
	b := make([]byte, 9)
	for _, x := range all {
		if _, err := x.c.ReadAt(b, 0); err != nil || !bytes.Equal(b, []byte("abcabcabc")) {
			t.Errorf("ReadAt() = %q, %v", b, err)
		}
	}
	if n := s.Stats().Open; n > 4 {
		t.Errorf("%d descriptors at rest, want 4", n)
	}
	for _, x := range all {
		must(t, x.c.Close())
	}
	if n := s.Stats().Open; n != 0 {
		t.Errorf("%d descriptors, all are closed", n)
	}
}

// A batch of many files is made durable at once.
func TestSyncMany(t *testing.T) {
	for _, tells := range []bool{true, false} {
		var mu sync.Mutex
		ops := make(map[string]int)
		s := opened(t, quick(t), Options{around: func(op, _ string, do func() error) error {
			mu.Lock()
			ops[op]++
			mu.Unlock()
			return do()
		}})
		s.tells = tells
		var copies []replica.Copy
		for i := range maxSyncs + 1 {
			x := id(1)
			x.Gen[1] = byte(i)
			c := start(t, s, x, "log/"+strings.Repeat("x", i+1))
			must(t, c.write([]byte("abc")))
			copies = append(copies, c.c)
		}
		for _, err := range s.Sync(copies) {
			must(t, err)
		}
		if tells && (ops["syncfs"] != 1 || ops["sync"] != 0) || !tells && ops["sync"] != len(copies) {
			t.Errorf("syncfs %v: %v", tells, ops)
		}
		clear(ops)
		for _, err := range s.Sync(copies) {
			must(t, err)
		}
		if len(ops) != 0 {
			t.Errorf("nothing was written, and there was %v", ops)
		}
	}
}

// Directories are made durable from the first new one down, and once.
func TestNewDirectoriesAreSynced(t *testing.T) {
	var synced []string
	s := opened(t, quick(t), Options{around: func(op, name string, do func() error) error {
		if op == "syncdir" {
			synced = append(synced, name)
		}
		return do()
	}})
	if want := []string{ownDir, ".", ownDir}; !slices.Equal(synced, want) {
		t.Errorf("a new store: synced %q, want %q", synced, want)
	}
	check := func(path string, digit byte, want ...string) {
		t.Helper()
		synced = nil
		shipped(t, s, id(digit), path, []byte("x"))
		if !slices.Equal(synced, want) {
			t.Errorf("%s: synced %q, want %q", path, synced, want)
		}
	}
	check("a/b/c", 1, "web1/a/b", "web1/a", "web1", ".")
	check("a/b/d", 2, "web1/a/b")
	check("a/e/f", 3, "web1/a/e", "web1/a")
}

// A copy that is begun when its file has left the path already does not take the
// name of the current one: after a restart the older one may come later.
func TestBegunAfterTheNext(t *testing.T) {
	s := opened(t, quick(t), Options{})
	shipped(t, s, id(2), "log/a.log", []byte("current"))
	c, rec, _, err := s.Open(id(1), []string{"log", "a.log"}, clock)
	must(t, err)
	must(t, c.Close())
	if !rec.Ended.Equal(clock) {
		t.Errorf("Ended = %v, want %v", rec.Ended, clock)
	}
	must(t, s.End(id(1), clock.Add(time.Hour))) // it has
	wantNames(t, s, "web1/log/a.log", "web1/log/a.log-20260301T120000Z.11111111")
	if rec := found(t, s, id(2)); !rec.Ended.IsZero() {
		t.Errorf("the current copy ended at %v", rec.Ended)
	}
	audited(t, s)
}
