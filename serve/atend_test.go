package serve_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"fairlead/serve"
)

// endings are the ways in which a generation ends.
var endings = map[string]func(t *testing.T, path string){
	"renamed":  func(t *testing.T, path string) { rename(t, path, path+".1") },
	"replaced": func(t *testing.T, path string) { write(t, path+".new", "next\n"); rename(t, path+".new", path) },
	"deleted": func(t *testing.T, path string) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	},
	"truncated": func(t *testing.T, path string) {
		if err := os.Truncate(path, 0); err != nil {
			t.Fatal(err)
		}
	},
}

func TestAtEndClose(t *testing.T) {
	for name, end := range endings {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "app.log")
			write(t, path, "one\n")
			r := start(t, &serve.Server{}, path)
			c, beyond := r.dial("0\n"), r.dial("1000\n")
			want(t, c, "one\n")
			r.clients(2)
			r.sent(4)
			end(t, path)
			wantEnd(t, c)
			wantEnd(t, beyond)
			c.Close()
			beyond.Close()
			await(t, func() bool { return r.resets("ended") == 2 }, "2 connections ended")

			os.Remove(path)
			write(t, path, "next\n") // the default: the next generation to new clients
			await(t, func() bool {
				cur := r.srv.Files.First().Stat().Current
				return cur != nil && cur.Size == 5
			}, "the next generation")
			want(t, r.dial("0\n"), "next\n")
		})
	}
}

// A client that lags gets all of its generation, whatever has become of the
// file, and then an end that is no reset: not even if it has sent more than we
// read, which makes a close a reset.
func TestAtEndCloseDeliversEverything(t *testing.T) {
	text := strings.Repeat("0123456789abcde\n", 1<<19)
	for _, name := range []string{"renamed", "replaced", "deleted"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "app.log")
			write(t, path, text)
			r := start(t, &serve.Server{}, path)
			c := r.dialSlow("0\n"+strings.Repeat("never read ", 10_000), 4<<10)
			want(t, c, text[:16])
			endings[name](t, path)
			await(t, func() bool {
				st := r.srv.Files.First().Stat()
				return len(st.Old) == 1 && st.Old[0].End != nil
			}, "the end of the generation")
			got, err := io.ReadAll(c)
			if err != nil || string(got) != text[16:] {
				t.Errorf("read %d bytes, %v, want %d and the end", len(got), err, len(text)-16)
			}
		})
	}
}

func TestAtEndFollow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, "one\n")
	r := start(t, &serve.Server{AtEnd: serve.AtEndFollow}, path).web()
	c := r.dial("0\n")
	want(t, c, "one\n")
	old, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	rename(t, path, path+".1")
	io.WriteString(old, "one more\n") // still of the first
	want(t, c, "one more\n")
	appendTo(t, path, "two\n")
	want(t, c, "two\n")

	io.WriteString(old, "late\n")
	appendTo(t, path, "two more\n")
	want(t, c, "two more\n") // and nothing of what came late
	r.sent(int64(len("one\none more\ntwo\ntwo more\n")))
	await(t, func() bool { return r.srv.Stats().LateBytes == 5 }, "5 late bytes")
	gen := r.srv.Files.First().Stat().Old[0].ID.String()
	if got := r.get("/logs/app.log?gen="+gen, nil); got.status != 200 || got.body != "one\none more\nlate\n" {
		t.Errorf("GET ?gen=%s = %d %q, want all of the first generation", gen, got.status, got.body)
	}

	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { return r.srv.Files.First().Stat().Current.Size == 0 }, "the truncation")
	appendTo(t, path, "three\n")
	want(t, c, "three\n")
}

func TestAtEndLinger(t *testing.T) {
	for _, name := range []string{"renamed", "replaced", "deleted"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "app.log")
			write(t, path, "one\n")
			r := start(t, &serve.Server{AtEnd: serve.AtEndLinger}, path)
			old, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer old.Close()
			before := r.dial("0\n")
			want(t, before, "one\n")
			endings[name](t, path)
			if name == "renamed" {
				write(t, path, "next\n")
			}
			r.sawEnd()

			after, tail := r.dial("0\n"), r.dial("-3\n")
			want(t, after, "one\n")
			want(t, tail, "ne\n")
			io.WriteString(old, "two\n")
			for _, c := range []io.Reader{before, after, tail} {
				want(t, c, "two\n")
			}
			r.stop()
			for _, c := range []net.Conn{before, after, tail} {
				wantEnd(t, c)
				c.Close()
			}
			<-r.done
			if r.err != nil {
				t.Errorf("Serve = %v, want nil", r.err)
			}
		})
	}
}

// The files are held before the first client is let in: one that is deleted right
// then is served all the same.
func TestAtEndLingerHoldsFirst(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, "one\n")
	r := startBehind(t, &serve.Server{AtEnd: serve.AtEndLinger}, func(ln net.Listener) net.Listener {
		return &earlyListener{Listener: ln, accepting: func() { os.Remove(path) }}
	}, path)
	c := r.dial("0\n")
	want(t, c, "one\n")
	c.Close()
}

// An earlyListener does something before the first connection is accepted.
type earlyListener struct {
	net.Listener
	once      sync.Once
	accepting func()
}

func (l *earlyListener) Accept() (net.Conn, error) {
	l.once.Do(l.accepting)
	return l.Listener.Accept()
}

// sent waits until so many bytes were sent, and checked: a file that is
// truncated before that is a reset.
func (r *rig) sent(n int64) {
	r.t.Helper()
	await(r.t, func() bool { return r.srv.Stats().SentBytes == n }, "%d bytes sent", n)
}

// sawEnd waits until the first generation has left its path and ended.
func (r *rig) sawEnd() {
	r.t.Helper()
	await(r.t, func() bool {
		st := r.srv.Files.First().Stat()
		return len(st.Old) > 0 && st.Old[0].End != nil
	}, "the end of the first generation")
}

// What lingers is the file: truncated it is a new generation of it.
func TestAtEndLingerTruncated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, "one\n")
	r := start(t, &serve.Server{AtEnd: serve.AtEndLinger}, path)
	c := r.dial("0\n")
	want(t, c, "one\n")
	r.sent(4)
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, c)
	c.Close()
	appendTo(t, path, "two\n")
	want(t, r.dial("0\n"), "two\n")
	rename(t, path, path+".1")
	r.clients(1)
	await(t, func() bool { return r.srv.Files.First().Stat().Current == nil }, "the rename")
	want(t, r.dial("0\n"), "two\n")
}

func TestAtEndExit(t *testing.T) {
	text := strings.Repeat("0123456789abcde\n", 1<<19)
	for _, name := range []string{"renamed", "replaced", "deleted"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "app.log")
			write(t, path, text)
			r := start(t, &serve.Server{AtEnd: serve.AtEndExit}, path)
			idle, lags := r.dial("-1\n"), r.dialSlow("0\n", 4<<10)
			want(t, idle, "\n")
			want(t, lags, text[:16])
			endings[name](t, path)
			wantEnd(t, idle)
			idle.Close()
			got, err := io.ReadAll(lags)
			if err != nil || string(got) != text[16:] {
				t.Errorf("read %d bytes, %v, want %d and the end", len(got), err, len(text)-16)
			}
			lags.Close()
			<-r.done
			if !errors.Is(r.err, serve.ErrFileGone) {
				t.Errorf("Serve = %v, want ErrFileGone", r.err)
			}
		})
	}
}

// tailsrv lives on when its file is truncated.
func TestAtEndExitNotWhenTruncated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, "one\n")
	r := start(t, &serve.Server{AtEnd: serve.AtEndExit}, path)
	c := r.dial("0\n")
	want(t, c, "one\n")
	r.sent(4)
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, c)
	c.Close()
	appendTo(t, path, "two\n")
	want(t, r.dial("0\n"), "two\n")
}

// Of several files the last one to go ends Serve.
func TestAtEndExitOfSeveralFiles(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.log"), filepath.Join(dir, "b.log")
	write(t, a, "in a\n")
	write(t, b, "in b\n")
	r := start(t, &serve.Server{AtEnd: serve.AtEndExit}, a, b)
	ca, cb := r.dial("a.log 0\n"), r.dial("b.log 0\n")
	want(t, ca, "in a\n")
	want(t, cb, "in b\n")
	os.Remove(a)
	wantEnd(t, ca)
	ca.Close()
	appendTo(t, b, "more\n")
	want(t, cb, "more\n")
	os.Remove(b)
	wantEnd(t, cb)
	cb.Close()
	<-r.done
	if !errors.Is(r.err, serve.ErrFileGone) {
		t.Errorf("Serve = %v, want ErrFileGone", r.err)
	}
}

// A response is what a test wants to know of an answer.
type response struct {
	status int
	header http.Header
	body   string
	err    error // of reading the body
}

func (r *rig) get(path string, header http.Header) response {
	r.t.Helper()
	return r.do(http.MethodGet, path, header)
}

func (r *rig) do(method, path string, header http.Header) response {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.http+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	for key, vs := range header {
		req.Header[key] = vs
	}
	if host := header.Get("Host"); host != "" {
		req.Host = host
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return response{res.StatusCode, res.Header, string(body), err}
}
