package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fairlead/logfile"
	"fairlead/replica"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		fmt.Fprintln(os.Stderr, child(dir))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// quick returns a directory where an fsync costs nothing, if there is one.
func quick(t testing.TB) string {
	dir, err := os.MkdirTemp("/dev/shm", "store")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// clock is the time that stores of tests have.
var clock = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func opened(t testing.TB, dir string, o Options) *Store {
	t.Helper()
	if o.Now == nil {
		o.Now = func() time.Time { return clock }
	}
	s, err := Open(dir, o)
	must(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// reopened closes a store and opens it again.
func reopened(t testing.TB, s *Store, o Options) *Store {
	t.Helper()
	dir := s.disk.Path
	must(t, s.Close())
	return opened(t, dir, o)
}

// gen is a generation whose short name is all one digit.
func gen(digit byte) logfile.GenID {
	return logfile.GenID(bytes.Repeat([]byte{digit<<4 | digit}, 16))
}

// id is a copy of the sender web1.
func id(digit byte) replica.ID { return replica.ID{Sender: "web1", Gen: gen(digit)} }

// text is n bytes that are as random as seed.
func text(seed uint64, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(b)
	return b
}

// A sender is the other end of one copy: what a receiver would know of it.
type sender struct {
	s    *Store
	id   replica.ID
	c    replica.Copy
	tree *replica.Tree
	n    int // leaves that are committed
	rec  replica.Record
}

// start opens a copy, and returns what it takes to go on with it.
func start(t testing.TB, s *Store, id replica.ID, path string) *sender {
	t.Helper()
	x, err := try(s, id, path)
	must(t, err)
	return x
}

func try(s *Store, id replica.ID, path string) (*sender, error) {
	c, rec, leaves, err := s.Open(id, strings.Split(path, "/"), time.Time{})
	if err != nil {
		return nil, err
	}
	rest := make([]byte, rec.N-int64(len(leaves))*replica.LeafSize)
	if _, err := c.ReadAt(rest, rec.N-int64(len(rest))); err != nil && len(rest) > 0 {
		return nil, err
	}
	return &sender{s, id, c, replica.NewTree(slices.Clone(leaves), rest), len(leaves), rec}, nil
}

func (x *sender) write(p []byte) error {
	if _, err := x.c.WriteAt(p, x.tree.N()); err != nil {
		return err
	}
	x.tree.Write(p)
	return nil
}

func (x *sender) sync() error { return x.s.Sync([]replica.Copy{x.c})[0] }

// update is what the copy became.
func (x *sender) update(state replica.State) replica.Update {
	u := replica.Update{ID: x.id, N: x.tree.N(), Leaves: x.tree.Leaves()[x.n:], Rest: x.tree.Rest(), State: state}
	if state != replica.Open {
		u.Seal = replica.Seal{N: x.tree.N(), Proof: x.tree.Proof(), Size: x.tree.N(), Reason: replica.Rotated}
	}
	return u
}

func (x *sender) commit(state replica.State) error {
	u := x.update(state)
	if err := x.s.Commit([]replica.Update{u}); err != nil {
		return err
	}
	x.n += len(u.Leaves)
	return nil
}

// grow is what a receiver does with bytes.
func (x *sender) grow(p []byte) error {
	if err := x.write(p); err != nil {
		return err
	}
	if err := x.sync(); err != nil {
		return err
	}
	return x.commit(replica.Open)
}

// shipped makes a copy of bytes.
func shipped(t testing.TB, s *Store, id replica.ID, path string, p []byte) *sender {
	t.Helper()
	x := start(t, s, id, path)
	must(t, x.grow(p))
	return x
}

// sealedCopy makes a copy that is complete.
func sealedCopy(t testing.TB, s *Store, id replica.ID, path string, p []byte, ended time.Time) {
	t.Helper()
	x := shipped(t, s, id, path, p)
	must(t, s.End(id, ended))
	must(t, x.commit(replica.Sealed))
	must(t, x.c.Close())
}

// tree returns the files of a store's directory, ours aside, with their content.
func tree(t testing.TB, s *Store) map[string]string {
	t.Helper()
	files := make(map[string]string)
	must(t, filepath.WalkDir(s.disk.Path, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if d != nil && d.Name() == ownDir {
				return fs.SkipDir
			}
			return err
		}
		name, err := filepath.Rel(s.disk.Path, p)
		if err != nil {
			return err
		}
		files[filepath.ToSlash(name)] = d.Type().String()
		if d.Type().IsRegular() {
			b, err := os.ReadFile(p)
			files[filepath.ToSlash(name)] = string(b)
			return err
		}
		return nil
	}))
	return files
}

func names(files map[string]string) []string {
	var list []string
	for name := range files {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

func wantNames(t testing.TB, s *Store, want ...string) {
	t.Helper()
	slices.Sort(want)
	if got := names(tree(t, s)); !slices.Equal(got, want) {
		t.Errorf("the store has %q, want %q", got, want)
	}
}

func found(t testing.TB, s *Store, id replica.ID) replica.Record {
	t.Helper()
	rec, _, ok, err := s.Find(id)
	must(t, err)
	if !ok {
		t.Fatalf("Find(%v) has no record", id)
	}
	return rec
}

// path returns the file of a copy.
func (x *sender) path(t testing.TB) string {
	t.Helper()
	r, err := x.s.record(x.id)
	must(t, err)
	return x.s.pathOf(r)
}

func wantBusy(t testing.TB, err error, why string) {
	t.Helper()
	var busy *replica.BusyError
	if !errors.As(err, &busy) || !strings.Contains(err.Error(), why) || busy.Retry <= 0 {
		t.Errorf("error is %v, want a BusyError with %q and when to ask again", err, why)
	}
}

// audited checks that the records and the files of a store agree.
func audited(t testing.TB, s *Store) {
	t.Helper()
	must(t, s.journal.audit(func(*record) {}))
	for fault, err := range s.Verify(t.Context(), Sel{Full: true}, nil) {
		must(t, err)
		t.Errorf("fault: %s, MiB %d: %s", fault.File, fault.Leaf, fault.Why)
	}
}
