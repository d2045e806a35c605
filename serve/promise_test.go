package serve_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"fairlead/serve"
)

// A generation of the tests below is made of records of 32 bytes that name it
// and their own offset, so that any piece of it can be judged by itself.
const recordLen = 32

func record(gen int, off int64) string { return string(appendRecord(nil, gen, off)) }

func appendRecord(b []byte, gen int, off int64) []byte {
	b = append(b, "g0000000000 o00000000000000000.\n"...)
	digits(b[:len(b)-21], int64(gen))
	digits(b[:len(b)-2], off)
	return b
}

// digits writes n over the digits at the end of b.
func digits(b []byte, n int64) {
	for i := len(b) - 1; n > 0; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
}

// content is bytes [off, off+n) of a generation; both are multiples of recordLen.
func content(gen int, off, n int64) []byte {
	b := make([]byte, 0, n)
	for end := off + n; off < end; off += recordLen {
		b = appendRecord(b, gen, off)
	}
	return b
}

// foreign returns where in b, read from offset 0 of its generation, bytes of
// another one begin; len(b) if there are none.
func foreign(b []byte) int {
	if len(b) < recordLen {
		return len(b)
	}
	var gen int
	fmt.Sscanf(string(b[1:11]), "%d", &gen)
	var want []byte
	for i := 0; i < len(b); i += recordLen {
		piece := b[i:min(len(b), i+recordLen)]
		want = appendRecord(want[:0], gen, int64(i))
		if !bytes.Equal(piece, want[:len(piece)]) {
			return i
		}
	}
	return len(b)
}

// A writer makes one generation after the other in one file, and ends each in
// a way of its own.
type writer struct {
	path string
	gen  int
	seed uint64
	rnd  *rand.Rand
	ends []func(w *writer) error
}

func newWriter(t *testing.T, path string, ends ...func(w *writer) error) *writer {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	w := &writer{path: path, seed: seed, rnd: rand.New(rand.NewPCG(seed, 0)), ends: ends}
	if err := w.write(); err != nil {
		t.Fatal(err)
	}
	return w
}

// write appends a whole new generation, in a few pieces.
func (w *writer) write() error {
	w.gen++
	f, err := os.OpenFile(w.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	for off := int64(0); off < 2<<20; {
		n := (1 + w.rnd.Int64N(32<<10)) * recordLen
		if _, err := f.Write(content(w.gen, off, n)); err != nil {
			return err
		}
		off += n
	}
	return nil
}

func (w *writer) next() error {
	if err := w.ends[w.rnd.IntN(len(w.ends))](w); err != nil {
		return err
	}
	return w.write()
}

func truncating(w *writer) error { return os.Truncate(w.path, 0) }
func deleting(w *writer) error   { return os.Remove(w.path) }
func renaming(w *writer) error   { return os.Rename(w.path, w.path+".1") }

func copytruncating(w *writer) error {
	b, err := os.ReadFile(w.path)
	if err != nil {
		return err
	}
	os.Remove(w.path + ".1")
	if err := os.WriteFile(w.path+".1", b, 0o644); err != nil {
		return err
	}
	return os.Truncate(w.path, 0)
}

// A verdict is what a storm of generations did to its clients.
type verdict struct {
	streams, broken, bytes, foreign atomic.Int64
	wrong                           atomic.Pointer[string]
}

// A fetch begins a stream from offset 0.
type fetch func() (io.ReadCloser, error)

// overTCP reads what is sent by sendfile; it is slow to take it.
func (r *rig) overTCP() (io.ReadCloser, error) {
	d := net.Dialer{Control: receiveBufferOf(16 << 10)}
	return ask(d.Dial("tcp", r.addr))
}

// overUnix reads what is copied.
func (r *rig) overUnix() (io.ReadCloser, error) { return ask(net.Dial("unix", r.addr)) }

func ask(c net.Conn, err error) (io.ReadCloser, error) {
	if err != nil {
		return nil, err
	}
	c.SetDeadline(time.Now().Add(patience))
	_, err = io.WriteString(c, "0\n")
	return c, err
}

// overHTTP reads responses that have a length.
func (r *rig) overHTTP() (io.ReadCloser, error) {
	res, err := http.Get(r.http + "/logs/app.log")
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		res.Body.Close()
		return nil, errors.New(res.Status) // between two generations
	}
	return res.Body, nil
}

// watch reads one stream after the other until stop is closed, and judges them.
func (v *verdict) watch(get fetch, slow time.Duration, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		c, err := get()
		if err != nil {
			continue
		}
		b, err := readSlowly(c, slow, stop)
		c.Close()
		v.judge(b, err)
	}
}

// readSlowly reads to the end, with a rest after each piece.
func readSlowly(c io.Reader, rest time.Duration, stop <-chan struct{}) ([]byte, error) {
	var b []byte
	buf := make([]byte, 64<<10)
	tick := time.NewTicker(max(rest, 1))
	defer tick.Stop()
	for {
		n, err := c.Read(buf)
		b = append(b, buf[:n]...)
		if err != nil {
			return b, err
		}
		select {
		case <-stop:
			return b, errWeLeft
		default:
		}
		if rest > 0 {
			<-tick.C
		}
	}
}

var errWeLeft = errors.New("the client left")

const oneSend = 1 << 20

// judge wants all of a stream to be of one generation, or else that it was
// broken off behind the one send that was under way.
func (v *verdict) judge(b []byte, err error) {
	v.streams.Add(1)
	v.bytes.Add(int64(len(b)))
	broken := errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.ErrUnexpectedEOF) || err == errWeLeft
	if broken {
		v.broken.Add(1)
	}
	at := foreign(b)
	if at == len(b) {
		return
	}
	v.foreign.Add(1)
	if !broken || len(b)-at > oneSend {
		s := fmt.Sprintf("%d bytes from 0 end with %v; those from %d on are of another generation: %q",
			len(b), err, at, clip(b[at:]))
		v.wrong.CompareAndSwap(nil, &s)
	}
}

// storm runs a writer and clients against each other for a while.
func storm(t *testing.T, r *rig, w *writer, get fetch, clients int, slow, lasts time.Duration) *verdict {
	t.Helper()
	var v verdict
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for i := range clients {
		wg.Go(func() { v.watch(get, time.Duration(i)*slow/time.Duration(clients), stop) })
	}
	for end := time.Now().Add(lasts); time.Now().Before(end); {
		if err := w.next(); err != nil {
			t.Error(err)
			break
		}
	}
	close(stop)
	wg.Wait()
	t.Logf("%d generations, %d streams, %.0f MB, %d broken off, %d with foreign bytes; Stats %v",
		w.gen, v.streams.Load(), float64(v.bytes.Load())/1e6, v.broken.Load(), v.foreign.Load(), r.srv.Stats().Resets)
	if s := v.wrong.Load(); s != nil {
		t.Error(*s)
	}
	if got := r.srv.Stats().Resets["changed"]; got < v.foreign.Load() {
		t.Errorf("Resets[changed] = %d, want at least the %d streams with foreign bytes", got, v.foreign.Load())
	}
	if v.streams.Load() < int64(clients) {
		t.Errorf("%d streams were read, want at least one for each of %d clients", v.streams.Load(), clients)
	}
	return &v
}

// The promise of DESIGN section 2: the bytes sent from offset N are the bytes of
// one generation from N on. When it ends the connection ends; it is never
// silently switched.
func TestPromiseServeOneGeneration(t *testing.T) {
	rotating := []func(w *writer) error{renaming, copytruncating, deleting, truncating}
	for name, tt := range map[string]struct {
		network string
		get     func(r *rig) fetch
		ends    []func(w *writer) error
	}{
		"TCP, truncated":  {"tcp", func(r *rig) fetch { return r.overTCP }, []func(w *writer) error{truncating}},
		"TCP, rotated":    {"tcp", func(r *rig) fetch { return r.overTCP }, rotating},
		"unix, truncated": {"unix", func(r *rig) fetch { return r.overUnix }, []func(w *writer) error{truncating}},
		"HTTP, truncated": {"tcp", func(r *rig) fetch { return r.web().overHTTP }, []func(w *writer) error{truncating}},
		"HTTP, rotated":   {"tcp", func(r *rig) fetch { return r.web().overHTTP }, rotating},
	} {
		t.Run(name, func(t *testing.T) {
			leakFree(t)
			path := filepath.Join(t.TempDir(), "app.log")
			w := newWriter(t, path, tt.ends...)
			srv := &serve.Server{Files: newSet(), Drain: 10 * time.Millisecond}
			if err := srv.Files.Add(path); err != nil {
				t.Fatal(err)
			}
			r := startOn(t, srv, listenOn(t, tt.network), path)
			v := storm(t, r, w, tt.get(r), 20, 2*time.Millisecond, 2*time.Second)
			if got := v.foreign.Load(); got > 0 && tt.network == "unix" {
				t.Errorf("%d streams with foreign bytes, want none where bytes are checked before they are sent", got)
			}
		})
	}
}

// listenOn listens on a free port, or on a socket with a short name.
func listenOn(t *testing.T, network string) net.Listener {
	t.Helper()
	at := "127.0.0.1:0"
	if network == "unix" {
		dir, err := os.MkdirTemp("", "serve")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		at = filepath.Join(dir, "s")
	}
	ln, err := net.Listen(network, at)
	if err != nil {
		t.Skipf("listen on %s: %v", network, err)
	}
	return ln
}

// A client that is stuck in the middle of a file while it is cut and written
// anew gets nothing of what is new, however long the send has been waiting. It
// has not got all of the old either, so what it sees is a reset.
func TestPromiseServeStuckClient(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	const size = 8 << 20
	if err := os.WriteFile(path, content(1, 0, size), 0o644); err != nil {
		t.Fatal(err)
	}
	r := start(t, &serve.Server{}, path)
	c := r.dialSlow("0\n", 4<<10)
	want(t, c, record(1, 0))
	r.stuck()
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	appendTo(t, path, string(content(2, 0, size)))
	b, err := io.ReadAll(c)
	b = append([]byte(record(1, 0)), b...)
	if at := foreign(b); at != len(b) || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read %d bytes, %v, foreign from %d on, want all of one generation and a reset", len(b), err, at)
	}
	if got := r.srv.Stats(); got.Resets["cut"] != 1 || got.LostBytes == 0 {
		t.Errorf("Stats() = %+v, want 1 connection cut and some bytes lost", got)
	}
	if len(b) >= size {
		t.Errorf("read %d bytes, want less than the %d of a file that was cut", len(b), size)
	}
}

// stuck waits until the one client's socket takes no more.
func (r *rig) stuck() {
	r.t.Helper()
	last, since := int64(-1), time.Now()
	await(r.t, func() bool {
		if n := r.srv.Stats().SentBytes; n != last {
			last, since = n, time.Now()
		}
		return last > 0 && time.Since(since) > 50*time.Millisecond
	}, "the client to be stuck")
}

// Two hundred clients that lag, and a file that is cut again and again: the
// server lives, and who comes then is served.
func TestT3TruncationStorm200Clients(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	w := newWriter(t, path, truncating)
	r := start(t, &serve.Server{Drain: 10 * time.Millisecond}, path)
	lasts := 3 * time.Second
	if night() {
		lasts = 2 * time.Minute
	}
	storm(t, r, w, r.overTCP, 200, 40*time.Millisecond, lasts)
	if err := truncating(w); err != nil {
		t.Fatal(err)
	}
	appendTo(t, path, "alive\n")
	await(t, func() bool { return r.srv.Files.First().Stat().Current.Size == 6 }, "the last generation")
	want(t, r.dial("0\n"), "alive\n")
}

// night says that the long run is wanted. What is cut short otherwise is said.
func night() bool { return os.Getenv("FAIRLEAD_NIGHT") == "1" }

func size(t *testing.T, everyday, full int) int {
	t.Helper()
	if night() {
		return full
	}
	t.Logf("reduced: %d instead of %d; FAIRLEAD_NIGHT=1 runs all", everyday, full)
	return everyday
}
