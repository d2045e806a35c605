package tcp

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

// What a connection is given.
const (
	DefaultSendBuffer = 256 << 10 // bytes: with more, a thousand clients exhaust the kernel's memory

	// WriteTimeout is how long a client may take nothing although there is
	// something. On Linux the kernel watches over it (TCP_USER_TIMEOUT).
	WriteTimeout = time.Minute
)

// past is a deadline that is over.
var past = time.Unix(1, 0)

// Underlying is the socket under TLS, or the connection itself.
func Underlying(conn net.Conn) net.Conn {
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok {
		return t.NetConn()
	}
	return conn
}

// KeepAlive: a client that has gone without a word is noticed within 75 seconds: 15 of
// silence, then four questions. One that half-closed and then closed answers
// them for up to a minute more.
var KeepAlive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 15 * time.Second, Count: 4}

// Tune sets what a client's socket needs. TCP_NODELAY is on already: Go sees to
// it, and without it an append takes 40 ms longer.
func Tune(conn net.Conn, sendBuffer int) {
	if c, ok := Underlying(conn).(*net.TCPConn); ok {
		c.SetWriteBuffer(sendBuffer)
		c.SetKeepAliveConfig(KeepAlive)
		limitSilence(c, WriteTimeout)
	}
}

// TunePeer is [Tune] for a connection of two machines, which may be silent for
// days: one that has vanished is noticed within a minute, after 15 seconds of
// silence and four questions, or where it acknowledges nothing. How much is on
// the way the kernel decides.
func TunePeer(conn *net.TCPConn) {
	const patience = 55 * time.Second
	conn.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 10 * time.Second, Count: 4})
	limitSilence(conn, patience)
}

// Abort closes a connection with a reset: the client knows that it has not got
// what it was promised.
func Abort(conn net.Conn) {
	conn = Underlying(conn)
	if t, ok := conn.(interface{ SetLinger(sec int) error }); ok {
		t.SetLinger(0)
	}
	conn.Close()
}

// How long and how much we listen to a client that we have said goodbye to.
const (
	partTime  = 5 * time.Second
	partLast  = time.Second // once we end ourselves
	partBytes = 1 << 20
)

// Part says goodbye to a client that has got everything. What it may have sent
// us is read first: closed unread it would become a reset, which can destroy
// bytes that are still on their way. One that holds its end open delays our own
// end little: ctx says when that has come.
func Part(ctx context.Context, conn net.Conn) {
	socket := Underlying(conn)
	for _, c := range []net.Conn{conn, socket} { // under TLS there are two ends to say
		if w, ok := c.(interface{ CloseWrite() error }); ok {
			w.CloseWrite()
		}
	}
	socket.SetReadDeadline(time.Now().Add(partTime))
	defer context.AfterFunc(ctx, func() { socket.SetReadDeadline(time.Now().Add(partLast)) })()
	io.CopyN(io.Discard, socket, partBytes)
}

// Watch calls left when the peer has reset the connection or is unreachable. A
// half-closed connection is not left. What it returns ends the watching.
func Watch(conn net.Conn, left func()) (unwatch func()) {
	var wg sync.WaitGroup
	wg.Go(func() {
		if awaitHangup(conn) {
			left()
		}
	})
	return func() {
		conn.SetReadDeadline(past)
		wg.Wait()
		conn.SetReadDeadline(time.Time{})
	}
}
