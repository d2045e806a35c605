package serve

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"fairlead/internal/tcp"
	"fairlead/trust"
)

// How long a web client may be silent, and how much it may say before its
// request.
const (
	webIdle   = 2 * time.Minute
	webHeader = 16 << 10
)

// ServeWeb serves HTTP with h, which usually has s among its handlers, until
// ctx ends: then the requests' contexts end too, responses under way have Drain
// to finish, and ServeWeb returns nil. Its clients count into MaxClients.
func (s *Server) ServeWeb(ctx context.Context, ln net.Listener, h http.Handler) error {
	defer ln.Close()
	if s.openGate() <= 0 {
		return errDescriptors
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	web := &http.Server{
		Handler:           s.contained(h),
		ReadHeaderTimeout: DefaultHeaderTimeout,
		IdleTimeout:       webIdle,
		MaxHeaderBytes:    webHeader,
		ErrorLog:          slog.NewLogLogger(s.logger().Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			tcp.Tune(conn, s.sendBuffer())
			return trust.WithPeer(ctx, conn)
		},
		ConnState: func(conn net.Conn, state http.ConnState) {
			if state == http.StateClosed || state == http.StateHijacked {
				s.gate.Leave(conn)
			}
		},
	}
	var drained sync.WaitGroup
	drained.Go(func() {
		<-ctx.Done()
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.drain())
		defer cancel()
		if web.Shutdown(limit) != nil {
			web.Close()
		}
	})
	err := web.Serve(gatedListener{ln, func() (net.Conn, error) { return s.accept(ctx, ln) }})
	if ctx.Err() != nil {
		err = nil
	}
	end()
	drained.Wait()
	return err
}

// A gatedListener lets in whom the gate lets in.
type gatedListener struct {
	net.Listener
	accept func() (net.Conn, error)
}

func (l gatedListener) Accept() (net.Conn, error) { return l.accept() }

// contained makes a handler's bug end no more than its connection.
func (s *Server) contained(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				s.contain(p)
				panic(http.ErrAbortHandler)
			}
		}()
		h.ServeHTTP(w, r)
	})
}
