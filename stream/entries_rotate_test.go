package stream_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"fairlead/stream"
)

// until asks again and again.
func (x *shelf) until(what string, cond func() bool) {
	x.t.Helper()
	w := world{t: x.t}
	w.until(what, cond)
}

// A walk through a file that is renamed meanwhile goes on in the same bytes, and
// when they are gone it is told, with the time of the last of them.
func TestEntriesRotated(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(t *testing.T, x *shelf)
		gone bool
	}{
		"renamed": {func(t *testing.T, x *shelf) {
			if err := os.Rename(x.path, x.path+".1"); err != nil {
				t.Fatal(err)
			}
			x.write(numbered(5000, 1000))
		}, false},
		"renamed, then deleted": {func(t *testing.T, x *shelf) {
			if err := os.Rename(x.path, x.path+".1"); err != nil {
				t.Fatal(err)
			}
			x.write(numbered(5000, 1000))
			if err := os.Remove(x.path + ".1"); err != nil {
				t.Fatal(err)
			}
		}, true},
		"truncated": {func(t *testing.T, x *shelf) {
			if err := os.WriteFile(x.path, []byte(numbered(5000, 1000)), 0o644); err != nil {
				t.Fatal(err)
			}
		}, true},
		"deleted": {func(t *testing.T, x *shelf) {
			if err := os.Remove(x.path); err != nil {
				t.Fatal(err)
			}
		}, true},
		"copied and truncated": {func(t *testing.T, x *shelf) {
			text, err := os.ReadFile(x.path)
			if err == nil {
				err = os.WriteFile(x.path+".1", text, 0o644)
			}
			if err == nil {
				err = os.Truncate(x.path, 0)
			}
			if err != nil {
				t.Fatal(err)
			}
			x.write("of the next\n")
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			x := newShelf(t, stream.Options{}, numbered(0, 1000))
			g := x.current()
			gen := g.ID.String()
			forward, back := int64(0), g.Size
			first, last := 0, 999
			read := func() (status int, header http.Header) {
				p := x.get(fmt.Sprintf("gen=%s&from=%d&limit=10", gen, forward))
				q := x.get(fmt.Sprintf("gen=%s&before=%d&limit=10", gen, back))
				if p.status != 200 || q.status != 200 {
					return max(p.status, q.status), p.header
				}
				for line := range strings.Lines(p.body) {
					if n := lineNumber(t, decode(t, line).Message); n != first {
						t.Fatalf("forward: line %d, want %d", n, first)
					}
					first++
				}
				n := last - strings.Count(q.body, "\n")
				for line := range strings.Lines(q.body) {
					if n++; lineNumber(t, decode(t, line).Message) != n {
						t.Fatalf("back: %q, want line %d", line, n)
					}
				}
				last -= strings.Count(q.body, "\n")
				forward, back = p.to, q.from
				return 200, nil
			}
			for range 20 {
				if status, _ := read(); status != 200 {
					t.Fatalf("status %d before anything happened", status)
				}
			}
			c.end(t, x)
			if !c.gone {
				for first < 1000 {
					if status, _ := read(); status != 200 {
						t.Fatalf("status %d at line %d", status, first)
					}
				}
				return
			}
			if status, _ := read(); status != 200 && status != 410 { // it may be open still
				t.Fatalf("status %d, want 200 or 410", status)
			}
			x.until("the generation is gone", func() bool {
				old := x.set.First().Stat().Find(g.ID)
				return old == nil || !old.Readable
			})
			status, header := read()
			if status != http.StatusGone {
				t.Fatalf("status %d, want 410", status)
			}
			at, err := http.ParseTime(header.Get("Last-Modified"))
			if err != nil || at.Unix() != g.Modified.Unix() {
				t.Errorf("Last-Modified %q, want %v", header.Get("Last-Modified"), g.Modified)
			}
		})
	}
}

// A file that is cut while it is searched is never another's bytes.
func TestEntriesCutWhileReading(t *testing.T) {
	line := strings.Repeat("old ", 30) + "\n"
	x := newShelf(t, stream.Options{}, strings.Repeat(line, 30<<20/len(line)))
	gen := x.current().ID.String()
	done := make(chan pageOf)
	go func() { done <- x.get("gen=" + gen + "&q=new") }()
	if err := os.WriteFile(x.path, []byte(strings.Repeat("new of another generation\n", 2<<20)), 0o644); err != nil {
		t.Error(err)
	}
	if p := <-done; p.body != "" && p.status != http.StatusGone {
		t.Errorf("= %d %.300q, want 410, or nothing found", p.status, p.body)
	}
}

// An answer is bounded, whatever is asked for, and says where it stopped.
func TestEntriesAnswerIsBounded(t *testing.T) {
	line := strings.Repeat("\x00", 200<<10) + "\n" // six bytes for each, and raw
	x := newShelf(t, stream.Options{}, strings.Repeat(line, 30))
	for way, walk := range map[string]func(string, func() int) ([]string, int){"forward": x.forward, "back": x.back} {
		lines, steps := walk("", fixed(1000))
		if len(lines) != 30 || steps < 4 {
			t.Errorf("%s: %d entries in %d steps, want 30 in some", way, len(lines), steps)
		}
	}
	for _, query := range []string{"limit=1000", "limit=1000&before=99999999"} {
		if p := x.ok(query); len(p.body) > 8<<20 || len(p.body) < 6<<20 {
			t.Errorf("?%s has %d bytes, want nearly 8 MiB", query, len(p.body))
		}
	}
}

// As many as are allowed read at a time. One that leaves makes room, and so does
// one that does not take its answer, after a while.
func TestEntriesTurns(t *testing.T) {
	x := newShelf(t, stream.Options{}, strings.Repeat(strings.Repeat("\x00", 200<<10)+"\n", 30))
	x.url = x.serve(&stream.Entries{Files: x.set, Stream: x.s, MaxReads: 1})
	get := func(ctx context.Context, query string) (*http.Response, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, x.url+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		return (&http.Client{Transport: &http.Transport{DisableKeepAlives: true, ReadBufferSize: 4 << 10}}).Do(req)
	}
	stuck, leave := context.WithCancel(context.Background())
	defer leave()
	large, err := get(stuck, "?limit=1000") // more than the socket takes
	if err != nil {
		t.Fatal(err)
	}
	defer large.Body.Close()
	// Another waits, until it has no time left.
	short, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if resp, err := get(short, "?limit=1"); err == nil {
		resp.Body.Close()
		t.Fatalf("= %s while another's answer is in memory, want to wait", resp.Status)
	}
	leave()
	p := x.get("limit=1")
	if p.status != http.StatusOK {
		t.Errorf("= %d %s after the other has left", p.status, p.body)
	}
}

// A client that leaves ends what is done for it.
func TestEntriesClientLeaves(t *testing.T) {
	line := strings.Repeat("nothing to be found in this line ", 3) + "\n"
	x := newShelf(t, stream.Options{}, strings.Repeat(line, 40<<20/len(line)))
	h := &stream.Entries{Files: x.set, Stream: x.s, MaxReads: 1}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/entries/a.log?regex=(never)*$^", nil))
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("= %d for a client that has left, want it to end", w.Code)
	}
	w = httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/entries/a.log?limit=1", nil))
	if w.Code != http.StatusOK {
		t.Errorf("the next = %d, want 200", w.Code)
	}
}
