package serve

import (
	"container/list"
	"net"
	"sync"

	"fairlead/internal/tcp"
)

// maxLobby is how many connections may be without a header.
const maxLobby = 1024

// A lobby is where connections are that have not said yet what they want.
type lobby struct {
	mu      sync.Mutex // guards what follows, and visitors
	waiting list.List  // of *visitor, the longest waiting first
}

// A visitor is a connection that has not said yet what it wants.
type visitor struct {
	conn  net.Conn
	place *list.Element
	out   bool // was shown out
}

// wait puts a connection into the lobby. If that is full the one that has been
// there longest is shown out.
func (l *lobby) wait(conn net.Conn) *visitor {
	v := &visitor{conn: conn}
	if oldest := l.seat(v); oldest != nil {
		tcp.Abort(oldest.conn)
	}
	return v
}

func (l *lobby) seat(v *visitor) (oldest *visitor) {
	l.mu.Lock()
	defer l.mu.Unlock()
	v.place = l.waiting.PushBack(v)
	if l.waiting.Len() <= maxLobby {
		return nil
	}
	oldest = l.waiting.Remove(l.waiting.Front()).(*visitor)
	oldest.out = true
	return oldest
}

// done takes a visitor out of the lobby; false if it was shown out.
func (l *lobby) done(v *visitor) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if v.out {
		return false
	}
	l.waiting.Remove(v.place)
	return true
}
