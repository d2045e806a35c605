package serve

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fairlead/logfile"
)

const mirrorPatience = 20 * time.Second

// A plainServer is the older tailsrv as a mirror sees it: it sends the file from
// the offset that was asked for, waits silently for one that is shorter, and
// closes when it is told to.
type plainServer struct {
	ln net.Listener
	wg sync.WaitGroup

	mu      sync.Mutex // guards what follows
	file    []byte
	changed chan struct{}
	asked   []string // headers
	conns   map[net.Conn]struct{}
}

func newPlainServer(t *testing.T, file string) *plainServer {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &plainServer{ln: ln, file: []byte(file), changed: make(chan struct{}), conns: make(map[net.Conn]struct{})}
	s.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns[c] = struct{}{}
			s.mu.Unlock()
			s.wg.Go(func() { s.client(c) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		s.rotate("")
		s.wg.Wait()
	})
	return s
}

func (s *plainServer) client(c net.Conn) {
	defer c.Close()
	header, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return
	}
	s.mu.Lock()
	s.asked = append(s.asked, strings.TrimSpace(header))
	s.mu.Unlock()
	off, err := strconv.Atoi(strings.TrimSpace(header[strings.LastIndexByte(header, ' ')+1:]))
	for err == nil {
		s.mu.Lock()
		_, open := s.conns[c]
		var rest []byte
		if off < len(s.file) {
			rest = bytes.Clone(s.file[off:])
		}
		changed := s.changed
		s.mu.Unlock()
		if !open {
			return
		}
		if len(rest) == 0 {
			<-changed
			continue
		}
		off += len(rest)
		_, err = c.Write(rest)
	}
}

// grow appends; rotate closes all connections, and then there is another file.
func (s *plainServer) grow(text string) { s.change(func() { s.file = append(s.file, text...) }) }
func (s *plainServer) rotate(file string) {
	s.change(func() {
		s.file = []byte(file)
		for c := range s.conns {
			c.Close()
		}
		clear(s.conns)
	})
}

func (s *plainServer) change(how func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	how()
	close(s.changed)
	s.changed = make(chan struct{})
}

// replace is rotate without a word to those who are connected.
func (s *plainServer) replace(file string) { s.change(func() { s.file = []byte(file) }) }

func (s *plainServer) headers() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.asked...)
}

// A running is a mirror that runs, and what it reports.
type running struct {
	*Mirror
	t      *testing.T
	stop   context.CancelFunc
	ended  chan error
	told   chan int64
	closed bool
}

func runMirror(t *testing.T, m *Mirror) *running {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), mirrorPatience)
	r := &running{Mirror: m, t: t, stop: cancel, ended: make(chan error, 1), told: make(chan int64, 1000)}
	m.Progress = func(size int64) { r.told <- size }
	if m.Retry == 0 {
		m.Retry = time.Millisecond
	}
	go func() { r.ended <- m.Run(ctx) }()
	t.Cleanup(func() { r.end() })
	return r
}

// reach waits until the copy has the size.
func (r *running) reach(size int) {
	r.t.Helper()
	for {
		select {
		case n := <-r.told:
			if n == int64(size) {
				return
			}
		case err := <-r.ended:
			r.t.Fatalf("Run = %v before the copy had %d bytes; stats %+v", err, size, r.Stats())
		}
	}
}

func (r *running) end() error {
	r.stop()
	if r.closed {
		return nil
	}
	r.closed = true
	return <-r.ended
}

func wantFile(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("%s = %.80q (%d bytes), %v, want %.80q (%d bytes)", filepath.Base(path), got, len(got), err, want, len(want))
	}
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// aside returns the copies that were moved aside.
func aside(t *testing.T, path string) []string {
	t.Helper()
	found, err := filepath.Glob(path + ".diverged-*")
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func lines(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "line %d of the log\n", i)
	}
	return b.String()
}

// Whatever the copy is when it begins, it is the server's file in the end, and
// nothing that was there before is gone.
func TestMirrorBegins(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) }) // after what is started below has ended
	file := lines(0, 100)
	for _, c := range []struct {
		name  string
		copy  string
		asked string
		moved bool
	}{
		{"no copy", "", "0", false},
		{"shorter than the probe", file[:10], "0", false},
		{"as long as the probe", file[:64], "0", false},
		{"longer", file[:500], "436", false},
		{"complete", file, strconv.Itoa(len(file) - 64), false},
		{"other short content", "other\n", "0", true},
		{"another end", file[:437] + strings.Repeat("x", 63), "436", true},
		{"one byte is another", file[:499] + "~", "436", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newPlainServer(t, file)
			path := filepath.Join(t.TempDir(), "copy")
			if c.copy != "" {
				write(t, path, c.copy)
			}
			r := runMirror(t, &Mirror{Addr: s.ln.Addr().String(), Path: path})
			s.grow("more\n")
			r.reach(len(file) + 5)
			if err := r.end(); err != nil {
				t.Errorf("Run = %v, want nil", err)
			}
			wantFile(t, path, file+"more\n")
			if got := s.headers()[0]; got != c.asked {
				t.Errorf("asked for %q, want %q", got, c.asked)
			}
			moved := aside(t, path)
			if len(moved) > 0 != c.moved {
				t.Fatalf("moved aside: %v, want %v", moved, c.moved)
			}
			if c.moved {
				wantFile(t, moved[0], c.copy)
			}
		})
	}
}

// The server closes when its file is rotated; the next connection finds that the
// end of the copy is not there.
func TestMirrorThroughRotations(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) }) // after what is started below has ended
	s := newPlainServer(t, lines(0, 50))
	path := filepath.Join(t.TempDir(), "copy")
	r := runMirror(t, &Mirror{Addr: s.ln.Addr().String(), Path: path})
	r.reach(len(lines(0, 50)))
	for gen := 1; gen <= 3; gen++ {
		next := lines(gen*1000, gen*1000+60)
		s.rotate(next)
		r.reach(len(next))
	}
	r.end()
	wantFile(t, path, lines(3000, 3060))
	if moved := aside(t, path); len(moved) != 3 || r.Stats().Diverged != 3 {
		t.Errorf("moved aside: %v, counted %d, want 3", moved, r.Stats().Diverged)
	}
}

// A connection that breaks is made again, and goes on where the copy ends.
func TestMirrorReconnects(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) }) // after what is started below has ended
	file := lines(0, 50)
	s := newPlainServer(t, file)
	path := filepath.Join(t.TempDir(), "copy")
	r := runMirror(t, &Mirror{Addr: s.ln.Addr().String(), Path: path})
	r.reach(len(file))
	for range 5 {
		file += lines(0, 3)
		s.rotate(file) // the same file, longer, and all connections closed
		r.reach(len(file))
	}
	r.end()
	wantFile(t, path, file)
	if st := r.Stats(); st.Connects < 6 || st.Diverged != 0 || st.Received != int64(len(file)) {
		t.Errorf("Stats() = %+v, want 6 connects or more, nothing diverged, %d received", st, len(file))
	}
}

// A server whose file is shorter than the copy says nothing. That is said, and
// the beginning of both is compared: another one is begun at once.
func TestMirrorOfShorterFile(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) }) // after what is started below has ended
	for _, c := range []struct {
		name, file string
		moved      bool
	}{
		{"another file", "another beginning\n", true},
		{"the same, cut", lines(0, 3), false},
		{"empty", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newPlainServer(t, c.file)
			path := write(t, filepath.Join(t.TempDir(), "copy"), lines(0, 50))
			r := runMirror(t, &Mirror{Addr: s.ln.Addr().String(), Path: path, Silence: 20 * time.Millisecond})
			if c.moved {
				r.reach(len(c.file))
				r.end()
				wantFile(t, path, c.file)
				wantFile(t, aside(t, path)[0], lines(0, 50))
				return
			}
			waitUntil(t, func() bool { return r.Stats().Waiting })
			wantFile(t, path, lines(0, 50))
			// It grows into what the copy has: then it goes on.
			s.replace(lines(0, 60))
			r.reach(len(lines(0, 60)))
			if r.Stats().Waiting {
				t.Errorf("Stats() = %+v, want no more waiting", r.Stats())
			}
			r.end()
			wantFile(t, path, lines(0, 60))
			if moved := aside(t, path); len(moved) > 0 {
				t.Errorf("moved aside: %v, want nothing", moved)
			}
		})
	}
}

// waitUntil asks again and again, bounded: the numbers of Stats wake nobody.
func waitUntil(t *testing.T, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	limit := time.After(mirrorPatience)
	for !cond() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal("it did not come to that")
		}
	}
}

// What is moved aside never takes the place of another file.
func TestMirrorMovesAsideBesideOthers(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "copy"), "content")
	now := time.Date(2026, 2, 3, 4, 5, 6, 7, time.FixedZone("", 3600))
	taken := write(t, path+".diverged-20260203T030506Z", "taken")
	alsoTaken := write(t, path+".diverged-20260203T030506Z.1", "also taken")
	c, err := openCopy(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	to, err := c.moveAside(now)
	if want := path + ".diverged-20260203T030506Z.2"; to != want || err != nil {
		t.Errorf("moveAside = %q, %v, want %q, nil", to, err, want)
	}
	wantFile(t, to, "content")
	wantFile(t, taken, "taken")
	wantFile(t, alsoTaken, "also taken")
}

// One mirror writes a copy; the next is told who does.
func TestMirrorLocks(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) }) // after what is started below has ended
	s := newPlainServer(t, "x\n")
	path := filepath.Join(t.TempDir(), "copy")
	r := runMirror(t, &Mirror{Addr: s.ln.Addr().String(), Path: path})
	r.reach(2)
	second := &Mirror{Addr: s.ln.Addr().String(), Path: path}
	err := second.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("is being written by process %d (", os.Getpid())) {
		t.Errorf("a second Run = %v, want an error that names process %d", err, os.Getpid())
	}
	r.end()
	if c, err := openCopy(path); err != nil {
		t.Errorf("open after the end = %v, want nil", err)
	} else {
		c.close()
	}
}

// A copy that somebody moved away is begun again.
func TestMirrorOfCopyThatWasMoved(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) }) // after what is started below has ended
	file := lines(0, 20)
	s := newPlainServer(t, file)
	path := filepath.Join(t.TempDir(), "copy")
	r := runMirror(t, &Mirror{Addr: s.ln.Addr().String(), Path: path})
	r.reach(len(file))
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	s.rotate(file)
	r.reach(len(file))
	r.end()
	wantFile(t, path, file)
	wantFile(t, path+".1", file)
}

func TestMirrorOnce(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) }) // after what is started below has ended
	s := newPlainServer(t, "all of it\n")
	path := filepath.Join(t.TempDir(), "copy")
	r := runMirror(t, &Mirror{Addr: s.ln.Addr().String(), Path: path, Once: true, Name: "a b.log"})
	r.reach(10)
	s.rotate("the next\n")
	if err := <-r.ended; err != nil {
		t.Errorf("Run = %v, want nil when the server closes", err)
	}
	r.closed = true
	wantFile(t, path, "all of it\n")
	if got := s.headers()[0]; got != "a b.log 0" {
		t.Errorf("asked for %q, want %q", got, "a b.log 0")
	}

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	m := &Mirror{Addr: ln.Addr().String(), Path: path, Once: true}
	if err := m.Run(t.Context()); !errors.Is(err, ErrUnreachable) {
		t.Errorf("Run with nobody there = %v, want %v", err, ErrUnreachable)
	}
}

func TestMirrorRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		m    *Mirror
		want string
	}{
		{&Mirror{Path: dir}, "is a directory"},
		{&Mirror{Path: filepath.Join(dir, "no", "copy")}, "no such file"},
		{&Mirror{Path: filepath.Join(dir, "copy"), Name: "a\nb"}, "no line break"},
		{&Mirror{Path: filepath.Join(dir, "copy"), Name: strings.Repeat("n", 300)}, "at most 200 bytes"},
	} {
		if err := c.m.Run(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Run of %q to %q = %v, want an error with %q", c.m.Name, c.m.Path, err, c.want)
		}
	}
}

// After an error the copy ends with what is durable, so that the rest is asked
// for again.
func TestMirrorCutsCopyAfterError(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "copy"), "durable")
	c, err := openCopy(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.append([]byte(" and not")); err != nil {
		t.Fatal(err)
	}
	c.out.Close() // every write fails from here on
	var local *copyError
	if err := c.append([]byte(" at all")); !errors.As(err, &local) {
		t.Errorf("append = %v, want a copyError", err)
	}
	c.close()
	wantFile(t, path, "durable")
}

// Against our own server, through a rotation, and with a name.
func TestMirrorOfServer(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) }) // after what is started below has ended
	dir := t.TempDir()
	source := write(t, filepath.Join(dir, "a.log"), lines(0, 500))
	write(t, filepath.Join(dir, "b.log"), "another\n")
	addr, stop := serveDir(t, dir)
	defer stop()
	path := filepath.Join(t.TempDir(), "copy")
	r := runMirror(t, &Mirror{Addr: addr, Path: path, Name: "a.log"})
	r.reach(len(lines(0, 500)))
	f, err := os.OpenFile(source, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(f, "more\n")
	f.Close()
	r.reach(len(lines(0, 500)) + 5)
	if err := os.Rename(source, source+".1"); err != nil {
		t.Fatal(err)
	}
	write(t, source, lines(700, 1300))
	r.reach(len(lines(700, 1300)))
	r.end()
	wantFile(t, path, lines(700, 1300))
	wantFile(t, aside(t, path)[0], lines(0, 500)+"more\n")
}

// serveDir serves a directory until stop is called.
func serveDir(t *testing.T, dir string) (addr string, stop func()) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	set := &logfile.Set{Quiet: 20 * time.Millisecond}
	if err := set.Add(dir); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	srv := &Server{Files: set, Drain: time.Second}
	var wg sync.WaitGroup
	wg.Go(func() { set.Run(ctx) })
	wg.Go(func() { srv.Serve(ctx, ln) })
	return ln.Addr().String(), func() {
		cancel()
		wg.Wait()
	}
}
