package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// verify runs the command and returns how it ended, and what it says of each file: its
// outcome with the MiB that differ.
func (v *vault) verify(env []string, args ...string) (code int, said map[string]string, text string) {
	v.t.Helper()
	for _, output := range []string{"json", "text"} {
		p := newProcess(v.t, "fairlead", append([]string{"verify", "-o", output}, args...)...)
		p.cmd.Env = env
		p.start()
		code, text = p.wait().ExitCode(), p.out.String()
		if output == "text" {
			return code, said, text + p.errs.String()
		}
		var results []verifyResult
		if err := json.Unmarshal([]byte(text), &results); err != nil || len(results) != 1 {
			v.t.Fatalf("verify %q prints %v: %s%s", args, err, text, p.errs.String())
		}
		said = make(map[string]string)
		for _, f := range results[0].Files {
			outcome := f.Outcome
			for _, m := range f.Mismatches {
				outcome += fmt.Sprintf(", MiB %d: %s", m.MiB, m.Why)
			}
			said[filepath.Base(f.Path)+" "+outcome] = f.Path
		}
	}
	return code, said, text
}

// wants wants an exit code, these outcomes among those of all files, and texts.
func (v *vault) wants(what string, code int, said map[string]string, text string, wantCode int, want ...string) {
	v.t.Helper()
	if code != wantCode {
		v.t.Errorf("%s: exit code %d, want %d: %s", what, code, wantCode, text)
	}
	for _, w := range want {
		if _, ok := said[w]; !ok && !strings.Contains(text, w) {
			v.t.Errorf("%s: it says %v, want %q: %s", what, said, w, text)
		}
	}
}

// flipAt changes one bit of a file.
func flipAt(t *testing.T, path string, off int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err = f.ReadAt(b, off); err == nil {
		b[0] ^= 1
		_, err = f.WriteAt(b, off)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// F6, F33, T11: verify tells what was pruned, has gone, diverged, is longer, or was
// damaged, with a running sender and without; only a difference ends it with 6.
func TestF33VerifyOutcomes(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	dir := quick(t)
	text := strings.Repeat("a line of a log that is as long as lines are\n", 3<<20/45)
	file := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"damaged.log", "diverged.log", "gone.log", "longer.log", "plain.log"} {
		writeFile(t, file(name), name+"\n"+text)
	}
	pruned, err := newRotor(file("pruned.log"), "shift, copy")
	if err != nil {
		t.Fatal(err)
	}
	if err := pruned.write(100); err != nil {
		t.Fatal(err)
	}
	sender := v.ship(dir)
	v.wantCopies(pruned.path, pruned.gens, sender)
	if err := pruned.turn(); err != nil {
		t.Fatal(err)
	}
	if err := pruned.write(10); err != nil {
		t.Fatal(err)
	}
	sender.errs.waitFor(t, `"the receiver has all of a generation".*pruned.log`)
	for _, name := range []string{"damaged.log", "diverged.log", "gone.log", "longer.log", "plain.log"} {
		v.wantCopies(file(name), [][]byte{[]byte(name + "\n" + text)}, sender)
	}
	code, said, out := v.verify(v.here, "--to", v.name, "--full")
	v.wants("untouched", code, said, out, 0, "pruned.log equal", "gone.log equal", "no difference")

	// The receiver removes what ended.
	v.receiver.signal(syscall.SIGTERM)
	v.receiver.wait()
	v.args = []string{"--keep", "1ms"}
	v.receive()
	v.receiver.errs.waitFor(t, `to keep within keep and keep_bytes".*pruned.log`)
	sender.errs.waitFor(t, `(?s)connected to the receiver.*"connected to the receiver`)
	code, said, out = v.verify(v.here, "--to", v.name, "--full")
	v.wants("pruned", code, said, out, 0, "pruned.log pruned", "pruned.log equal", "plain.log equal",
		"its bytes were removed, to keep within keep and keep_bytes")
	code, said, out = v.verify(v.hub, "--full")
	v.wants("pruned, in the store", code, said, out, 0, "pruned.log pruned")

	// While no sender runs one file grows, one is removed, and the middle of another
	// changes. Its hashes of before are lost, or the sender would trust them.
	sender.signal(syscall.SIGTERM)
	sender.wait()
	if err := appendTo(file("longer.log"), "more\n"); err != nil {
		t.Fatal(err)
	}
	code, said, out = v.verify(v.here, "--to", v.name, "--full", file("longer.log"))
	v.wants("longer", code, said, out, 0, "longer.log equal", "5 B not acknowledged yet")
	if err := os.Remove(file("gone.log")); err != nil {
		t.Fatal(err)
	}
	flipAt(t, file("diverged.log"), 1<<20+7)
	if err := os.RemoveAll(filepath.Join(stateDirOf(v.here), "ship", "leaves")); err != nil {
		t.Fatal(err)
	}
	code, said, out = v.verify(v.here, "--to", v.name, "--full", dir)
	v.wants("changed in the middle", code, said, out, exitMismatch, "diverged.log differs, MiB 1: other bytes", "diverged.log MiB 1 (from byte 1048576)")
	sender = v.ship(dir)
	sender.errs.waitFor(t, `is not what the file begins with.*diverged.log`)
	if !until(func() bool {
		code, said, out = v.verify(v.here, "--to", v.name, "--full")
		return code == 0 && said["diverged.log equal"] != "" && said["gone.log gone"] != ""
	}) {
		t.Errorf("a new copy, and what has gone: exit code %d, %v, %s", code, said, out)
	}
	v.wants("gone", code, said, out, 0, "gone.log gone", "it cannot be read here any more")
	sender.signal(syscall.SIGTERM)
	sender.wait()
	code, said, out = v.verify(v.here, "--to", v.name, "--full", dir)
	v.wants("by the ids of before", code, said, out, 0, "diverged.log diverged", "that copy stays, and another was begun")

	// Somebody writes into a copy: both ends tell, also with nothing running.
	flipAt(t, filepath.Join(v.store, "web1", file("damaged.log")), 2<<20+9)
	code, said, out = v.verify(v.here, "--to", v.name, "--full", dir)
	v.wants("damaged", code, said, out, exitMismatch, "damaged.log differs, MiB 2: other bytes", "damaged.log MiB 2 (from byte 2097152)", "1 MiB DIFFER")
	code, said, out = v.verify(v.hub, "--full")
	v.wants("damaged, in the store", code, said, out, exitMismatch, "damaged.log differs, MiB 2: other bytes than were acknowledged")
	v.receiver.signal(syscall.SIGTERM)
	v.receiver.wait()
	code, said, out = v.verify(v.hub, "--full", "--store", v.store)
	v.wants("damaged, in a store that nobody has open", code, said, out, exitMismatch, "damaged.log differs, MiB 2: other bytes than were acknowledged")
	if code, _, out := v.verify(v.hub, "--full", "--store", v.store, "web1:"+file("plain.log")); code != 0 {
		t.Errorf("a copy that is well: exit code %d, %s", code, out)
	}
}
