package serve

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"fairlead/internal/tcp"
	"fairlead/logfile"
)

// What a Server's fields mean when they are zero.
const (
	DefaultSendBuffer    = tcp.DefaultSendBuffer
	DefaultMaxClients    = 10_000
	DefaultMaxPerAddress = 10_000 // one address may be a gateway, or this machine
	DefaultHeaderTimeout = 5 * time.Second
	DefaultDrain         = 25 * time.Second
)

// A Server serves the logs of a Set. Its fields are set before use.
type Server struct {
	Files         *logfile.Set
	Log           *slog.Logger  // nil discards
	AtEnd         AtEnd         // over TCP; what follows over HTTP knows only AtEndClose and AtEndFollow
	ShareLocal    bool          // a client of another user of this machine gets more than what everyone may read: who may ask was decided elsewhere
	SendBuffer    int           // SO_SNDBUF of a client, in bytes
	MaxClients    int           // lowered where descriptors would run out
	MaxPerAddress int           // below zero: no limit
	HeaderTimeout time.Duration // for a client's one line
	Drain         time.Duration // how long to go on serving what is there when we end

	gate  tcp.Gate
	lobby lobby
	counters
}

func (s *Server) perAddress() int       { return cmp.Or(s.MaxPerAddress, DefaultMaxPerAddress) }
func (s *Server) sendBuffer() int       { return cmp.Or(s.SendBuffer, DefaultSendBuffer) }
func (s *Server) drain() time.Duration  { return cmp.Or(s.Drain, DefaultDrain) }
func (s *Server) openGate() (limit int) { return s.gate.Open(cmp.Or(s.MaxClients, DefaultMaxClients)) }

// Serve accepts clients of the line protocol until ctx ends. Then those it has
// get what is there at that moment, for as long as Drain, and Serve returns nil.
// Under AtEndExit it returns ErrFileGone once all files have been renamed or
// deleted, and were served to their end in the same way.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	defer ln.Close()
	if s.openGate() <= 0 {
		return errDescriptors
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	defer context.AfterFunc(ctx, func() { ln.Close() })()
	cut, cutNow := context.WithCancel(context.WithoutCancel(ctx))
	defer cutNow()
	kept, letGo := context.WithCancel(context.WithoutCancel(ctx)) // files are held until the last client has left
	defer letGo()

	keep := &keepers{srv: s, allGone: func() { end(ErrFileGone) }}
	var keeping, clients sync.WaitGroup
	if s.AtEnd == AtEndLinger || s.AtEnd == AtEndExit {
		keep.hold() // before the first client: a rename right after it is one of a file that we have
		keeping.Go(func() { keep.run(kept) })
	}
	s.logger().Debug("serving", "addr", ln.Addr().String(), "clients", s.openGate(), "at_end", s.AtEnd.String())
	err := s.acceptAll(ctx, ln, func(conn net.Conn) {
		clients.Go(func() { s.client(ctx, cut, conn, keep) })
	})
	end(err)
	late := time.AfterFunc(s.drain(), cutNow)
	clients.Wait()
	late.Stop()
	letGo()
	keeping.Wait()
	if errors.Is(context.Cause(ctx), ErrFileGone) {
		err = ErrFileGone
	}
	s.logger().Info("serving ended", "addr", ln.Addr().String(), "err", err)
	return err
}

// errDescriptors is a limit that leaves no room for a client.
var errDescriptors = errors.New("too few file descriptors to serve anyone: raise the limit (ulimit -n)")

// acceptAll lets clients in until ctx ends, which is no error.
func (s *Server) acceptAll(ctx context.Context, ln net.Listener, serve func(net.Conn)) error {
	for {
		conn, err := s.accept(ctx, ln)
		if ctx.Err() != nil && err != nil {
			return nil
		}
		if err != nil {
			return err
		}
		serve(conn)
	}
}

// accept returns the next client that the gate lets in.
func (s *Server) accept(ctx context.Context, ln net.Listener) (net.Conn, error) {
	return s.gate.Accept(ctx, ln, s.perAddress(), tcp.Doorkeeper{
		Refused: func(peer net.Addr, err error) {
			if errors.Is(err, tcp.ErrAddressFull) {
				s.end(addressFull, peer)
			} else {
				s.end(full, peer)
			}
		},
		Paused: func(err error, d time.Duration) { s.logger().Warn("accepting paused", "err", err, "dur", d) },
	})
}
