package trust_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fairlead/internal/tcp"
	"fairlead/trust"
)

// A testPort is a port that serves.
type testPort struct {
	*trust.Port
	addr string
	log  *syncBuffer
	stop func()
}

// A syncBuffer is what was logged.
type syncBuffer struct {
	mu sync.Mutex // guards what follows
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// newPort starts a port. What set does comes before Serve; that all of it ends is
// checked.
func newPort(t testing.TB, set func(*trust.Port)) *testPort {
	t.Helper()
	goleak.VerifyNone(t)
	t.Cleanup(func() { goleak.VerifyNone(t) })
	dir := t.TempDir()
	log := &syncBuffer{}
	p := &testPort{log: log, Port: &trust.Port{
		Key: newKey(t), Trusted: &trust.Trusted{Path: filepath.Join(dir, "trusted")}, Log: slog.New(slog.NewTextHandler(log, nil)),
	}}
	if set != nil {
		set(p.Port)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.addr = ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Serve(ctx, ln) }()
	p.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Serve = %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Error("Serve does not end")
		}
	})
	t.Cleanup(p.stop)
	return p
}

// echo answers all connections with what they send, until the listener is closed.
func echo(t testing.TB, ln net.Listener) {
	var all sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	all.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			all.Go(func() {
				io.Copy(conn, conn)
				conn.Close()
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
}

// trusts has the port trust a new key.
func (p *testPort) trusts(t testing.TB, name string) *trust.Key {
	t.Helper()
	k := newKey(t)
	add(t, p.Trusted, machine(name, k.Public(), trust.RoleSend))
	return k
}

func (p *testPort) dial(t testing.TB, k *trust.Key, alpn string) net.Conn {
	t.Helper()
	conn, err := k.Dial(within(t), "tcp", p.addr, p.Key.Public(), alpn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn
}

// wantEcho says whether a connection works.
func wantEcho(t testing.TB, conn net.Conn, text string) {
	t.Helper()
	got := make([]byte, len(text))
	if _, err := io.WriteString(conn, text); err != nil {
		t.Errorf("write: %v", err)
	} else if _, err := io.ReadFull(conn, got); string(got) != text || err != nil {
		t.Errorf("read %q, %v, want %q", got, err, text)
	}
}

// wantEnd waits for the end of a connection.
func wantEnd(t testing.TB, conn net.Conn) {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	n, err := conn.Read(make([]byte, 1))
	if timeout := net.Error(nil); err == nil || errors.As(err, &timeout) && timeout.Timeout() {
		t.Errorf("read %d, %v, want the end", n, err)
	}
}

// until waits for what the port counts.
func (p *testPort) until(t testing.TB, what string, holds func(trust.PortStats) bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for ctx := within(t); !holds(p.Stats()); {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: Stats = %+v\n%s", what, p.Stats(), p.log)
		}
	}
}

// Each protocol has its listener, which gets connections of trusted machines with
// their keys proved.
func TestPortProtocols(t *testing.T) {
	p := newPort(t, nil)
	one, two := p.Listener("one"), p.Listener("two")
	k := p.trusts(t, "web")
	for alpn, ln := range map[string]net.Listener{"two": two, "one": one} {
		conn := p.dial(t, k, alpn)
		got, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer got.Close()
		if key, ok := trust.PeerKey(got); key != k.Public() || !ok {
			t.Errorf("PeerKey = %v, %v, want %v", key, ok, k.Public())
		}
		io.WriteString(got, "x")
		if b := make([]byte, 1); must(t, conn, b) != "x" {
			t.Errorf("read %q", b)
		}
	}
	one.Close()
	for name, alpn := range map[string]string{"unserved": "three", "closed": "one"} {
		if conn, err := k.Dial(within(t), "tcp", p.addr, p.Key.Public(), alpn); err == nil {
			t.Errorf("%s: Dial = nil, want an error", name)
			conn.Close()
		}
	}
	if conn, err := one.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept of a closed listener = %v, %v, want %v", conn, err, net.ErrClosed)
	}
	echo(t, p.Listener("one")) // again
	wantEcho(t, p.dial(t, k, "one"), "hello")
	two.Close()
}

func must(t testing.TB, r io.Reader, b []byte) string {
	t.Helper()
	if _, err := io.ReadFull(r, b); err != nil {
		t.Error(err)
	}
	return string(b)
}

// A trusted machine that names no protocol gets none, and TLS is never taken for what
// comes in the clear.
func TestPortWantsAProtocol(t *testing.T) {
	p := newPort(t, nil)
	echo(t, p.Plain())
	echo(t, p.Listener(testALPN))
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	add(t, p.Trusted, machine("web", publicOf(public), "send"))
	config := &tls.Config{
		InsecureSkipVerify: true, Certificates: []tls.Certificate{certificateOf(t, public, private, nil)}, NextProtos: []string{testALPN},
	}
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", p.addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		c := tls.Client(conn, config)
		c.SetDeadline(time.Now().Add(20 * time.Second))
		return c
	}
	wantEcho(t, dial(), "named")
	config.NextProtos = nil
	wantEnd(t, dial())
	config.NextProtos, config.Certificates = []string{testALPN}, nil
	wantEnd(t, dial())
	if s := p.Stats(); s.Plain != 0 {
		t.Errorf("Stats = %+v, want nothing in the clear", s)
	}
}

// A key that is not trusted gets as far as joining, and no further; it is counted,
// and logged, but not as often as it likes.
func TestPortStrangers(t *testing.T) {
	p := newPort(t, nil)
	echo(t, p.Listener(testALPN))
	echo(t, p.Listener(trust.ALPNJoin))
	stranger := newKey(t)
	wantEcho(t, p.dial(t, stranger, trust.ALPNJoin), "let me in")
	const n = 40
	for range n {
		wantEnd(t, p.dial(t, stranger, testALPN))
	}
	p.until(t, "strangers", func(s trust.PortStats) bool { return s.Untrusted == n })
	if lines := strings.Count(p.log.String(), stranger.Public().String()); lines == 0 || lines > 20 {
		t.Errorf("%d lines in the log for %d strangers:\n%s", lines, n, p.log)
	}
	// The same key, once it is trusted.
	add(t, p.Trusted, machine("web", stranger.Public(), "send"))
	wantEcho(t, p.dial(t, stranger, testALPN), "hello")
	// A file that lost its meaning lets nobody in, and is told once.
	if err := os.Chmod(p.Trusted.Path, 0o666); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		wantEnd(t, p.dial(t, stranger, testALPN))
	}
	if n := strings.Count(p.log.String(), "no machine is let in"); n != 1 {
		t.Errorf("%d lines say that the file cannot be read, want 1:\n%s", n, p.log)
	}
}

// A machine that is removed, or has other roles, loses its connections within a
// moment; others keep theirs.
func TestPortRevokes(t *testing.T) {
	p := newPort(t, nil)
	echo(t, p.Listener(testALPN))
	gone, changed, stays := p.trusts(t, "gone"), p.trusts(t, "changed"), p.trusts(t, "stays")
	conns := map[*trust.Key]net.Conn{}
	for _, k := range []*trust.Key{gone, changed, stays} {
		conns[k] = p.dial(t, k, testALPN)
		wantEcho(t, conns[k], "before")
	}
	start := time.Now()
	if _, err := p.Trusted.Remove("gone"); err != nil {
		t.Fatal(err)
	}
	add(t, p.Trusted, machine("changed", changed.Public(), "hub"))
	wantEnd(t, conns[gone])
	wantEnd(t, conns[changed])
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("they ended after %s, want 5 s at most", d)
	}
	wantEcho(t, conns[stays], "after")
	wantEnd(t, p.dial(t, gone, testALPN))
	wantEcho(t, p.dial(t, changed, testALPN), "again")
	p.until(t, "revoked", func(s trust.PortStats) bool { return s.Revoked == 2 && s.Members == 2 })
}

// What is not TLS keeps its first byte, whichever way it is read, or is closed
// where nobody listens for it.
func TestPortPlain(t *testing.T) {
	p := newPort(t, nil)
	send := func(text string) net.Conn {
		conn, err := net.Dial("tcp", p.addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		io.WriteString(conn, text)
		return conn
	}
	wantEnd(t, send("app.log\n"))
	ln := p.Plain()
	for name, read := range map[string]func(net.Conn) (string, error){
		"Read": func(c net.Conn) (string, error) {
			b, err := io.ReadAll(struct{ io.Reader }{c})
			return string(b), err
		},
		"WriteTo": func(c net.Conn) (string, error) {
			var b strings.Builder
			_, err := io.Copy(&b, c)
			return b.String(), err
		},
		"into a file": func(c net.Conn) (string, error) {
			f, err := os.Create(filepath.Join(t.TempDir(), "f"))
			if err != nil {
				return "", err
			}
			defer f.Close()
			if _, err := io.Copy(f, c); err != nil {
				return "", err
			}
			b, err := os.ReadFile(f.Name())
			return string(b), err
		},
	} {
		const text = "app.log\n0123456789"
		conn := send(text)
		conn.(*net.TCPConn).CloseWrite()
		got, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if s, err := read(got); s != text || err != nil {
			t.Errorf("%s: got %q, %v, want %q", name, s, err, text)
		}
		if key, ok := trust.PeerKey(got); ok {
			t.Errorf("PeerKey of what is not TLS = %v", key)
		}
		tcp.Abort(got)
	}
	ln.Close()
	wantEnd(t, send("app.log\n"))
}

// A listener whose owner accepts nothing keeps no more than so many connections,
// and nobody else from working.
func TestPortUnattended(t *testing.T) {
	p := newPort(t, nil)
	asleep := p.Listener("asleep")
	defer asleep.Close()
	echo(t, p.Listener(testALPN))
	one, other := p.trusts(t, "one"), p.trusts(t, "other")
	const limit = 64
	for i := range limit {
		p.dial(t, []*trust.Key{one, other}[i%2], "asleep")
		p.until(t, "one more", func(s trust.PortStats) bool { return s.Members == i+1 }) // Dial is over before that
	}
	wantEnd(t, p.dial(t, one, "asleep"))
	p.until(t, "one too many", func(s trust.PortStats) bool { return s.Unattended == 1 && s.Members == limit })
	wantEcho(t, p.dial(t, one, testALPN), "hello")
	asleep.Close() // ends those that wait
	p.until(t, "places again", func(s trust.PortStats) bool { return s.Members == 1 })
}

// One machine cannot fill the port.
func TestPortOneMachine(t *testing.T) {
	p := newPort(t, nil)
	echo(t, p.Listener(testALPN))
	busy, other := p.trusts(t, "busy"), p.trusts(t, "other")
	const limit = 64
	var first net.Conn
	for range limit {
		conn := p.dial(t, busy, testALPN)
		wantEcho(t, conn, "hello")
		if first == nil {
			first = conn
		}
	}
	wantEnd(t, p.dial(t, busy, testALPN))
	wantEcho(t, p.dial(t, other, testALPN), "hello")
	first.Close()
	p.until(t, "a place again", func(s trust.PortStats) bool { return s.Members == limit }) // with the other's
	wantEcho(t, p.dial(t, busy, testALPN), "hello")
}

// A connection that is closed makes room, however it is closed.
func TestPortMakesRoom(t *testing.T) {
	p := newPort(t, nil)
	ln := p.Listener(trust.ALPNJoin)
	defer ln.Close()
	stranger := newKey(t)
	for i := range 200 { // more than one address may have
		conn := p.dial(t, stranger, trust.ALPNJoin)
		got, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		switch i % 3 {
		case 0:
			got.Close()
		case 1:
			tcp.Abort(got)
		case 2:
			tcp.Underlying(got).Close()
		}
		conn.Close()
	}
	if s := p.Stats(); s.Full != 0 || s.Members != 0 {
		t.Errorf("Stats = %+v, want no one turned away", s)
	}
}

// F42: a flood of connections that say nothing, or stop after their ClientHello,
// holds no more places than one address may have, and established connections go
// on.
func TestF42HandshakeFlood(t *testing.T) {
	p := newPort(t, nil)
	echo(t, p.Listener(testALPN))
	k := p.trusts(t, "web")
	conn := p.dial(t, k, testALPN)
	wantEcho(t, conn, "before")

	hello := clientHello(t)
	const flood = 500
	var stormed sync.WaitGroup
	held := make(chan net.Conn, flood)
	for range 10 {
		stormed.Go(func() {
			for i := range flood / 10 {
				c, err := net.Dial("tcp", p.addr)
				if err != nil {
					continue // it is a storm
				}
				if i%3 != 0 {
					c.Write(hello)
				}
				held <- c
			}
		})
	}
	for i := range 100 {
		wantEcho(t, conn, fmt.Sprintf("while it storms %d", i))
	}
	stormed.Wait()
	wantEcho(t, conn, "after")
	p.until(t, "the flood", func(s trust.PortStats) bool { return s.Accepted+s.Full >= flood })
	if s := p.Stats(); s.Full == 0 || s.Members != 1 {
		t.Errorf("Stats = %+v, want most of the flood turned away at the door", s)
	}
	close(held)
	for c := range held {
		c.Close()
	}
	p.until(t, "the end of it", func(s trust.PortStats) bool { return s.Accepted == s.Failed+1 })
	wantEcho(t, p.dial(t, k, testALPN), "again")
}

// F42: who says nothing, or stops after the ClientHello, is shown out after 5 s.
func TestF42HandshakeLimit(t *testing.T) {
	p := newPort(t, nil)
	echo(t, p.Listener(testALPN))
	hello := clientHello(t)
	var silent []net.Conn
	for _, text := range [][]byte{nil, hello[:1], hello} {
		c, err := net.Dial("tcp", p.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.Write(text)
		silent = append(silent, c)
	}
	for _, c := range silent {
		c.SetReadDeadline(time.Now().Add(15 * time.Second))
		if _, err := io.Copy(io.Discard, c); err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%v, want the end", err)
		}
	}
	p.until(t, "those that said nothing", func(s trust.PortStats) bool { return s.Failed == 3 })
}

// clientHello is the first that a client sends.
func clientHello(t testing.TB) []byte {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ctx, cancel := context.WithCancel(context.Background())
	var dial sync.WaitGroup
	defer dial.Wait()
	defer cancel()
	k := newKey(t)
	dial.Go(func() { k.Dial(ctx, "tcp", ln.Addr().String(), trust.PublicKey{}, testALPN) })
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	head := make([]byte, 5)
	must(t, conn, head)
	body := make([]byte, int(head[3])<<8|int(head[4]))
	must(t, conn, body)
	return append(head, body...)
}

// When a port ends, it ends those who are on their way in, and leaves the others
// to their listeners.
func TestPortEnds(t *testing.T) {
	p := newPort(t, nil)
	echo(t, p.Listener(testALPN))
	conn := p.dial(t, p.trusts(t, "web"), testALPN)
	wantEcho(t, conn, "before")
	silent, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	p.until(t, "two", func(s trust.PortStats) bool { return s.Accepted == 2 })
	start := time.Now()
	p.stop()
	if d := time.Since(start); d > 3*time.Second {
		t.Errorf("Serve ended after %s", d)
	}
	wantEnd(t, silent)
	wantEcho(t, conn, "after")
}
