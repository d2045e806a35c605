package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sync/errgroup"

	"fairlead/logfile"
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
}

// openStream opens the stream whose spool is in the state, under a name that no
// other process of this state may have at the same time, and makes the set know
// what it remembers. The environment says where the spool is, and how large.
func (p *streaming) openStream(name string, o stream.Options) error {
	budget, err := streamBudget()
	if err != nil {
		return err
	}
	if o.Budget = budget; os.Getenv("FAIRLEAD_STREAM_SPOOL") != "memory" {
		o.Dir = filepath.Join(p.state, name)
		if err := p.lockDir(o.Dir); err != nil {
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

// streamBudget is what FAIRLEAD_STREAM_BUDGET says, in bytes; 0 if it is not set.
func streamBudget() (int64, error) {
	text := os.Getenv("FAIRLEAD_STREAM_BUDGET")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 {
		return 0, usagef("FAIRLEAD_STREAM_BUDGET=%s: want a number of bytes above 0", text)
	}
	return n, nil
}

func (p *streaming) lockDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := logfile.Lock(f, dir, "stop it, or choose other ports or another state directory"); err != nil {
		f.Close()
		return err
	}
	p.lock = f
	return nil
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
	return errors.Join(errs...)
}

// run streams until a signal. It calls announce when clients can come, and
// stopping when they have to go. The clients get what is there, the logs are read
// until then, and the set outlives both:
//
//	signal ──> outlets drain ──> logs ──> socket ──> set
func (p *streaming) run(ctx context.Context, announce, stopping func()) error {
	ctx, stop := untilSignal(ctx)
	defer stop()
	shareCores()
	defer runSet(p.set, p.log)()
	defer p.start(context.WithoutCancel(ctx), p.state)()
	defer context.AfterFunc(ctx, func() {
		notifyStopping()
		stopping()
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
	web := &serve.Server{Files: p.set, Log: p.log, Drain: drainLimit, MaxPerAddress: -1}
	for _, e := range p.bound {
		g.Go(func() error {
			if e.room == roomHTTP {
				return web.ServeWeb(running, e.ln, p.web)
			}
			return p.entries.Serve(running, e.ln)
		})
	}
	announce()
	notifyReady(p.summary())
	err := g.Wait()
	stopReading()
	return errors.Join(err, <-read)
}
