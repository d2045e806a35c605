package trust

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// A portListener has the connections of one protocol.
type portListener struct {
	port    *Port
	alpn    string
	waiting chan net.Conn // filled under the port's mutex, and only while it is open there
	once    sync.Once
	closed  chan struct{}
}

// Accept returns the next connection; net.ErrClosed once the listener is closed.
func (l *portListener) Accept() (net.Conn, error) {
	select {
	case <-l.closed:
		return nil, net.ErrClosed
	default:
	}
	select {
	case conn := <-l.waiting:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends the protocol, and the connections that nobody has accepted.
func (l *portListener) Close() error {
	l.once.Do(func() {
		l.port.mu.Lock()
		delete(l.port.open, l.alpn)
		l.port.offered = nil
		l.port.mu.Unlock()
		close(l.closed)
		for {
			select {
			case conn := <-l.waiting:
				socketOf(conn).Close()
			default:
				return
			}
		}
	})
	return nil
}

func socketOf(conn net.Conn) net.Conn {
	if c, ok := conn.(interface{ NetConn() net.Conn }); ok {
		return c.NetConn()
	}
	return conn
}

// Addr names the protocol: a port may have several addresses, or none yet.
func (l *portListener) Addr() net.Addr { return portAddr(l.alpn) }

type portAddr string

func (portAddr) Network() string  { return "fairlead" }
func (a portAddr) String() string { return "machines/" + string(a) }

// A portConn is a socket of a port: its first byte was looked at, and the port
// knows when it is closed.
type portConn struct {
	*net.TCPConn
	port    *Port
	machine Machine // of a trusted one

	first [1]byte
	ahead bool // first was not read yet

	mu       sync.Mutex // guards what follows
	stranger bool       // counted at the gate
}

// peek waits for the first byte, and leaves it to be read.
func (c *portConn) peek() error {
	_, err := io.ReadFull(c.TCPConn, c.first[:])
	c.ahead = err == nil
	return err
}

func (c *portConn) Read(p []byte) (int, error) {
	if c.ahead && len(p) > 0 {
		c.ahead = false
		return copy(p, c.first[:]), nil
	}
	return c.TCPConn.Read(p)
}

// WriteTo is what io.Copy asks for: the first byte, and then the kernel's way.
func (c *portConn) WriteTo(w io.Writer) (n int64, err error) {
	if c.ahead {
		c.ahead = false
		m, err := w.Write(c.first[:])
		if n = int64(m); err != nil {
			return n, err
		}
	}
	rest, err := c.TCPConn.WriteTo(w)
	return n + rest, err
}

// settle gives the place of a stranger to the next one.
func (c *portConn) settle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stranger {
		c.stranger = false
		c.port.gate.Leave(c.TCPConn)
	}
}

// Close also makes room for others.
func (c *portConn) Close() error {
	err := c.TCPConn.Close()
	c.settle()
	c.port.mu.Lock()
	defer c.port.mu.Unlock()
	delete(c.port.members, c)
	return err
}

// PortStats counts since the start.
type PortStats struct {
	Members    int   // connections of trusted machines at the moment
	Accepted   int64 // connections
	Plain      int64 // of these, that were not TLS
	Failed     int64 // handshakes that came to nothing, or took too long
	Untrusted  int64 // keys that are not trusted
	Full       int64 // connections beyond what is allowed to strangers
	Unattended int64 // connections that nobody accepted in time, or beyond those of one machine
	Revoked    int64 // connections that ended because their machine lost its trust
	Panics     int64
}

type portCounters struct {
	accepted, plain, failed, untrusted, full, unattended, revoked, panics atomic.Int64
}

// Stats returns what happened so far.
func (p *Port) Stats() PortStats {
	p.mu.Lock()
	members := len(p.members)
	p.mu.Unlock()
	c := &p.stats
	return PortStats{
		Members: members, Accepted: c.accepted.Load(), Plain: c.plain.Load(), Failed: c.failed.Load(),
		Untrusted: c.untrusted.Load(), Full: c.full.Load(), Unattended: c.unattended.Load(), Revoked: c.revoked.Load(),
		Panics: c.panics.Load(),
	}
}
