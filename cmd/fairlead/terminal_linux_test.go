package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// openTerminal returns both ends of a pseudo terminal.
func openTerminal(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("needs a pseudo terminal: %v", err)
	}
	t.Cleanup(func() { ours.Close() })
	if err := unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}

// onTerminal runs the program on a terminal and returns what appears there.
func onTerminal(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	ours, theirs := openTerminal(t)
	p := newProcess(t, "fairlead", args...)
	p.cmd.Env = append(append(p.cmd.Env, "TERM=xterm"), env...)
	p.cmd.Stdout, p.cmd.Stderr = theirs, theirs
	p.start()
	theirs.Close()
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := ours.Read(buf)
			p.out.Write(buf[:n])
			if err != nil {
				return // the last of them has closed its end
			}
		}
	}()
	return p
}

const hostile = "\x1b[31mred\x1b]0;title\x07 \x9b31m \u009b \u202e \x7f\tend\n"

// T16: what a terminal could take for a command is text there. The file's name
// is of unknown origin too.
func TestT16Terminal(t *testing.T) {
	dir := t.TempDir()
	file := writeFile(t, filepath.Join(dir, "a\x1b[2J.log"), hostile)
	other := writeFile(t, filepath.Join(dir, "b.log"), "plain\n")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"tail", file, other}, `\x1b[31mred\x1b]0;title\x07 \x9b31m \u009b \u202e \u007f`},
		{[]string{"tail", "-o", "json", file}, `"raw_b64":`},
		{[]string{"tail", file + "-missing"}, `a\x1b[2J.log-missing`},
		{[]string{"why", file}, `a\x1b[2J.log would be collected`},
		{[]string{"serve", "--listen", "127.0.0.1:0", "--http", "off", file}, `serving /`},
	} {
		p := onTerminal(t, nil, c.args...)
		if p.out.waitFor(t, quoteMeta(c.want)); c.args[0] == "serve" {
			p.signal(syscall.SIGTERM)
		}
		p.wait()
		for _, r := range strings.ReplaceAll(p.out.String(), "\r\n", "\n") { // CR is the terminal's own
			if unsafeOnTerminal(r) {
				t.Errorf("%q on a terminal: %q has %U", c.args, p.out.String(), r)
			}
		}
	}
	p := onTerminal(t, nil, "tail", "--raw", file)
	p.out.waitFor(t, "end\r\n")
	if want := strings.ReplaceAll(hostile, "\n", "\r\n"); p.out.String() != want {
		t.Errorf("tail --raw on a terminal = %q, want %q", p.out.String(), want)
	}
}

func quoteMeta(s string) string {
	return strings.NewReplacer(`\`, `\\`, "[", `\[`, ".", `\.`).Replace(s)
}

// Into a pipe every byte goes as it is.
func TestT16Pipe(t *testing.T) {
	file := writeFile(t, filepath.Join(t.TempDir(), "a.log"), hostile)
	p := newProcess(t, "fairlead", "tail", file).start()
	p.wait()
	if got := p.out.String(); got != hostile {
		t.Errorf("tail into a pipe = %q, want %q", got, hostile)
	}
}

// Colour is for terminals, unless somebody said no.
func TestColor(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.log")
	for _, c := range []struct {
		env  string
		args []string
		want bool
	}{
		{"X=", nil, true},
		{"NO_COLOR=1", nil, false},
		{"TERM=dumb", nil, false},
		{"X=", []string{"--color=never"}, false},
		{"NO_COLOR=1", []string{"--color=always"}, true},
	} {
		p := onTerminal(t, []string{c.env}, append([]string{"tail", "-F", missing}, c.args...)...)
		p.out.waitFor(t, "waiting for a file")
		p.signal(syscall.SIGTERM)
		p.wait()
		if got := strings.Contains(p.out.String(), "\x1b[33m"); got != c.want {
			t.Errorf("%s %v: coloured = %v, want %v: %q", c.env, c.args, got, c.want, p.out.String())
		}
	}
}

// A mirror shows on a terminal where the copy is; elsewhere it shows nothing.
func TestMirrorBar(t *testing.T) {
	dir := t.TempDir()
	file := writeFile(t, filepath.Join(dir, "a.log"), "one\n")
	s := newProcess(t, "fairlead", "serve", "--listen", "127.0.0.1:0", "--http", "off", file).start()
	p := onTerminal(t, nil, "mirror", s.serving(), filepath.Join(dir, "copy"))
	p.out.waitFor(t, "copy 4 B, nothing new")
	if err := appendTo(file, strings.Repeat("x", 9996)); err != nil {
		t.Fatal(err)
	}
	p.out.waitFor(t, "copy 10 kB, nothing new")
	p.signal(syscall.SIGTERM)
	if state := p.wait(); !state.Success() {
		t.Errorf("mirror ended with %v, want 0", state)
	}

	q := newProcess(t, "fairlead", "mirror", s.serving(), filepath.Join(dir, "other")).start()
	q.errs.waitFor(t, `"msg":"connected"`)
	q.signal(syscall.SIGTERM)
	q.wait()
	if strings.ContainsAny(q.errs.String(), "\r\x1b") || strings.Contains(q.errs.String(), "nothing new") {
		t.Errorf("mirror off a terminal: %q, want the log alone", q.errs.String())
	}
}

// A sender shows on a terminal how far it is, in one line that fits, and leaves the
// last; elsewhere it shows nothing.
func TestShipBar(t *testing.T) {
	v := newVault(t)
	dir := t.TempDir()
	file := writeFile(t, filepath.Join(dir, "a.log"), "one\n")
	p := onTerminal(t, v.here, "ship", "--to", v.name, dir)
	p.out.waitFor(t, v.name+" has all of 1 file, 4 B")
	if err := appendTo(file, strings.Repeat("x", 9996)); err != nil {
		t.Fatal(err)
	}
	p.out.waitFor(t, v.name+" has all of 1 file, 10 kB")
	v.receiver.signal(syscall.SIGTERM)
	v.receiver.wait()
	p.out.waitFor(t, v.name+": not connected")
	p.signal(syscall.SIGTERM)
	if state := p.wait(); !state.Success() {
		t.Errorf("ship ended with %v, want 0", state)
	}
	p.out.waitFor(t, `\n$`) // the shell's prompt begins a line
	for line := range strings.SplitSeq(p.out.String(), "\r\x1b[K") {
		if text, _, _ := strings.Cut(line, "\r\n"); strings.HasPrefix(text, v.name) && len([]rune(text)) > 79 {
			t.Errorf("the line %q is wider than a terminal", text)
		}
	}
	t.Logf("%q", p.out.String())
}
