package trust

import "net"

// Loopback says whether only this machine can use the address: a loopback IP,
// or a unix socket.
func Loopback(a net.Addr) bool {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.IP.IsLoopback()
	case *net.UnixAddr:
		return true
	}
	return false
}

// PeerUID returns the user id of the process at the other end of a connection
// of this machine: a unix socket, or TCP over loopback, either of them possibly
// under TLS. ok is false for every other connection, where the system does not
// tell, and where the peer has closed its socket already, which then belongs to
// nobody. Whoever asks must treat that as a stranger.
func PeerUID(c net.Conn) (uid uint32, ok bool) {
	if t, isTLS := c.(interface{ NetConn() net.Conn }); isTLS {
		c = t.NetConn()
	}
	if u, isUnix := c.(*net.UnixConn); isUnix {
		return unixPeer(u)
	}
	peer, isTCP := c.RemoteAddr().(*net.TCPAddr)
	if !isTCP || !peer.IP.IsLoopback() {
		return 0, false
	}
	here, isTCP := c.LocalAddr().(*net.TCPAddr)
	if !isTCP {
		return 0, false
	}
	return socketUID(peer.AddrPort(), here.AddrPort())
}
