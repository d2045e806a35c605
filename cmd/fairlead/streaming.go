package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"fairlead/serve"
	"fairlead/stream"
)

// A streaming is a process that streams entries, whatever command line it was
// started by.
type streaming struct {
	local
	*common
	state string
	web   http.Handler // what the HTTP listeners answer
	lock  io.Closer    // on the directory of the spool

	announce func()                        // says that clients can come
	stopping func()                        // and that they have to go
	beside   []func(context.Context) error // run until then; an error is the end of all
}

// openStream opens the stream, whose spool no other process may have at the same
// time, and makes the set know what it remembers. cure is what to do if one has.
func (p *streaming) openStream(o stream.Options, cure string) (err error) {
	if o.Dir != "" {
		if err := p.lockDir(o.Dir, cure); err != nil {
			return err
		}
	}
	o.Log = p.log.With("room", "stream")
	if p.stream, err = stream.Open(o); err != nil {
		return fmt.Errorf("%w; the entries of before are lost if you delete %s, the logs are not", err, o.Dir)
	}
	p.set.Adopt(p.stream.Marks()...)
	return nil
}

func (p *streaming) lockDir(dir, cure string) (err error) {
	if p.lock, err = lockRoom(dir, cure); err != nil {
		return err
	}
	now := time.Now()
	return os.Chtimes(filepath.Join(dir, lockName), now, now) // last used: see removeOldSpool
}

// close ends what openStream began.
func (p *streaming) close() error {
	var errs []error
	if p.stream != nil {
		errs = append(errs, p.stream.Close())
	}
	if p.lock != nil {
		errs = append(errs, p.lock.Close())
	}
	return errors.Join(append(errs, p.ship.close(), p.plainOut.close(), p.receive.close())...)
}

// run streams until a signal. The clients get what is there, the logs are read
// until then, and the set outlives both:
//
//	signal ──> outlets drain ──> logs ──> socket ──> set
func (p *streaming) run(ctx context.Context) error {
	ctx, stop := untilSignal(ctx)
	defer stop()
	shareCores()
	defer runSet(p.set, p.log)()
	defer p.start(context.WithoutCancel(ctx), p.state)()
	defer p.report(context.WithoutCancel(ctx))()
	defer context.AfterFunc(ctx, func() {
		notifyStopping()
		p.stopping()
	})()
	reading, stopReading := context.WithCancel(context.WithoutCancel(ctx))
	defer stopReading()
	read := make(chan error, 1)
	go func() { read <- p.stream.Run(reading, stream.FromSet(p.set)) }()

	g, running := errgroup.WithContext(ctx)
	g.Go(func() error {
		select {
		case err := <-read: // it ends by itself only if it cannot begin
			read <- nil
			return err
		case <-running.Done():
			return nil
		}
	})
	p.serveAll(running, g)
	p.announce()
	g.Go(func() error {
		select {
		case <-p.stream.Begun():
			afterSearch(p.set)
			notifyReady(p.summary())
		case <-running.Done():
		}
		return nil
	})
	for _, f := range p.beside {
		g.Go(func() error { return f(running) })
	}
	err := g.Wait()
	stopReading()
	return errors.Join(err, <-read)
}

// report keeps the service manager informed until stop is called, which is after
// the last client has left.
func (p *streaming) report(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { watchdog(ctx, p.alive, p.log) })
	wg.Go(func() { tellStatus(ctx, p.summary(), p.summary) })
	return func() {
		cancel()
		wg.Wait()
	}
}

// alive returns if no lock is held for ever.
func (p *streaming) alive() error {
	p.status()
	return nil
}

// serveAll serves at every listener.
func (p *streaming) serveAll(ctx context.Context, g *errgroup.Group) {
	web := p.server
	if web == nil {
		web = &serve.Server{Files: p.set, Log: p.log, Drain: drainLimit, MaxPerAddress: -1}
	}
	for _, e := range p.bound {
		g.Go(func() error {
			switch e.room {
			case roomHTTP:
				return web.ServeWeb(ctx, e.ln, p.web)
			case roomServe:
				return p.server.Serve(ctx, e.ln)
			case roomMachines:
				return p.receive.serve(ctx, e.ln)
			}
			return p.entries.Serve(ctx, e.ln)
		})
	}
}
