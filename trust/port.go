package trust

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"fairlead/internal/tcp"
)

// A Port is the one that carries all that machines say to each other. Whoever
// connects names a protocol (ALPN), proves its key by TLS 1.3, and is handed to the
// listener for the protocol if the key is trusted. To join, any key will do. Its
// fields are set before use.
type Port struct {
	Key     *Key
	Trusted *Trusted
	Log     *slog.Logger // nil discards

	gate       tcp.Gate // counts those that are not known to be trusted
	once       sync.Once
	handshakes chan struct{}          // one place for each that is under way
	often      *rate.Limiter          // of lines about strangers in the log
	failed     atomic.Pointer[string] // why the file of machines could not be read, as it was logged last

	mu      sync.Mutex // guards what follows
	open    map[string]*portListener
	offered *tls.Config // for the protocols that are open; nil: to be made
	members map[*portConn]struct{}

	stats portCounters
}

// What a port bears.
const (
	maxStrangers  = 1024            // connections that are not known to be trusted
	maxPerAddress = 64              // of those
	maxHandshakes = 256             // at a time
	maxPerKey     = 64              // connections of one trusted machine
	maxWaiting    = 64              // connections that a listener has not accepted yet
	greetLimit    = 5 * time.Second // until the handshake is over
)

// plain is the name, in place of a protocol's, of what is not TLS.
const plain = ""

// Listener returns the listener of a protocol, which until it is closed gets the
// connections of trusted machines as [*tls.Conn], their handshake done; [PeerKey]
// says whose each is. Connections that nobody accepts are closed when there are too
// many; nobody else is held up by them. A connection ends within [Recheck] when its
// machine is trusted no more, or has other roles. There is one listener for each
// protocol.
func (p *Port) Listener(alpn string) net.Listener {
	if alpn == plain {
		panic("bug: a protocol without a name")
	}
	return p.listen(alpn)
}

// Plain returns the listener for what is not TLS, from its first byte on: nobody is
// known there, and whoever accepts decides who may come, and how many. Without it
// such connections are closed.
func (p *Port) Plain() net.Listener { return p.listen(plain) }

func (p *Port) listen(alpn string) net.Listener {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open[alpn] != nil {
		panic("bug: two listeners for " + alpn)
	}
	if p.open == nil {
		p.open = map[string]*portListener{}
	}
	l := &portListener{port: p, alpn: alpn, waiting: make(chan net.Conn, maxWaiting), closed: make(chan struct{})}
	p.open[alpn], p.offered = l, nil
	return l
}

// Serve takes connections until ctx ends. It closes ln, and those that were not
// handed to a listener yet. There may be several ln, each with its Serve.
func (p *Port) Serve(ctx context.Context, ln net.Listener) error {
	defer ln.Close()
	p.begin()
	if p.gate.Open(maxStrangers) <= 0 {
		return errors.New("too few file descriptors to let any machine in: raise the limit (ulimit -n)")
	}
	ctx, end := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer end()
	defer context.AfterFunc(ctx, func() { ln.Close() })()
	all.Go(func() { p.recheck(ctx) })
	keeper := tcp.Doorkeeper{
		Refused: func(peer net.Addr, err error) {
			p.stats.full.Add(1)
			p.mention("too many connections", "peer", peer.String(), "err", err)
		},
		Paused: func(err error, d time.Duration) {
			p.logger().Warn("accepting pauses", "addr", ln.Addr().String(), "err", err, "dur", d)
		},
	}
	for {
		conn, err := p.gate.Accept(ctx, ln, maxPerAddress, keeper)
		if ctx.Err() != nil {
			if err == nil {
				conn.Close()
				p.gate.Leave(conn)
			}
			return nil
		}
		if err != nil {
			return err
		}
		p.stats.accepted.Add(1)
		all.Go(func() { p.greet(ctx, conn) })
	}
}

func (p *Port) begin() {
	p.once.Do(func() {
		p.handshakes = make(chan struct{}, maxHandshakes)
		p.often = rate.NewLimiter(1, 10)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.members = map[*portConn]struct{}{}
	})
}

// greet finds out who comes and what for, and passes the connection on.
func (p *Port) greet(ctx context.Context, socket net.Conn) {
	t, ok := socket.(*net.TCPConn)
	if !ok {
		socket.Close()
		p.gate.Leave(socket)
		return
	}
	conn := &portConn{TCPConn: t, port: p, stranger: true}
	defer func() {
		if r := recover(); r != nil {
			conn.Close()
			p.stats.panics.Add(1)
			p.logger().Error("panic for a connection", "peer", conn.RemoteAddr().String(), "err", r, "stack", string(debug.Stack()))
		}
	}()
	tcp.TunePeer(t)
	ctx, cancel := context.WithTimeout(ctx, greetLimit)
	defer cancel()
	// Also what does not listen to ctx ends with it.
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	passed, err := p.identify(ctx, conn)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		err = p.pass(conn, passed)
	}
	if err != nil {
		conn.Close()
		p.turnAway(conn, err)
	}
}

// identify returns the connection as whoever accepts it gets it: under TLS with the
// handshake done, or as it came.
func (p *Port) identify(ctx context.Context, conn *portConn) (passed net.Conn, err error) {
	const handshake = 0x16 // the first byte of TLS
	if err := conn.peek(); err != nil {
		return nil, err
	}
	if conn.first[0] != handshake {
		return conn, nil
	}
	select {
	case p.handshakes <- struct{}{}:
		defer func() { <-p.handshakes }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	secured := tls.Server(conn, p.config())
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return secured, nil
}

// pass hands a connection to the listener for it.
func (p *Port) pass(conn *portConn, passed net.Conn) error {
	alpn := plain
	if secured, ok := passed.(*tls.Conn); ok {
		alpn = secured.ConnectionState().NegotiatedProtocol
	}
	switch {
	case alpn == plain:
		p.stats.plain.Add(1)
		conn.settle()
	case !public(alpn):
		key, _ := PeerKey(passed)
		if err := p.enter(conn, key); err != nil {
			return err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.open[alpn]
	if l == nil {
		return errUnserved
	}
	select {
	case l.waiting <- passed:
		return nil
	default:
		return errUnattended
	}
}

// public says whether a protocol is for keys that are not trusted.
func public(alpn string) bool { return alpn == ALPNJoin }

// enter lets a trusted machine in.
func (p *Port) enter(conn *portConn, key PublicKey) error {
	m, err := p.trusted(key)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for c := range p.members {
		if c.machine.Key == key {
			n++
		}
	}
	if n >= maxPerKey {
		return errKeyFull
	}
	conn.machine = m
	p.members[conn] = struct{}{}
	conn.settle()
	return nil
}

// config is what a handshake is made with.
func (p *Port) config() *tls.Config {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.offered == nil {
		p.offered = p.Key.config(p.check)
		for alpn := range p.open {
			if alpn != plain {
				p.offered.NextProtos = append(p.offered.NextProtos, alpn)
			}
		}
		slices.Sort(p.offered.NextProtos)
	}
	return p.offered
}

// check is where a key that is not trusted is told so. That the peer has the key is
// proved only after it.
func (p *Port) check(state tls.ConnectionState) error {
	key, err := keyOf(state)
	switch {
	case err != nil:
		return err
	case state.NegotiatedProtocol == "":
		return errUnserved
	case public(state.NegotiatedProtocol):
		return nil
	}
	_, err = p.trusted(key)
	return err
}

func (p *Port) trusted(key PublicKey) (Machine, error) {
	ms, err := p.machines()
	if err != nil {
		return Machine{}, err
	}
	m, known := ms.lookup(key)
	if !known {
		return Machine{}, &strangerError{key}
	}
	return m, nil
}

// machines returns those there are, and logs why that cannot be told, once for
// each reason: anybody can make us try.
func (p *Port) machines() (machines, error) {
	ms, err := p.Trusted.read()
	if err != nil {
		text := err.Error()
		if last := p.failed.Swap(&text); last == nil || *last != text {
			p.logger().Error("no machine is let in", "err", err)
		}
	}
	return ms, err
}

// recheck ends connections of machines that are not trusted any more, or not with
// the same roles.
func (p *Port) recheck(ctx context.Context) {
	tick := time.NewTicker(Recheck)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		ms, err := p.machines()
		if err != nil {
			continue
		}
		for _, c := range p.notHeld(ms) {
			p.stats.revoked.Add(1)
			p.logger().Info("connection ended: its machine is not trusted any more, or has other roles",
				"peer", c.RemoteAddr().String(), "name", c.machine.Name)
			tcp.Abort(c)
		}
	}
}

func (p *Port) notHeld(ms machines) (lost []*portConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.members {
		if !ms.holds(c.machine) {
			lost = append(lost, c)
		}
	}
	return lost
}

// Why a connection was not passed on.
var (
	errUnserved   = errors.New("nothing here speaks that protocol")
	errUnattended = errors.New("too many connections wait to be accepted")
	errKeyFull    = fmt.Errorf("%d connections of one machine are here already", maxPerKey)
)

// A strangerError is a key that is not trusted.
type strangerError struct{ key PublicKey }

func (e *strangerError) Error() string { return "not a trusted machine: " + e.key.String() }

// turnAway counts and tells why a connection was not passed on.
func (p *Port) turnAway(conn *portConn, err error) {
	stranger := (*strangerError)(nil)
	peer := conn.RemoteAddr().String()
	switch {
	case errors.As(err, &stranger):
		p.stats.untrusted.Add(1)
		p.mention("a machine that is not trusted was turned away", "peer", peer, "key", stranger.key.String(),
			"cure", "`fairlead invite` and `join`, or `fairlead key add`, if it is to be")
	case errors.Is(err, errKeyFull), errors.Is(err, errUnattended):
		p.stats.unattended.Add(1)
		p.mention("a connection was turned away", "peer", peer, "err", err)
	default:
		p.stats.failed.Add(1)
		p.logger().Debug("a connection came to nothing", "peer", peer, "err", err)
	}
}

// mention warns, but not as often as a stranger likes.
func (p *Port) mention(what string, args ...any) {
	if p.often.Allow() {
		p.logger().Warn(what, args...)
	}
}

func (p *Port) logger() *slog.Logger { return cmp.Or(p.Log, slog.New(slog.DiscardHandler)) }
