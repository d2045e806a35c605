package stream_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"fairlead/logfile"
	"fairlead/stream"
)

const toldName = "web1:/var/log/app.log"

// A receiver is the owner of a copy. It writes more than it tells of.
type receiver struct {
	world *world
	dir   string
	gens  []logfile.ToldGen // oldest first
}

// hand is the one of the set that runs now.
func (c *receiver) hand() *logfile.Told { return c.world.set.Told(toldName) }

func (c *receiver) tellAll() { c.hand().Tell(c.gens...) }

func (c *receiver) begin() {
	id := logfile.NewGenID()
	if n := len(c.gens); n > 0 {
		c.gens[n-1].Ended = logfile.Rotated
	}
	c.gens = append(c.gens, logfile.ToldGen{ID: id, Path: filepath.Join(c.dir, id.Short())})
}

// write appends to generation i and tells nobody.
func (c *receiver) write(i int, text string) {
	t := c.world.t
	t.Helper()
	g := &c.gens[i]
	f, err := os.OpenFile(g.Path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteAt([]byte(text+"line 999 was not committed\n"), g.Size)
		f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	g.Size += int64(len(text))
}

func (c *receiver) append(i int, text string) {
	c.write(i, text)
	c.hand().Tell(c.gens[i])
}

// next begins a generation with a text.
func (c *receiver) next(text string) {
	c.begin()
	c.append(len(c.gens)-1, text)
}

// The entries of a copy are made as those of any log, and under its name, which is
// the sender's.
func TestToldLive(t *testing.T) {
	w := newWorld(t, stream.Options{})
	c := &receiver{world: w, dir: t.TempDir()}
	w.start()
	client := w.connect("", "")
	c.next(numbered(0, 3))
	for i, e := range client.entries(3) {
		if gen, _, _ := e.place(t); e.Source != toldName || gen != c.gens[0].ID.String() || lineNumber(t, e.Message) != i {
			t.Errorf("entry %d is %+v, want line %d of %s", i, e, i, toldName)
		}
	}
	c.append(0, numbered(3, 3))
	client.wantLines(3, 6)
	c.next(numbered(6, 2))
	if e := client.want(); e.name != "rotate" {
		t.Errorf("event %+v, want the rotation", e)
	}
	client.wantLines(6, 8)
	c.append(0, numbered(8, 1)) // late
	late := client.entries(1)[0]
	if gen, _, _ := late.place(t); gen != c.gens[0].ID.String() || lineNumber(t, late.Message) != 8 {
		t.Errorf("the late entry is %+v", late)
	}
}

// A stream goes on in a copy exactly where it was, whether the receiver begins
// before or after it, and however far the copy has come meanwhile.
func TestToldResume(t *testing.T) {
	for _, early := range []bool{true, false} {
		t.Run(fmt.Sprintf("told early %t", early), func(t *testing.T) {
			w := newWorld(t, stream.Options{Dir: filepath.Join(t.TempDir(), "spool")})
			c := &receiver{world: w, dir: t.TempDir()}
			w.start()
			client := w.connect("", "")
			c.next(numbered(0, 5))
			c.next(numbered(5, 5))
			client.wantLines(0, 10)
			line := 10
			for range 3 {
				last := client.last
				client.close()
				w.kill()
				n := len(c.gens)
				c.write(n-1, numbered(line, 5))
				c.begin()
				c.write(n, numbered(line+5, 5))
				if early {
					w.tell = c.tellAll
				}
				w.start()
				if !early {
					c.tellAll()
				}
				client = w.connect("", last)
				client.wantLines(line, line+10)
				c.append(n, numbered(line+10, 5))
				client.wantLines(line+10, line+15)
				line += 15
			}
			client.close()
		})
	}
}

// The entries of a copy can be asked for by their places.
func TestToldEntries(t *testing.T) {
	w := newWorld(t, stream.Options{})
	c := &receiver{world: w, dir: t.TempDir()}
	w.start()
	c.next(numbered(0, 100))
	c.next(numbered(100, 10))
	web := httptest.NewServer(&stream.Entries{Files: w.set, Stream: w.stream})
	defer web.Close()
	for path, want := range map[string]int{
		"/entries/" + toldName: 10, "/entries/app.log": 10,
		"/entries/" + toldName + "?gen=" + c.gens[0].ID.String(): 100,
	} {
		resp, err := http.Get(web.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		n := 0
		for _, b := range body {
			if b == '\n' {
				n++
			}
		}
		if err != nil || resp.StatusCode != 200 || n != want {
			t.Errorf("GET %s = %d, %v with %d entries, want %d", path, resp.StatusCode, err, n, want)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}
