package main

import (
	"context"
	"log/slog"

	"fairlead/logfile"
)

// runSet runs the set beside whatever reads from it. The set has to outlive its
// readers, so its end is not that of a signal: it ends when stop is called, and
// stop returns once it has.
func runSet(set *logfile.Set, log *slog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- set.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			log.Warn("the generations were not written down; those that rotate meanwhile may get new ids", "err", err)
		}
	}
}
