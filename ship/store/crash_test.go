package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/replica"
)

var errCrash = errors.New("the machine is off")

// A fate ends a store at one operation: before it, or after. From then on nothing
// reaches the disk.
type fate struct {
	dir string

	mu    sync.Mutex
	at    int // the operation, from 1 on; 0: never
	after bool
	ops   []string
	power *power // nil: the process is killed, and the system goes on
	log   int64  // bytes of the log; negative: there is none
}

func (f *fate) around(op, name string, do func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.at > 0 && len(f.ops) >= f.at {
		return errCrash
	}
	f.ops = append(f.ops, op+" "+name)
	last := len(f.ops) == f.at
	if last && !f.after {
		return errCrash
	}
	undo := f.power.before(f.dir, op, name)
	err := do()
	if err == nil {
		f.power.note(f.dir, op, name, undo)
	}
	if last {
		return errCrash
	}
	return err
}

// A power knows what a disk has when the power goes: only what was synced.
type power struct {
	undo []undo
	size map[string]int64 // of the durable part of each file that was written to
	log  []byte           // as it was synced
	seed uint64           // of what becomes of the rest
}

// An undo is a change of a directory that is not durable yet.
type undo struct {
	dirs []string // until all of these were synced
	do   func() error
}

// before keeps what is needed to undo a removal, and how long a file was.
func (p *power) before(dir, op, name string) []byte {
	if p == nil {
		return nil
	}
	full := filepath.Join(dir, name)
	if _, known := p.size[name]; op == "write" && !known {
		if fi, err := os.Stat(full); err == nil {
			p.size[name] = fi.Size() // an earlier process has made it durable
		}
	}
	if op != "remove" {
		return nil
	}
	b, _ := os.ReadFile(full)
	return b
}

func (p *power) note(dir, op, name string, content []byte) {
	if p == nil {
		return
	}
	full := filepath.Join(dir, name)
	add := func(do func() error, dirs ...string) { p.undo = append(p.undo, undo{dirs, do}) }
	switch op {
	case "mkdir":
		add(func() error { return os.RemoveAll(full) }, path.Dir(name))
	case "create":
		p.size[name] = 0
		add(func() error { return os.Remove(full) }, path.Dir(name))
	case "remove":
		add(func() error { return os.WriteFile(full, content, 0o600) }, path.Dir(name))
		delete(p.size, name)
	case "rename":
		from, to, _ := strings.Cut(name, "\x00")
		add(func() error { return os.Rename(filepath.Join(dir, to), filepath.Join(dir, from)) }, path.Dir(from), path.Dir(to))
		if n, ok := p.size[from]; ok {
			p.size[to] = n
			delete(p.size, from)
		}
	case "sync":
		if fi, err := os.Stat(full); err == nil {
			p.size[name] = fi.Size()
		}
	case "synclog":
		p.log, _ = os.ReadFile(full)
	case "syncdir":
		for i := range p.undo {
			p.undo[i].dirs = slices.DeleteFunc(p.undo[i].dirs, func(d string) bool { return d == name })
		}
		p.undo = slices.DeleteFunc(p.undo, func(u undo) bool { return len(u.dirs) == 0 })
	case "syncfs":
		p.undo = nil
		clear(p.size)
	}
}

// cut leaves what is durable, and torn parts of the rest: the sectors of what was
// written and not synced are there or not.
func (p *power) cut(t *testing.T, dir string) {
	t.Helper()
	random := rand.New(rand.NewPCG(p.seed, 7))
	tear := func(name string, was []byte) {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		must(t, err)
		for at := 0; at < len(b); at += 512 {
			if end := min(at+512, len(b)); random.IntN(2) == 0 {
				clear(b[at:end])
				copy(b[at:end], was[min(at, len(was)):])
			}
		}
		copy(b, was[:min(len(was), int(p.size[name]))])
		if name != ownDir+"/"+logName {
			b = b[:len(was)+random.IntN(len(b)-len(was)+1)]
		}
		must(t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
	}
	for name, n := range p.size {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil && name != ownDir+"/"+logName {
			tear(name, b[:min(n, int64(len(b)))])
		}
	}
	tear(ownDir+"/"+logName, p.log)
	for _, u := range slices.Backward(p.undo) {
		if err := u.do(); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	p.undo, p.size = nil, make(map[string]int64) // what is left is durable
	p.log, _ = os.ReadFile(filepath.Join(dir, ownDir, logName))
}

// A job is a receiver's work on one path, which goes on wherever it was when it was
// interrupted: a copy grows, ends, grows late, is sealed; the next one is damaged
// and mended; the first one is pruned.
type job struct {
	bytes map[replica.ID][]byte // what the sources have
	acked map[replica.ID]int64  // what they were told
	hurt  bool                  // the damage was done
}

func newJob() *job {
	return &job{
		bytes: map[replica.ID][]byte{id(1): text(1, replica.LeafSize+1000), id(2): text(2, 2*replica.LeafSize+500)},
		acked: make(map[replica.ID]int64),
	}
}

func (j *job) run(s *Store) error {
	const log = "log/app.log"
	if err := j.grow(s, id(1), log, replica.LeafSize+500); err != nil {
		return err
	}
	if err := s.End(id(1), clock); err != nil {
		return err
	}
	if err := j.grow(s, id(2), log, 2*replica.LeafSize+500); err != nil {
		return err
	}
	if err := j.grow(s, id(1), log+".1", replica.LeafSize+1000); err != nil {
		return err
	}
	if err := j.seal(s, id(1)); err != nil {
		return err
	}
	if err := j.damage(s); err != nil {
		return err
	}
	if err := j.grow(s, id(2), log, 2*replica.LeafSize+500); err != nil {
		return err
	}
	_, err := s.Prune(clock.Add(2 * time.Hour))
	return err
}

// grow ships bytes up to n, in pieces.
func (j *job) grow(s *Store, id replica.ID, path string, n int64) error {
	if rec, _, ok, err := s.Find(id); err != nil || ok && rec.State != replica.Open {
		return err
	}
	x, err := try(s, id, path)
	if err != nil {
		return err
	}
	defer x.c.Close()
	if j.hurt {
		j.acked[id] = min(j.acked[id], x.rec.N)
	}
	for x.tree.N() < n {
		if err := x.grow(j.bytes[id][x.tree.N():min(n, x.tree.N()+900_000)]); err != nil {
			return err
		}
		j.acked[id] = x.tree.N()
	}
	return nil
}

func (j *job) seal(s *Store, id replica.ID) error {
	rec, _, _, err := s.Find(id)
	if err != nil || rec.State != replica.Open {
		return err
	}
	x, err := try(s, id, strings.Join(rec.Path, "/"))
	if err != nil {
		return err
	}
	defer x.c.Close()
	return x.commit(replica.Sealed)
}

// damage flips a byte in the last leaf of the second copy and cuts it, once.
func (j *job) damage(s *Store) error {
	if j.hurt {
		return nil
	}
	r, err := s.record(id(2))
	if err != nil || r == nil {
		return err
	}
	j.hurt = true
	f, err := os.OpenFile(s.pathOf(r), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("damage"), replica.LeafSize+77); err != nil {
		return err
	}
	return f.Truncate(2*replica.LeafSize + 3)
}

// check looks at a store that was opened after a crash.
func (j *job) check(t *testing.T, s *Store) {
	t.Helper()
	must(t, s.journal.audit(func(*record) {}))
	held := make(map[string]bool)
	for rec, file := range s.All {
		want, hurt := j.acked[rec.ID], j.hurt && rec.ID == id(2)
		if hurt {
			want = min(want, replica.LeafSize) // its first leaf is good
		}
		if rec.N < want {
			t.Errorf("%s has %d bytes, and %d were acknowledged", rec.Gen.Short(), rec.N, want)
		}
		if rec.State == replica.Pruned {
			continue
		}
		held[file] = true
		b, err := os.ReadFile(file)
		if err != nil && rec.N > 0 && !hurt {
			t.Errorf("%s: %v", rec.Gen.Short(), err)
		}
		if int64(len(b)) != rec.N && rec.State == replica.Open && err == nil && !hurt {
			t.Errorf("%s has a file of %d bytes, want %d", rec.Gen.Short(), len(b), rec.N)
		}
		if !hurt && !bytes.HasPrefix(j.bytes[rec.ID], b) {
			t.Errorf("%s is no prefix of its source", rec.Gen.Short())
		}
	}
	for id, n := range j.acked {
		if _, _, ok, err := s.Find(id); n > 0 && (!ok || err != nil) {
			t.Errorf("%d bytes of %s were acknowledged, and there is no record: %v", n, id.Gen.Short(), err)
		}
	}
	for name := range tree(t, s) {
		if !held[filepath.Join(s.disk.Path, name)] && !strings.Contains(name, ".diverged-") {
			t.Errorf("%s is in no record", name)
		}
	}
}

// final looks at what there is when the job was done.
func (j *job) final(t *testing.T, s *Store) {
	t.Helper()
	files := tree(t, s)
	if !bytes.Equal([]byte(files["web1/log/app.log"]), j.bytes[id(2)]) {
		t.Errorf("the second copy has %d bytes, which are not those of its source", len(files["web1/log/app.log"]))
	}
	delete(files, "web1/log/app.log")
	for name := range files {
		if !strings.HasPrefix(name, "web1/log/app.log.diverged-") {
			t.Errorf("%s is left", name)
		}
	}
	if len(files) == 0 {
		t.Error("the damaged file is gone")
	}
	rec := found(t, s, id(1))
	want := replica.NewTree(nil, j.bytes[id(1)]).Proof()
	if rec.State != replica.Pruned || rec.N != int64(len(j.bytes[id(1)])) || rec.Seal.Proof != want {
		t.Errorf("the first is %v with %d bytes, want it pruned", rec.State, rec.N)
	}
	own, err := os.ReadDir(filepath.Join(s.disk.Path, ownDir))
	must(t, err)
	for _, e := range own {
		if e.Name() != journalName && e.Name() != lockName && e.Name() != logName {
			t.Errorf("%s is left", e.Name())
		}
	}
	audited(t, s)
}

// crashed runs a job until its fate, then again, and checks both.
func crashed(t *testing.T, f *fate) {
	o := Options{Keep: time.Hour, Now: func() time.Time { return clock }, logSize: f.log}
	j := newJob()
	f.dir = quick(t)
	defer os.RemoveAll(f.dir)
	dying := o
	dying.around = f.around
	s, err := Open(f.dir, dying)
	if err == nil {
		err = j.run(s)
		s.Close()
	}
	if f.at > 0 && len(f.ops) != f.at {
		t.Errorf("the crash was after %d operations, want %d: %v", len(f.ops), f.at, err)
	}
	if f.power != nil {
		f.power.cut(t, f.dir)
	}
	s = opened(t, f.dir, o)
	defer s.Close()
	j.check(t, s)
	must(t, j.run(s))
	j.final(t, s)
}

// steps returns which operations the job takes.
func steps(t *testing.T, log int64) []string {
	t.Helper()
	f := &fate{log: log}
	crashed(t, f)
	return f.ops
}

// everywhere runs the job with a crash at each operation, with a log and without.
func everywhere(t *testing.T, powered bool) {
	for _, log := range []int64{-1, 64 << 10} {
		ops := steps(t, log)
		if len(ops) < 50 {
			t.Fatalf("only %d operations: %q", len(ops), ops)
		}
		for at := range ops {
			for _, after := range []bool{false, true} {
				t.Run(fmt.Sprintf("log %d/%d %v %.40q", log, at+1, after, ops[at]), func(t *testing.T) {
					f := &fate{at: at + 1, after: after, log: log}
					if powered {
						f.power = newPower(uint64(at))
					}
					crashed(t, f)
				})
			}
		}
	}
}

func newPower(seed uint64) *power { return &power{size: make(map[string]int64), seed: seed} }

// A kill at any operation, and then another start: what was acknowledged is there,
// every file is in a record, and the work goes on to the same end.
func TestF29Kill(t *testing.T) { everywhere(t, false) }

// The same with a cut of the power: what was not synced is gone, or torn.
func TestF31PowerCut(t *testing.T) { everywhere(t, true) }
