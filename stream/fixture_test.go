package stream_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fairlead/logfile"
	"fairlead/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of a test.
const patience = 30 * time.Second

// A world is a directory of logs with a stream over it, and its outlets.
type world struct {
	t          *testing.T
	dir        string   // of the logs
	also       []string // targets beside the directory
	tell       func()   // called once there is a set, before its logs are read; may be nil
	opt        stream.Options
	beat       stream.Heartbeat
	sendBuffer int
	set        *logfile.Set
	stream     *stream.Stream
	sse        *stream.SSE
	tcp        *stream.TCP
	url        string
	addr       string     // of TCP
	mu         sync.Mutex // guards open
	open       map[*client]bool

	kill func() // ends it without its having time to save anything
	stop func() // ends it well
}

func newWorld(t *testing.T, opt stream.Options) *world {
	dir := t.TempDir()
	return &world{t: t, dir: dir, opt: opt, open: make(map[*client]bool)}
}

// start runs it over all of the directory. It may be stopped and started again.
func (w *world) start() *world {
	t := w.t
	t.Helper()
	var err error
	if w.stream, err = stream.Open(w.opt); err != nil {
		t.Fatal(err)
	}
	w.set = &logfile.Set{Quiet: 100 * time.Millisecond, Active: 50 * time.Millisecond}
	if w.opt.Dir != "" {
		w.set.State = w.opt.Dir + ".state"
		if err := os.MkdirAll(w.set.State, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	w.set.Adopt(w.stream.Marks()...)
	if err := w.set.Add(append(w.also, w.dir)...); err != nil {
		t.Fatal(err)
	}
	if w.tell != nil {
		w.tell()
	}
	w.sse = &stream.SSE{Stream: w.stream, Heartbeat: w.beat}
	w.tcp = &stream.TCP{Stream: w.stream, Heartbeat: w.beat, SendBuffer: w.sendBuffer}
	ctx, cancel := context.WithCancel(context.Background())
	setCtx, setCancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { w.set.Run(setCtx) })
	wg.Go(func() {
		if err := w.stream.Run(ctx, stream.FromSet(w.set)); err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	web := &http.Server{Handler: w.sse, BaseContext: func(net.Listener) context.Context { return ctx }}
	webLn, tcpLn := listen(t), listen(t)
	w.url, w.addr = "http://"+webLn.Addr().String()+"/stream", tcpLn.Addr().String()
	wg.Go(func() { web.Serve(webLn) })
	wg.Go(func() {
		if err := w.tcp.Serve(ctx, tcpLn); err != nil {
			t.Errorf("Serve = %v", err)
		}
	})
	var once sync.Once
	end := func(clean bool) {
		once.Do(func() {
			cancel()
			limit, done := context.WithTimeout(context.Background(), patience)
			web.Shutdown(limit)
			done()
			setCancel()
			wg.Wait()
			if clean {
				if err := w.stream.Close(); err != nil {
					t.Errorf("Close = %v", err)
				}
			}
		})
	}
	w.stop, w.kill = func() { end(true) }, func() { end(false) }
	t.Cleanup(w.stop)
	t.Cleanup(w.closeAll) // before that
	w.until("all logs are read", w.stream.Reading)
	return w
}

func listen(t *testing.T) net.Listener {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// until asks again and again whether cond holds.
func (w *world) until(what string, cond func() bool) {
	w.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(patience)
	for !cond() {
		select {
		case <-tick.C:
		case <-limit:
			w.t.Fatalf("waited %s for: %s", patience, what)
		}
	}
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) write(name, text string) {
	w.t.Helper()
	f, err := os.OpenFile(w.path(name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = f.WriteString(text)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// closeAll closes the clients that are still there.
func (w *world) closeAll() {
	w.mu.Lock()
	open := slices.Collect(maps.Keys(w.open))
	w.mu.Unlock()
	for _, c := range open {
		c.close()
	}
}

// An event is one Server-Sent Event.
type event struct {
	name, data, id string
	comment        bool
}

// A sseReader reads a stream as the standard says: a line ends at LF, CR or CRLF.
type sseReader struct {
	r    *bufio.Reader
	last string // the last event id
}

func (s *sseReader) line() (string, error) {
	var b strings.Builder
	for {
		c, err := s.r.ReadByte()
		switch {
		case err != nil:
			return b.String(), err
		case c == '\r':
			if next, err := s.r.Peek(1); err == nil && next[0] == '\n' {
				s.r.ReadByte()
			}
			return b.String(), nil
		case c == '\n':
			return b.String(), nil
		}
		b.WriteByte(c)
	}
}

// next returns the next event, or block of comments.
func (s *sseReader) next() (e event, err error) {
	var data []string
	for {
		line, err := s.line()
		if err != nil {
			return e, err
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "":
			if len(data) == 0 && !e.comment {
				e = event{}
				continue
			}
			e.data, e.id = strings.Join(data, "\n"), s.last
			return e, nil
		case field == "":
			e.comment = true
			data = append(data, value)
		case field == "event":
			e.name = value
		case field == "data":
			data = append(data, value)
		case field == "id":
			s.last = value
		}
	}
}

// A client reads a stream over HTTP.
type client struct {
	t     *testing.T
	world *world
	resp  *http.Response
	sseReader
	cancel context.CancelFunc
}

// get asks for a stream with a query and, if it is not empty, a Last-Event-ID.
func (w *world) get(query, last string) *client {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url+"?"+query, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	c := &client{t: w.t, world: w, resp: resp, sseReader: sseReader{r: bufio.NewReader(resp.Body), last: last}, cancel: cancel}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open[c] = true
	return c
}

// connect asks and reads the first event.
func (w *world) connect(query, last string) *client {
	w.t.Helper()
	c := w.get(query, last)
	if c.resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(c.resp.Body)
		w.t.Fatalf("GET %s = %s %s", query, c.resp.Status, body)
	}
	if e := c.want(); e.name != "connected" {
		w.t.Fatalf("the first event is %+v, want connected", e)
	}
	return c
}

func (c *client) close() {
	c.world.mu.Lock()
	delete(c.world.open, c)
	c.world.mu.Unlock()
	c.cancel()
	c.resp.Body.Close()
}

// want returns the next event that is no comment.
func (c *client) want() event {
	c.t.Helper()
	type result struct {
		e   event
		err error
	}
	got := make(chan result, 1)
	go func() {
		for {
			e, err := c.next()
			if err != nil || !e.comment {
				got <- result{e, err}
				return
			}
		}
	}()
	select {
	case r := <-got:
		if r.err != nil {
			c.t.Fatalf("next event: %v", r.err)
		}
		return r.e
	case <-time.After(patience):
		c.close()
		<-got
		c.t.Fatalf("no event for %s", patience)
	}
	return event{}
}

// An entry is one of ours, or a record.
type entry struct {
	Type    string              `json:"type"`
	Time    time.Time           `json:"time"`
	Source  string              `json:"source"`
	Level   string              `json:"level"`
	Message string              `json:"message"`
	Fields  json.RawMessage     `json:"fields"`
	At      string              `json:"at"`
	Len     int64               `json:"len"`
	Partial bool                `json:"partial"`
	Missing map[string][]string `json:"missing"`
	Old     string              `json:"old"`
	New     string              `json:"new"`
}

func decode(t *testing.T, text string) (e entry) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		t.Fatalf("decode %q: %v", text, err)
	}
	return e
}

// entries returns the next n entries, whatever else comes between.
func (c *client) entries(n int) (es []entry) {
	c.t.Helper()
	for len(es) < n {
		if e := c.want(); e.name == "" {
			es = append(es, decode(c.t, e.data))
		}
	}
	return es
}

func (c *client) wantMessages(want ...string) {
	c.t.Helper()
	for i, e := range c.entries(len(want)) {
		if e.Message != want[i] {
			c.t.Fatalf("entry %d = %q, want %q", i, e.Message, want[i])
		}
	}
}

// place returns the generation and the range of an entry's raw bytes.
func (e entry) place(t *testing.T) (gen string, from, to int64) {
	t.Helper()
	gen, off, _ := strings.Cut(e.At, ":")
	from, err := strconv.ParseInt(off, 10, 64)
	if err != nil {
		t.Fatalf("at %q: %v", e.At, err)
	}
	return gen, from, from + e.Len
}

// numbered returns n lines that say which they are.
func numbered(from, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "line %d of the test\n", from+i)
	}
	return b.String()
}

func lineNumber(t *testing.T, message string) (n int) {
	t.Helper()
	if _, err := fmt.Sscanf(message, "line %d", &n); err != nil {
		t.Fatalf("%q is not a numbered line: %v", message, err)
	}
	return n
}
