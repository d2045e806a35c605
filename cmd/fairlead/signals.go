package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// untilSignal returns a context that TERM or INT ends. Before it does, these
// signals get their own effect back, so that a second one ends the process at
// once. (signal.NotifyContext would swallow one that comes in between.) QUIT
// stays the Go runtime's: it prints the goroutines.
func untilSignal(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case <-signals:
		case <-ctx.Done():
		}
		signal.Stop(signals)
		cancel()
	}()
	return ctx, cancel
}

// onHangup calls reload for each HUP, one call after another; those that come
// while it works are one more. Until stop is called HUP does not end the process,
// also once ctx has ended: somebody may reload us while we stop. stop returns
// when the last call has.
func onHangup(ctx context.Context, reload func()) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-signals:
			case <-ctx.Done():
				return
			}
			if ctx.Err() == nil {
				reload()
			}
		}
	}()
	return func() {
		cancel()
		<-done
		signal.Stop(signals)
	}
}
