package main

import (
	"context"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"fairlead/logfile"
)

func newShip(c *common) *cobra.Command {
	s := &shipCommand{common: c}
	cmd := &cobra.Command{
		Use:   "ship [flags] FILE|GLOB|DIR... --to HOST",
		Short: "keep byte-exact copies of logs on another machine",
		Example: `  fairlead ship /var/log --to vault
  fairlead ship '/srv/**/*.log' --to vault --to other:7447   a copy at each
  fairlead ship /var/log --to-one-of a,b,c       one of them has each file
  fairlead ship /var/log --to vault --once       until it has all there is
  fairlead ship --status                         how far each file is`,
		Long: `HOST is a receiver, "fairlead receive" or "fairlead up --receive", by the name
or the address under which this machine trusts it: run "fairlead invite" there,
and "fairlead join TOKEN" here.

Files need not exist yet; new ones join. Every byte of every generation is sent,
also of files that are rotated or deleted meanwhile, and what was acknowledged
is durable there. After a lost connection, a kill or a restart it goes on at the
byte that the receiver has, when both have proven that it is the same file. What
was gone before it could be sent is said, and listed in the file "lost" of the
state.

The settings can stand in the section ship of fairlead.toml; "fairlead up" then
ships what it watches.

Exit codes: 0 ok, 3 HOST is not known; with --once also 3 there is no file,
4 no receiver there, 5 some of it was lost, refused or could not be read.`,
		RunE: func(cmd *cobra.Command, args []string) error { return s.run(cmd.Context(), args) },
	}
	f := cmd.Flags()
	s.given = roomFlags(f, defaultSettings(), "ship")
	f.BoolVar(&s.once, "once", false, "end when the receivers have all that is there")
	f.BoolVar(&s.poll, "poll", false, "look every second instead of waiting for events")
	f.BoolVar(&s.status, "status", false, "show how far the running processes are, and end")
	outputFlag(f, &s.output)
	f.StringVar(&s.config, "config", "", "`FILE` with settings, instead of the first of those that `fairlead config -h` lists")
	return cmd
}

type shipCommand struct {
	*common
	config string
	given  func() map[string][]string
	once   bool
	poll   bool
	status bool
	output string
}

func (c *shipCommand) run(ctx context.Context, targets []string) error {
	if err := c.check(); err != nil {
		return err
	}
	s, _, err := loadConfig(c.config, c.given())
	if err != nil {
		return err
	}
	if c.status {
		return c.showStatus(ctx, s.Self.State)
	}
	switch {
	case len(targets) == 0 && len(s.Watch.Targets) > 0:
		targets = s.Watch.Targets
	case len(targets) == 0:
		return usagef("the file, glob or directory to ship is missing")
	}
	if len(s.Ship.hosts()) == 0 {
		return usagef("where to? --to HOST, or --to-one-of HOST,HOST")
	}
	bar := newShipBar(!c.quiet && isTerminal(os.Stderr))
	log := c.loggerTo(bar)
	dir, err := lastingState(s.Self.State, "a key", log)
	if err != nil {
		return err
	}
	m, err := openMachines(identity{dir})
	if err != nil {
		return err
	}
	set := &logfile.Set{State: dir, Skip: []string{dir}, NoEvents: c.poll, PinBytes: int64(s.Watch.PinBytes), PinFor: s.Watch.PinFor}
	room, err := openShip(s, m, dir, set, log)
	if err != nil {
		return err
	}
	defer room.close()
	if err := addTargets(set, targets, log); err != nil {
		return err
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	defer runSet(set, log)()
	l := &local{command: "ship", name: s.Self.Name, set: set, ship: room, log: log}
	defer l.start(context.WithoutCancel(ctx), dir)()
	l.warnUnread(l.survey())
	notifyReady("shipping")
	g, running := errgroup.WithContext(ctx)
	running, cancel := context.WithCancel(running)
	defer cancel()
	g.Go(func() error { return room.Run(running) })
	g.Go(func() error { return c.watch(running, l, bar, cancel) })
	err = g.Wait()
	bar.end()
	notifyStopping()
	return err
}

// drawEvery is how often the progress is shown.
const drawEvery = 100 * time.Millisecond

// watch shows how far it is, and ends all where that is asked for.
func (c *shipCommand) watch(ctx context.Context, l *local, bar *shipBar, end func()) error {
	if !c.once && !bar.shown {
		return nil
	}
	_, before := l.ship.Lost()
	next := time.NewTimer(0)
	defer next.Stop()
	var drawn time.Time
	for {
		select {
		case <-next.C:
		case <-ctx.Done():
			return nil
		}
		began := time.Now()
		if began.Sub(drawn) >= drawEvery {
			bar.at(l.ship.Status())
			drawn = began
		}
		if c.once {
			if err := l.ship.Unreachable(); err != nil {
				return exitf(exitUnreachable, "%w", err)
			}
			if l.ship.Settled() {
				bar.at(l.ship.Status())
				end()
				return l.shipped(before)
			}
		}
		every := drawEvery
		if c.once {
			every = 5 * time.Millisecond
		}
		next.Reset(max(every, 20*time.Since(began))) // it looks at every file
	}
}

// isThere says that a log has, or had, a file.
func isThere(log *logfile.Log) bool {
	st := log.Stat()
	return st.Current != nil || len(st.Old) > 0
}

// shipped is the end of --once; before is how much had been lost at its start.
func (l *local) shipped(before int64) error {
	for _, to := range l.ship.Status() {
		for _, f := range to.Files {
			if f.Refused() {
				return exitf(exitPartial, "%s does not take %s: %w", to.To, f.Path, f.Err)
			}
		}
	}
	if _, n := l.ship.Lost(); n > before {
		return exitf(exitPartial, "%s were gone before they could be sent: the file lost in the state lists them", bytesText(n-before))
	}
	seen := l.survey()
	switch n := len(seen.unread); {
	case n > 0:
		return exitf(exitPartial, "%s could not be read, %s: %w", count(int64(n), "file"), seen.unread[0], seen.err)
	case !slices.ContainsFunc(seen.logs, isThere):
		return exitf(exitNotFound, "there is no file to ship yet")
	}
	return nil
}
