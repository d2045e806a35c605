package serve

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"fairlead/logfile"
)

// A reason says why we closed a connection.
type reason uint8

const (
	badHeader   reason = iota // not a line we understand
	lateHeader                // no line in time
	crowded                   // the oldest of too many without a line
	full                      // MaxClients are here
	addressFull               // MaxPerAddress of one address are here
	unknownLog                // no log, or more than one, has that name
	refused                   // the file is not for this user
	ended                     // its generation ended, and it has got all of it
	cut                       // its generation ended, and it has not
	changed                   // the file was changed under a send: what was sent last may be wrong
	stopped                   // we end
	panicked                  // a bug of ours
	reasons
)

var reasonNames = [reasons]string{
	"bad-header", "late-header", "crowded", "full", "address-full", "unknown-log",
	"refused", "ended", "cut", "changed", "stopped", "panic",
}

func (r reason) String() string { return reasonNames[r] }

// Stats are plain numbers of a Server.
type Stats struct {
	Clients   int64            // being served now: over TCP, and following over HTTP
	SentBytes int64            // of files, over TCP and HTTP
	Resets    map[string]int64 // connections and responses that we ended, by reason
	LateBytes int64            // written to a generation that AtEndFollow had left: not sent, to be read with ?gen=
	LostBytes int64            // that a generation's clients had not received and can receive no more
	PerLog    map[string]int64 // Clients by name of the log
}

// Stats returns the counters.
func (s *Server) Stats() Stats {
	st := Stats{
		SentBytes: s.sent.Load(),
		LateBytes: s.late.Load(),
		LostBytes: s.lost.Load(),
		Resets:    make(map[string]int64, reasons),
		PerLog:    make(map[string]int64),
	}
	for why := range reasons {
		st.Resets[why.String()] = s.resets[why].Load()
	}
	for log, n := range s.clientsOf() {
		st.PerLog[log.Name()] = n
		st.Clients += n
	}
	return st
}

// counters are what Stats counts, and who is being served.
type counters struct {
	sent, late, lost atomic.Int64
	resets           [reasons]atomic.Int64

	mu      sync.Mutex // guards what follows
	readers map[*reader]struct{}
	told    [reasons]told
}

func (c *counters) add(r *reader) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.readers == nil {
		c.readers = make(map[*reader]struct{})
	}
	c.readers[r] = struct{}{}
}

func (c *counters) remove(r *reader) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.readers, r)
}

func (c *counters) clientsOf() map[*logfile.Log]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	clients := make(map[*logfile.Log]int64)
	for r := range c.readers {
		clients[r.log]++
	}
	return clients
}

// A load is who reads one log.
type load struct {
	clients int
	lag     int64 // bytes of its generation that the slowest has not got
}

// loads says who reads which log.
func (c *counters) loads() map[*logfile.Log]load {
	type place struct {
		log *logfile.Log
		gen logfile.GenID
		off int64
	}
	c.mu.Lock()
	places := make([]place, 0, len(c.readers))
	for r := range c.readers {
		places = append(places, place{r.log, r.gen, r.off.Load()})
	}
	c.mu.Unlock()
	loads := make(map[*logfile.Log]load)
	for _, p := range places {
		l := loads[p.log]
		l.clients++
		if g := p.log.Stat().Find(p.gen); g != nil {
			l.lag = max(l.lag, g.Size-p.off)
		}
		loads[p.log] = l
	}
	return loads
}

// told keeps a flood of one kind out of our own log.
type told struct {
	second int64
	lines  int
	unsaid int64
}

const linesPerSecond = 10

// end counts a connection that we close and says why, at most linesPerSecond
// times a second for each reason. Lines that were not said are counted in the
// next one.
func (s *Server) end(why reason, peer net.Addr, args ...any) {
	s.resets[why].Add(1)
	now := time.Now().Unix()
	s.mu.Lock()
	t := &s.told[why]
	if t.second != now {
		t.second, t.lines = now, 0
	}
	if t.lines == linesPerSecond {
		t.unsaid++
		s.mu.Unlock()
		return
	}
	unsaid := t.unsaid
	t.lines, t.unsaid = t.lines+1, 0
	s.mu.Unlock()
	if unsaid > 0 {
		args = append(args, "unsaid", unsaid)
	}
	s.logger().Info("connection ended", append([]any{"reason", why.String(), "peer", addr(peer)}, args...)...)
}

// addr prints an address; of a unix socket's client there is none.
func addr(a net.Addr) string {
	if s := a.String(); s != "" && s != "@" {
		return s
	}
	return a.Network()
}

// contain notes a panic, which must not end other connections than its own.
func (s *Server) contain(p any) {
	if p == http.ErrAbortHandler {
		return
	}
	s.resets[panicked].Add(1)
	s.logger().Error("bug contained", "err", fmt.Sprint(p), "stack", string(debug.Stack()))
}

func (s *Server) logger() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log
}
