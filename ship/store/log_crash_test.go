package store

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"fairlead/replica"
)

// source returns the first bytes of what the source of a copy of a fleet has.
func source(i int, n int64) []byte { return text(uint64(i), int(n)) }

// A voyage is a receiver's work on a few copies that grow by a little, and what they
// were told. It goes on wherever it was.
type voyage struct {
	acked [3]int64
}

const voyageLength = 4000

func (j *voyage) run(s *Store) error {
	f := &fleet{s: s}
	for i := range j.acked {
		x, err := try(s, fleetID(i), fmt.Sprintf("log/%d", i))
		if err != nil {
			return err
		}
		f.xs = append(f.xs, x)
	}
	for step := 0; f.xs[0].tree.N() < voyageLength; step++ {
		if err := j.grow(f, step); err != nil {
			return err
		}
		var err error
		switch step {
		case 4:
			_, _, _, err = s.Find(fleetID(1))
		case 7:
			err = s.End(fleetID(2), clock)
		case 10:
			if err = f.xs[1].c.Close(); err == nil {
				f.xs[1], err = try(s, fleetID(1), "log/1")
			}
		}
		if err != nil {
			return err
		}
	}
	for i, x := range f.xs {
		if err := x.commit(replica.Sealed); err != nil {
			return err
		}
		j.acked[i] = x.tree.N()
	}
	return nil
}

// grow adds to all copies, or to one; a little as a rule.
func (j *voyage) grow(f *fleet, step int) error {
	part := &fleet{s: f.s, xs: f.xs}
	if step%5 == 3 {
		part.xs = f.xs[step%3 : step%3+1]
	}
	var copies []replica.Copy
	var updates []replica.Update
	for _, x := range part.xs {
		i := int(x.id.Gen[1])
		n := x.tree.N() + int64(70+13*i)
		if step == 12 {
			n += 1200 // more than the log of the tests takes
		}
		if err := x.write(source(i, n)[x.tree.N():]); err != nil {
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
	for _, x := range part.xs {
		j.acked[x.id.Gen[1]] = x.tree.N()
	}
	return nil
}

// check looks at a store that was opened after a crash.
func (j *voyage) check(t *testing.T, s *Store) {
	t.Helper()
	audited(t, s)
	for i, n := range j.acked {
		rec, _, ok, err := s.Find(fleetID(i))
		must(t, err)
		if !ok {
			if n > 0 {
				t.Errorf("copy %d is gone", i)
			}
			continue
		}
		if rec.N < n {
			t.Errorf("copy %d has %d bytes, and %d were acknowledged", i, rec.N, n)
		}
		r, err := s.record(rec.ID)
		must(t, err)
		b, err := os.ReadFile(s.pathOf(r))
		if err != nil && rec.N > 0 {
			t.Error(err)
		}
		if !bytes.Equal(b, source(i, rec.N)) {
			t.Errorf("copy %d has %d bytes of %d, or others than its source", i, len(b), rec.N)
		}
	}
	if ps := s.Problems(); len(ps) > 0 {
		t.Errorf("problems: %v", ps)
	}
}

// A crash anywhere while small appends are made durable, and then once more anywhere in
// the start that follows: what was acknowledged is there, byte for byte, and the work
// goes on to the same end. With a kill, and with a cut of the power.
func TestF31LogCrash(t *testing.T) {
	for _, powered := range []bool{false, true} {
		var ops []string
		for at := 0; at == 0 || at < 2*len(ops); at++ {
			f := &fate{at: (at + 1) / 2, after: at%2 == 0, log: 1 << 10}
			if powered {
				f.power = newPower(uint64(at))
			}
			t.Run(fmt.Sprintf("%v %d", powered, at), func(t *testing.T) { sunk(t, f) })
			if at == 0 {
				ops = f.ops
				if n := strings.Count(strings.Join(ops, " "), "synclog"); n < 15 {
					t.Fatalf("only %d syncs of the log: %q", n, ops)
				}
			}
		}
	}
}

// sunk runs a voyage until its fate, another start with a fate of its own, and then the
// rest.
func sunk(t *testing.T, f *fate) {
	f.dir = quick(t)
	defer os.RemoveAll(f.dir)
	o := Options{logSize: f.log}
	j := &voyage{}
	random := rand.New(rand.NewPCG(uint64(f.at), 1))
	for try := range 2 {
		dying := o
		dying.around = f.around
		if s, err := Open(f.dir, dying); err == nil {
			_ = j.run(s)
			s.Close()
		}
		if f.power != nil {
			f.power.cut(t, f.dir)
		}
		if f.at == 0 {
			break
		}
		if try == 0 {
			f = &fate{dir: f.dir, at: 1 + random.IntN(8), after: random.IntN(2) == 0, power: f.power, log: f.log}
		}
	}
	s := opened(t, f.dir, o)
	defer s.Close()
	j.check(t, s)
	must(t, j.run(s))
	s = reopened(t, s, Options{logSize: -1})
	j.check(t, s)
	for i, n := range j.acked {
		if rec := found(t, s, fleetID(i)); rec.State != replica.Sealed || n < 2000 {
			t.Errorf("copy %d is %v with %d bytes", i, rec.State, rec.N)
		}
	}
}

const childDir = "STORE_TEST_CHILD"

// child grows copies until it is killed, and tells what was acknowledged.
func child(dir string) error {
	s, err := Open(dir, Options{logSize: 64 << 10})
	if err != nil {
		return err
	}
	f := &fleet{s: s}
	for i := range 20 {
		x, err := try(s, fleetID(i), fmt.Sprintf("log/%d", i))
		if err != nil {
			return err
		}
		f.xs = append(f.xs, x)
	}
	for {
		n := f.xs[0].tree.N()
		line := source(0, n+64)[n:]
		if err := f.grow(line); err != nil {
			return err
		}
		if _, err := fmt.Println(n + 64); err != nil {
			return err
		}
	}
}

// A kill -9 at any time, with 20 copies that grow.
func TestF29LogKill9(t *testing.T) {
	dir := quick(t)
	for round := range 8 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childDir+"="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		lines := bufio.NewScanner(out)
		acked := int64(0)
		for n := 1 + rand.IntN(150); n > 0 && lines.Scan(); n-- {
			acked, err = strconv.ParseInt(lines.Text(), 10, 64)
			must(t, err)
		}
		must(t, cmd.Process.Kill())
		rest, _ := io.ReadAll(out)
		_ = cmd.Wait()
		s := opened(t, dir, Options{})
		audited(t, s)
		least := int64(1 << 60)
		for i := range 20 {
			rec := found(t, s, fleetID(i))
			b, err := os.ReadFile(filepath.Join(dir, "web1", "log", fmt.Sprint(i)))
			must(t, err)
			if rec.N < acked || !bytes.Equal(b, source(0, rec.N)) {
				t.Errorf("round %d: copy %d has %d bytes, or others than its source; %d were acknowledged, and then %q", round, i, rec.N, acked, rest)
			}
			least = min(least, rec.N)
		}
		if least == 0 {
			t.Error("nothing was shipped")
		}
		must(t, s.Close())
	}
}
