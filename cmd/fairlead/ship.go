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
  fairlead ship /var/log --to HOST --plain       to a logship, in the clear
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

With --plain it speaks as logship did, which never asks who is there: no TLS, no
keys, and a receiver that only says how long its copy is. HOST is then any name
or address. Each generation gets a name of its own there, the first that of its
file, later ones NAME-TIME.GENERATION; of two files of one name the second is
refused.

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
	bar := newShipBar(!c.quiet && isTerminal(os.Stderr) && !s.Ship.Plain)
	log := c.loggerTo(bar)
	what := "a key"
	if s.Ship.Plain {
		what = "under which name each generation is sent"
	}
	dir, err := lastingState(s.Self.State, what, log)
	if err != nil {
		return err
	}
	set := &logfile.Set{State: dir, Skip: []string{dir}, NoEvents: c.poll, PinBytes: int64(s.Watch.PinBytes), PinFor: s.Watch.PinFor}
	l := &local{command: "ship", name: s.Self.Name, set: set, log: log}
	send, err := c.open(s, l, dir)
	if err != nil {
		return err
	}
	defer l.ship.close()
	defer l.plainOut.close()
	if err := addTargets(set, targets, log); err != nil {
		return err
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	defer runSet(set, log)()
	defer l.start(context.WithoutCancel(ctx), dir)()
	l.warnUnread(l.survey())
	notifyReady("shipping")
	g, running := errgroup.WithContext(ctx)
	running, cancel := context.WithCancel(running)
	defer cancel()
	g.Go(func() error { return send(running) })
	g.Go(func() error { return c.watch(running, l, bar, cancel) })
	err = g.Wait()
	bar.end()
	notifyStopping()
	return err
}

// open opens the room that sends, with TLS and keys or in the clear.
func (c *shipCommand) open(s *settings, l *local, state string) (send func(context.Context) error, err error) {
	if s.Ship.Plain {
		if l.plainOut, err = openShipPlain(s, state, c.once, l.set, l.log); err != nil {
			return nil, err
		}
		return l.plainOut.Run, nil
	}
	m, err := openMachines(identity{state})
	if err != nil {
		return nil, err
	}
	if l.ship, err = openShip(s, m, state, l.set, l.log); err != nil {
		return nil, err
	}
	return l.ship.Run, nil
}

// An outgoing is a room that sends.
type outgoing interface {
	Unreachable() error // why a receiver never answered
	Settled() bool      // all that is there is there
}

func (l *local) outgoing() outgoing {
	if l.plainOut != nil {
		return l.plainOut
	}
	return l.ship
}

// lost is how many bytes were gone before they could be sent.
func (l *local) lost() (n int64) {
	if l.plainOut != nil {
		for _, h := range l.plainOut.Status() {
			n += h.Lost
		}
		return n
	}
	_, n = l.ship.Lost()
	return n
}

// drawEvery is how often the progress is shown.
const drawEvery = 100 * time.Millisecond

// watch shows how far it is, and ends all where that is asked for.
func (c *shipCommand) watch(ctx context.Context, l *local, bar *shipBar, end func()) error {
	if !c.once && !bar.shown {
		return nil
	}
	before := l.lost()
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
			bar.at(l.links())
			drawn = began
		}
		if c.once {
			if err := l.outgoing().Unreachable(); err != nil {
				return exitf(exitUnreachable, "%w", err)
			}
			if l.outgoing().Settled() {
				bar.at(l.links())
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
	for _, to := range l.links() {
		for _, f := range to.Files {
			if f.Refused() {
				return exitf(exitPartial, "%s does not take %s: %w", to.To, f.Path, f.Err)
			}
		}
	}
	if l.plainOut != nil {
		for _, r := range l.plainOut.Refused() {
			return exitf(exitPartial, "%s is not sent to %s: %s", r.Path, r.To, r.Why)
		}
	}
	if n := l.lost(); n > before {
		where := "the file lost in the state lists them"
		if l.plainOut != nil {
			where = "the log has the ranges"
		}
		return exitf(exitPartial, "%s were gone before they could be sent: %s", bytesText(n-before), where)
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
