package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A vault is a receiver in a process of its own, and a machine that has joined it.
type vault struct {
	t         *testing.T
	store     string
	addr      string
	args      []string // more of the receiver's
	under     []string // what runs the receiver; none: we do
	hub, here []string // the environments of the two
	name      string   // what the machine calls the receiver
	receiver  *process
}

// newVault starts the receiver and joins it as web1.
func newVault(t *testing.T, args ...string) *vault {
	t.Helper()
	ln := listener(t)
	v := &vault{t: t, store: filepath.Join(quick(t), "store"), addr: ln.Addr().String(), args: args}
	ln.Close()
	v.receive()
	token := v.exec(v.hub, "invite", "-q", "--advertise", v.addr, "--name", "web1")
	v.exec(nil, "join", "-q", strings.TrimSpace(token), "--name", "web1")
	v.name = strings.Fields(v.exec(v.here, "key", "list"))[0]
	return v
}

// quick returns a directory where an fsync costs little, if there is one.
func quick(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "flv")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// receive starts the receiver, again.
func (v *vault) receive() {
	v.t.Helper()
	line := slices.Concat(v.under, []string{"fairlead", "receive", "--store", v.store, "--listen", v.addr}, v.args)
	p := newProcess(v.t, line[0], line[1:]...)
	if v.hub == nil {
		v.hub = p.cmd.Env
	}
	p.cmd.Env = v.hub
	v.receiver = p.start()
	p.errs.waitFor(v.t, `"msg":"receiving"`)
}

// ship starts a sender.
func (v *vault) ship(args ...string) *process {
	v.t.Helper()
	p := newProcess(v.t, "fairlead", append([]string{"ship", "--to", v.name}, args...)...)
	p.cmd.Env = v.here
	return p.start()
}

// exec runs a command to its end and returns what it prints. A nil env is the
// machine's, which is kept.
func (v *vault) exec(env []string, args ...string) string {
	v.t.Helper()
	p := newProcess(v.t, "fairlead", args...)
	if env == nil {
		if v.here == nil {
			v.here = p.cmd.Env
		}
		env = v.here
	}
	p.cmd.Env = env
	p.start()
	if state := p.wait(); !state.Success() {
		v.t.Fatalf("fairlead %q ended with %v: %s", args, state, p.errs.String())
	}
	return p.out.String()
}

// copiesOf returns the copies of a log: the files whose names begin with its name.
func (v *vault) copiesOf(path string) (contents [][]byte, names []string) {
	v.t.Helper()
	list, err := filepath.Glob(filepath.Join(v.store, "web1", path) + "*")
	if err != nil {
		v.t.Fatal(err)
	}
	for _, name := range list {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, nil // it was renamed just now
		}
		if len(b) > 0 {
			contents, names = append(contents, b), append(names, name)
		}
	}
	return contents, names
}

// wantCopies waits until the copies of a log are those generations, and no others.
func (v *vault) wantCopies(path string, generations [][]byte, senders ...*process) {
	v.t.Helper()
	var have [][]byte
	var names []string
	if until(func() bool {
		have, names = v.copiesOf(path)
		left := slices.Clone(have)
		for _, want := range generations {
			if len(want) == 0 {
				continue
			}
			i := slices.IndexFunc(left, func(b []byte) bool { return bytes.Equal(b, want) })
			if i < 0 {
				return false
			}
			left = slices.Delete(left, i, i+1)
		}
		return len(left) == 0
	}) {
		return
	}
	var b strings.Builder
	for i, g := range generations {
		fmt.Fprintf(&b, "written %d: %d bytes %.30q\n", i, len(g), g)
	}
	for i, g := range have {
		fmt.Fprintf(&b, "copy %s: %d bytes %.30q\n", names[i], len(g), g)
	}
	for _, p := range senders {
		fmt.Fprintf(&b, "sender:\n%s\n", p.errs.String())
	}
	v.t.Fatalf("the copies of %s are not what was written:\n%s\nreceiver:\n%s", path, b.String(), v.receiver.errs.String())
}

// A rotor writes a log that is rotated in one of the ways there are, and remembers
// each generation.
type rotor struct {
	path string
	how  string // rename, copy, delete, shift, "shift, copy", grow

	f    *os.File
	n    int
	gens [][]byte
}

func newRotor(path, how string) (*rotor, error) {
	r := &rotor{path: path, how: how}
	return r, r.open()
}

func (r *rotor) open() (err error) {
	r.gens = append(r.gens, nil)
	r.f, err = os.OpenFile(r.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	return err
}

// write appends some lines.
func (r *rotor) write(lines int) error {
	var b []byte
	for range lines {
		r.n++
		b = fmt.Appendf(b, "%s %s line %d of generation %d, which is as long as lines are\n", filepath.Base(r.path), r.how, r.n, len(r.gens))
	}
	g := &r.gens[len(r.gens)-1]
	*g = append(*g, b...)
	_, err := r.f.Write(b)
	return err
}

// turn ends a generation. Nothing is removed that was not shipped: have says what
// was.
func (r *rotor) turn() error {
	old := fmt.Sprintf("%s.%d", r.path, len(r.gens))
	how, shifts := strings.CutPrefix(r.how, "shift")
	if shifts { // as logrotate does: the newest is .1
		old = r.path + ".1"
		for n := len(r.gens) - 1; n > 0; n-- {
			if err := os.Rename(fmt.Sprintf("%s.%d", r.path, n), fmt.Sprintf("%s.%d", r.path, n+1)); err != nil {
				return err
			}
		}
	}
	switch strings.TrimPrefix(how, ", ") {
	case "rename", "":
		if err := os.Rename(r.path, old); err != nil {
			return err
		}
	case "copy":
		b, err := os.ReadFile(r.path)
		if err == nil {
			err = os.WriteFile(old, b, 0o644)
		}
		if err == nil {
			err = r.f.Truncate(0)
		}
		r.gens = append(r.gens, nil)
		return err
	case "delete":
		if err := os.Remove(r.path); err != nil {
			return err
		}
	}
	r.f.Close()
	return r.open()
}

// rounds is how often a test kills: a few times, or many by night.
func rounds(few, many int) int {
	if os.Getenv("FAIRLEAD_NIGHT") != "" {
		return many
	}
	return few
}

// PROMISE ship: through renames, copytruncate and deletions, with both ends killed
// again and again, each generation arrives byte for byte, once, and no other byte.
func TestPromiseShip(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	dir := quick(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 0))
	var rotors []*rotor
	for _, how := range []string{"rename", "copy", "delete", "grow"} {
		for i := range 2 {
			r, err := newRotor(filepath.Join(dir, fmt.Sprintf("%s%d.log", how, i)), how)
			if err != nil {
				t.Fatal(err)
			}
			rotors = append(rotors, r)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	sender := v.ship(dir)
	kills := 0
	for range rounds(5, 20) {
		for range 20 {
			for _, r := range rotors {
				must(r.write(1 + dice.IntN(400)))
				// Only a receiver that has it all lets what is deleted, or cut, be compared.
				if r.how != "grow" && dice.IntN(8) == 0 {
					if r.how != "rename" {
						v.wantCopies(r.path, r.gens, sender)
					}
					must(r.turn())
				}
			}
		}
		kills++
		if kill := dice.IntN(3); kill != 0 {
			sender.signal(syscall.SIGKILL)
			sender.wait()
			if kill == 2 {
				kills++
				v.receiver.signal(syscall.SIGKILL)
				v.receiver.wait()
				v.receive()
			}
			sender = v.ship(dir)
		} else {
			v.receiver.signal(syscall.SIGKILL)
			v.receiver.wait()
			v.receive()
		}
	}
	lines, gens := 0, 0
	for _, r := range rotors {
		must(r.write(1))
		v.wantCopies(r.path, r.gens, sender)
		lines, gens = lines+r.n, gens+len(r.gens)
	}
	if list, err := os.ReadFile(filepath.Join(stateDirOf(v.here), "ship", "lost")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("losses are listed, and there were none: %q, %v", list, err)
	}
	t.Logf("%d lines in %d generations, %d kills", lines, gens, kills)
	sender.signal(syscall.SIGTERM)
	if state := sender.wait(); !state.Success() {
		t.Errorf("the sender ended with %v: %s", state, sender.errs.String())
	}
	v.receiver.signal(syscall.SIGTERM)
	if state := v.receiver.wait(); !state.Success() {
		t.Errorf("the receiver ended with %v: %s", state, v.receiver.errs.String())
	}
}

// grower writes to a file until it is stopped, and returns what it wrote.
func grower(t *testing.T, path string) (stop func() []byte) {
	t.Helper()
	r, err := newRotor(path, "grow")
	if err != nil {
		t.Fatal(err)
	}
	end := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-end:
				return
			case <-tick.C:
				if err := r.write(200); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	return sync.OnceValue(func() []byte {
		close(end)
		wg.Wait()
		r.f.Close()
		return r.gens[0]
	})
}

// F29, F30: the receiver, or the sender, is killed while bytes flow. The copy is a
// prefix of its source at any time, and the whole of it in the end. A sender whose
// state is deleted finds it again.
func TestF29F30Kill(t *testing.T) {
	for _, c := range []struct {
		name string
		kill func(v *vault, sender *process, dir string) *process
	}{
		{"F29 receiver", func(v *vault, sender *process, _ string) *process {
			v.receiver.signal(syscall.SIGKILL)
			v.receiver.wait()
			v.receive()
			return sender
		}},
		{"F30 sender", func(v *vault, sender *process, dir string) *process {
			sender.signal(syscall.SIGKILL)
			sender.wait()
			return v.ship(dir)
		}},
		{"F30 sender without state", func(v *vault, sender *process, dir string) *process {
			sender.signal(syscall.SIGKILL)
			sender.wait()
			state := stateDirOf(v.here)
			for _, name := range []string{"ship", "generations"} {
				if err := os.RemoveAll(filepath.Join(state, name)); err != nil {
					v.t.Fatal(err)
				}
			}
			return v.ship(dir)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v := newVault(t)
			dir := quick(t)
			path := filepath.Join(dir, "app.log")
			sender := v.ship(dir)
			stop := grower(t, path)
			defer stop()
			var seen int
			for range rounds(3, 20) {
				if !until(func() bool {
					have, _ := v.copiesOf(path)
					return len(have) == 1 && len(have[0]) > seen+100_000
				}) {
					t.Fatalf("it does not grow beyond %d: %s", seen, sender.errs.String())
				}
				sender = c.kill(v, sender, dir)
				if have, _ := v.copiesOf(path); len(have) == 1 {
					seen = len(have[0])
				}
			}
			v.wantCopies(path, [][]byte{stop()}, sender)
		})
	}
}

// F28: calls of the receiver are interrupted, again and again: what they were to do is
// done all the same, once.
func TestF28Interrupted(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	v.receiver.signal(syscall.SIGTERM)
	v.receiver.wait()
	trace := filepath.Join(t.TempDir(), "trace")
	calls := "pwrite64,write,ftruncate,renameat2" // and none that the loader makes
	v.under = []string{"strace", "-D", "-f", "-qq", "-o", trace, "-e", "trace=" + calls, "-e", "inject=" + calls + ":error=EINTR:when=2+3"}
	if out, err := exec.Command("strace", "-o", trace, "-e", "inject=close:error=EINTR:when=1000", "true").CombinedOutput(); err != nil {
		t.Skipf("needs strace, and to be let use it: %v: %s", err, out)
	}
	v.receive()
	dir := quick(t)
	sender := v.ship(dir)
	r, err := newRotor(filepath.Join(dir, "app.log"), "rename")
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if err := r.write(5000); err != nil {
			t.Fatal(err)
		}
		v.wantCopies(r.path, r.gens, sender)
		if err := r.turn(); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.write(1); err != nil {
		t.Fatal(err)
	}
	v.wantCopies(r.path, r.gens, sender)
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	n := strings.Count(string(text), "EINTR")
	if t.Logf("%d calls were interrupted", n); n == 0 {
		t.Error("no call was interrupted")
	}
}

// stateDirOf is the state directory of an environment.
func stateDirOf(env []string) string {
	for _, e := range env {
		if dir, ok := strings.CutPrefix(e, "XDG_STATE_HOME="); ok {
			return filepath.Join(dir, "fairlead")
		}
	}
	return ""
}

// F35: a second one on a state, or a store, ends at once and names the first.
func TestF35TwoOnOneState(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	file := writeFile(t, filepath.Join(quick(t), "a.log"), "x\n")
	sender := v.ship(file)
	sender.errs.waitFor(t, "connected to the receiver")
	second := v.ship(file)
	if state := second.wait(); state.ExitCode() != exitFailed || !strings.Contains(second.errs.String(), fmt.Sprintf("process %d", sender.cmd.Process.Pid)) {
		t.Errorf("a second sender: %v, %q, want code 1 and the pid %d", state, second.errs.String(), sender.cmd.Process.Pid)
	}
	other := newProcess(t, "fairlead", "receive", "--store", v.store, "--listen", "127.0.0.1:0").start()
	if state := other.wait(); state.ExitCode() != exitFailed || !strings.Contains(other.errs.String(), fmt.Sprintf("process %d", v.receiver.cmd.Process.Pid)) {
		t.Errorf("a second receiver: %v, %q, want code 1 and the pid %d", state, other.errs.String(), v.receiver.cmd.Process.Pid)
	}
	// Under another name the same files can be sent once more, and nobody is fenced;
	// the receiver has one writer for each copy.
	third := v.ship("--name", "other", file)
	third.errs.waitFor(t, "connected to the receiver")
	if strings.Contains(sender.errs.String(), "not connected") {
		t.Errorf("the first was fenced: %s", sender.errs.String())
	}
}

// F38: a sender that vanished without a word does not keep its successor out.
func TestF38VanishedSender(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	dir := quick(t)
	file := writeFile(t, filepath.Join(dir, "a.log"), "one\n")
	sender := v.ship(dir)
	v.wantCopies(file, [][]byte{[]byte("one\n")}, sender)
	sender.signal(syscall.SIGSTOP)
	// What a machine does that was reset and starts again: its lock is gone, its state
	// and key are there.
	clone := quick(t)
	if err := os.CopyFS(clone, os.DirFS(filepath.Dir(stateDirOf(v.here)))); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(clone, "fairlead", "key"), 0o600); err != nil { // CopyFS adds permissions
		t.Fatal(err)
	}
	p := newProcess(t, "fairlead", "ship", "--to", v.name, dir)
	for i, e := range p.cmd.Env {
		if strings.HasPrefix(e, "XDG_STATE_HOME=") {
			p.cmd.Env[i] = "XDG_STATE_HOME=" + clone
		}
	}
	if err := appendTo(file, "two\n"); err != nil {
		t.Fatal(err)
	}
	p.start()
	v.wantCopies(file, [][]byte{[]byte("one\ntwo\n")}, p)
	sender.signal(syscall.SIGCONT)
	sender.errs.waitFor(t, "another connection of this sender took over")
}

// F42: connections that stop in the middle of the handshake hold up nobody who is
// there already.
func TestF42HandshakeFlood(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	dir := quick(t)
	file := writeFile(t, filepath.Join(dir, "a.log"), "one\n")
	sender := v.ship(dir)
	v.wantCopies(file, [][]byte{[]byte("one\n")}, sender)
	for range rounds(200, 5000) {
		c, err := net.Dial("tcp", v.addr)
		if err != nil {
			break // there is a limit for each address
		}
		defer c.Close()
		c.Write([]byte{0x16, 3, 1, 2, 0, 1})
	}
	began := time.Now()
	if err := appendTo(file, "two\n"); err != nil {
		t.Fatal(err)
	}
	v.wantCopies(file, [][]byte{[]byte("one\ntwo\n")}, sender)
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("beside a flood a line took %v", took)
	}
	if strings.Contains(sender.errs.String(), "not connected") {
		t.Errorf("the sender lost its connection: %s", sender.errs.String())
	}
}

// T11: what the quota, or the high-water mark, does not let in is said at both ends.
func TestT11NoRoom(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"quota", []string{"--quota", "10kB"}, "quota"},
		{"files", []string{"--quota-files", "1"}, "quota"},
		{"high water", []string{"--high-water", "1", "--store", t.TempDir()}, "high-water|full"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v := newVault(t, c.args...)
			dir := quick(t)
			for _, name := range []string{"a.log", "b.log"} {
				writeFile(t, filepath.Join(dir, name), strings.Repeat("a line\n", 2000))
			}
			sender := v.ship(dir)
			sender.errs.waitFor(t, `the receiver does not take a file; trying again[^\n]*(`+c.want+`)`)
			q := newProcess(t, "fairlead", "status")
			q.cmd.Env = v.here
			q.start().wait()
			if !regexp.MustCompile(`is not taken by \S+: .*(` + c.want + `)`).MatchString(q.out.String()) {
				t.Errorf("status of the sender: %s", q.out.String())
			}
		})
	}
}

// T13: a key that is not trusted is turned away; one that is removed loses its
// connection within seconds.
func TestKeyRemoved(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	dir := quick(t)
	file := writeFile(t, filepath.Join(dir, "a.log"), "one\n")
	sender := v.ship(dir)
	v.wantCopies(file, [][]byte{[]byte("one\n")}, sender)
	began := time.Now()
	v.exec(v.hub, "key", "remove", "web1")
	sender.errs.waitFor(t, "not connected to the receiver; trying again")
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the connection ended after %v, want within 5 s", took)
	}
	v.receiver.errs.waitFor(t, "a machine that is not trusted was turned away")
	if err := appendTo(file, "two\n"); err != nil {
		t.Fatal(err)
	}
	if have, _ := v.copiesOf(file); len(have) != 1 || string(have[0]) != "one\n" {
		t.Errorf("copies %q, want what came while it was trusted", have)
	}
}
