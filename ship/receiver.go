package ship

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"

	"fairlead/replica"
)

// A Receiver takes what senders send into a store. Its fields are set before use.
type Receiver struct {
	Store    replica.Store
	Name     string // what it calls itself
	Software string
	// Sender returns the name of whoever is at the other end, by the key that it has
	// proven to have; ok is false if it may not send.
	Sender func(net.Conn) (name string, ok bool)
	Log    *slog.Logger // nil discards

	once    sync.Once
	replica *replica.Receiver
}

func (r *Receiver) setup() {
	r.once.Do(func() {
		if r.Log == nil {
			r.Log = slog.New(slog.DiscardHandler)
		}
		r.replica = &replica.Receiver{Store: r.Store, Name: r.Name, Software: r.Software}
	})
}

// Serve takes the connections of a listener until ctx ends. It returns early if it is
// not known any more what is durable: then nothing is to be acknowledged.
func (r *Receiver) Serve(ctx context.Context, ln net.Listener) error {
	r.setup()
	ctx, cancel := context.WithCancelCause(ctx)
	defer context.AfterFunc(ctx, func() { ln.Close() })()
	var commits, conns sync.WaitGroup
	committing, stopCommits := context.WithCancel(context.WithoutCancel(ctx))
	commits.Go(func() {
		if err := r.replica.Run(committing); err != nil {
			cancel(err)
		}
	})
	defer commits.Wait()
	defer stopCommits() // after the connections: what they wrote is committed
	defer conns.Wait()
	defer cancel(nil)
	for {
		conn, err := ln.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				conn.Close()
			}
			if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
				return cause
			}
			return nil
		case err != nil:
			return err
		}
		conns.Go(func() { r.serve(ctx, conn) })
	}
}

func (r *Receiver) serve(ctx context.Context, conn net.Conn) {
	name, ok := r.Sender(conn)
	log := r.Log.With("peer", name, "addr", conn.RemoteAddr().String())
	if !ok {
		log.Warn("a machine that may not send was turned away")
		conn.Close()
		return
	}
	log.Info("a sender came")
	err := r.replica.Serve(ctx, name, conn)
	if errors.Is(err, io.EOF) || errors.Is(err, context.Canceled) {
		err = nil
	}
	log.Info("a sender left", "err", err)
}

// Stats returns the numbers of now.
func (r *Receiver) Stats() replica.ReceiverStats {
	r.setup()
	return r.replica.Stats()
}
