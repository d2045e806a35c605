package trust

import (
	"context"
	"net"
	"os"
	"sync"
)

// Ours says whether the process at the other end of a connection of this
// machine is our own user's or root's. Where it is not known it is a stranger's:
// ours is false then.
func Ours(conn net.Conn) (ours, known bool) {
	uid, known := PeerUID(conn)
	return known && (uid == 0 || int64(uid) == int64(os.Geteuid())), known
}

type peerKey struct{}

// WithPeer is for the ConnContext of an http.Server: it lets [PeerIsOurs] answer
// for the requests of the connection. The system is asked when somebody wants to
// know, and once per connection.
func WithPeer(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, peerKey{}, sync.OnceValues(func() (ours, known bool) { return Ours(conn) }))
}

// PeerIsOurs is [Ours] for a request, by its context. Without [WithPeer] nothing
// is known.
func PeerIsOurs(ctx context.Context) (ours, known bool) {
	ask, ok := ctx.Value(peerKey{}).(func() (ours, known bool))
	if !ok {
		return false, false
	}
	return ask()
}
