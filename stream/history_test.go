package stream_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fairlead/stream"
)

// rest returns all that comes until the answer ends.
func (c *client) rest() (es []event) {
	c.t.Helper()
	for {
		e, err := c.next()
		if err == io.EOF {
			return es
		}
		if err != nil {
			c.t.Fatal(err)
		}
		es = append(es, e)
	}
}

// before returns the answer to before=, without what it begins with.
func (w *world) before(id string, n int, query string) []event {
	w.t.Helper()
	es, _ := w.beforeFrom(id, n, query)
	return es
}

// beforeFrom returns where the answer begins, too.
func (w *world) beforeFrom(id string, n int, query string) (es []event, from string) {
	w.t.Helper()
	c := w.connect(fmt.Sprintf("before=%s&tail=%d&%s", id, n, query), "")
	defer c.close()
	from = c.last
	return c.rest(), from
}

// PROMISE stream: who goes back from a position gets what others got before it,
// with the same ids, and then the end.
func TestBefore(t *testing.T) {
	both(t, func(t *testing.T, opt stream.Options) {
		const lines = 3000
		w := newWorld(t, opt)
		w.start()
		all := w.connect("", "")
		w.write("a.log", numbered(0, lines/2))
		w.until("half is encoded", func() bool { return w.atEnd(fmt.Sprintf("line %d ", lines/2-1)) })
		if err := os.Rename(w.path("a.log"), w.path("a.log.1")); err != nil {
			t.Fatal(err)
		}
		w.write("a.log", numbered(lines/2, lines/2))
		var want []event
		for n := 0; n < lines; {
			e := all.want()
			if want = append(want, e); e.name == "" {
				n++
			}
		}
		if len(want) != lines+1 {
			t.Fatalf("%d events, want the lines and one rotation", len(want))
		}
		w.write("a.log", "what came later\n")
		for _, step := range []int{1, 7, 499, 100_000} {
			// An id is the position behind its event.
			id, end := want[len(want)-1].id, len(want)
			for steps := 0; end > 0 && (step > 1 || steps < 50); steps++ {
				got, from := w.beforeFrom(id, step, "")
				if len(got) == 0 || len(got) > end {
					t.Fatalf("%d events before %s, want some of %d", len(got), id, end)
				}
				entries := 0
				for i, e := range got {
					if e != want[end-len(got)+i] {
						t.Fatalf("before %s by %d: event %d of %d is %+v, want %+v", id, step, i, len(got), e, want[end-len(got)+i])
					}
					if e.name == "" {
						entries++
					}
				}
				if id, end = from, end-len(got); entries != step && end > 0 {
					t.Fatalf("%d entries before event %d, want %d", entries, end+len(got), step)
				}
			}
			if step > 1 && len(w.before(id, 5, "")) != 0 {
				t.Error("there is something before the first event")
			}
		}
		got := w.before(want[len(want)-1].id, 3, "regex=line+7+of")
		if len(got) != 2 || got[0].name != "" || got[1].name != "rotate" || lineNumber(t, decode(t, got[0].data).Message) != 7 {
			t.Errorf("with a filter: %+v, want line 7 and the rotation", got)
		}
	})
}

// Who comes with a position that is gone, or of another time, is told what may be
// missing, and that is all.
func TestBeforeWhatIsGone(t *testing.T) {
	opt := stream.Options{Dir: filepath.Join(t.TempDir(), "spool"), Budget: 64 << 10, Segment: 8 << 10, Boot: "one"}
	w := newWorld(t, opt).start()
	c := w.connect("", "")
	w.write("a.log", numbered(0, 10))
	c.entries(10)
	early := c.last
	c.close()
	for n := 10; n < 2010; n += 100 {
		w.write("a.log", numbered(n, 100))
		w.until("it is encoded", func() bool { return w.atEnd(fmt.Sprintf("line %d ", n+99)) })
	}
	other := "00000001-" + strings.SplitN(early, "-", 2)[1]
	for _, id := range []string{early, other} {
		got := w.before(id, 5, "")
		if len(got) != 1 || got[0].name != "gap" {
			t.Errorf("before=%s: %+v, want a gap and nothing else", id, got)
		}
	}
	// What is not there any more ends the way back.
	c = w.connect("tail=1", "")
	c.want()
	if got := w.before(c.last, 100_000, ""); len(got) < 100 || len(got) > 1000 || lineNumber(t, decode(t, got[len(got)-1].data).Message) != 2009 {
		t.Errorf("%d events, want those that are kept", len(got))
	}
}

func TestBeforeIsRefused(t *testing.T) {
	w := newWorld(t, stream.Options{}).start()
	w.write("a.log", "one\n")
	w.until("it is encoded", func() bool { return w.stream.Stats().Spool.End > 0 })
	c := w.connect("tail=1", "")
	c.wantMessages("one")
	id := c.last
	epoch, _, _ := strings.Cut(id, "-")
	for _, x := range []struct{ query, last, want string }{
		{"before=" + id, "", "give both"},
		{"before=" + id + "&tail=0", "", "give both"},
		{"before=" + id + "&tail=1&after=" + id, "", "give one of them"},
		{"before=" + id + "&tail=1", id, "give one of them"},
		{"before=x&tail=1", "", "position"},
		{"before=" + epoch + "-1&tail=1", "", "not the position of an entry"},
		{"before=" + epoch + "--1&tail=1", "", "position"},
	} {
		c := w.get(x.query, x.last)
		body, _ := io.ReadAll(c.resp.Body)
		if c.resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), x.want) {
			t.Errorf("GET ?%s = %s %q, want 400 with %q", x.query, c.resp.Status, body, x.want)
		}
	}
}
