package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"fairlead/internal/config"
	"fairlead/trust"
)

func newDemo(c *common) *cobra.Command {
	d := &demoCommand{common: c}
	cmd := &cobra.Command{
		Use:   "demo [--check]",
		Short: "busy logs that rotate, and the page, to look at",
		Example: `  fairlead demo            logs are written, rotated and shown, until Ctrl-C
  fairlead demo --check    follows its own streams, and says what held`,
		Long: `All is in one process and in a temporary directory, which is removed at the end.

--check follows the stream of all logs while they are renamed, copied and
truncated, cuts its own connection again and again, and goes on each time with
the last id it has. In the end every line must have come once and in order, the
places of the entries must cover the files without a gap, and the raw bytes of
all generations must be those that were written.

Exit codes: 0 all held, 1 something did not.`,
		Args: wants(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return d.run(cmd.Context()) },
	}
	f := cmd.Flags()
	f.BoolVar(&d.verify, "check", false, "verify what comes, for as long as --for, and end")
	f.DurationVar(&d.length, "for", 15*time.Second, "`TIME` to check for")
	f.StringVar(&d.http, "http", defaultHTTP, "`ADDR:PORT` of the page, or the next free one")
	f.IntVar(&d.rate, "rate", 0, "`N` lines per second of all logs together (default 40, with --check 2000)")
	return cmd
}

type demoCommand struct {
	*common
	verify bool
	length time.Duration
	rate   int
	http   string
}

// Lines per second, and how often a log rotates, if nobody says.
const (
	demoRate, demoCheckRate   = 40, 2000
	demoTurns, demoCheckTurns = 30 * time.Second, 2 * time.Second
)

// errHeld ends a demo whose check went well.
var errHeld = errors.New("all held")

func (d *demoCommand) run(ctx context.Context) (err error) {
	if err := d.check(); err != nil {
		return err
	}
	if d.rate < 0 || d.rate > 1_000_000 || d.length <= 0 {
		return usagef("--rate is a number from 1 to 1000000, --for a time above 0")
	}
	dir, err := os.MkdirTemp("", "fairlead-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	logs := newDemoLogs(filepath.Join(dir, "logs"), d.verify)
	logs.rate, logs.turns = d.rate, demoTurns
	if d.rate == 0 {
		logs.rate = demoRate
	}
	if d.verify {
		logs.turns = demoCheckTurns
		if d.rate == 0 {
			logs.rate = demoCheckRate
		}
	}
	if err := logs.open(); err != nil {
		return err
	}
	defer logs.close()
	p, err := d.process(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	err = d.watch(ctx, p, logs)
	if errors.Is(err, errHeld) {
		return nil
	}
	return err
}

// process is a fairlead up of the demo's directory, with all its rooms.
func (d *demoCommand) process(dir string) (*upProcess, error) {
	s := defaultSettings()
	loaded, err := config.Load(s, config.Sources{})
	if err != nil {
		return nil, err
	}
	state := filepath.Join(dir, "state")
	if err := os.Mkdir(state, 0o700); err != nil {
		return nil, err
	}
	quieter := *d.common
	quieter.quiet = quieter.quiet || d.verify && !quieter.verbose // that files rotate is what it is for
	u := &upCommand{common: &quieter, targets: []string{filepath.Join(dir, "logs")}, knowsPeers: trust.KnowsPeers}
	p := u.process(s, loaded, state)
	p.local.command = "demo"
	p.wants = []want{
		{room: roomHTTP, flag: "http", addr: d.http, spare: true},
		{room: roomServe, flag: "serve", addr: defaultServe, spare: true},
		{room: roomEntries, flag: "tcp", addr: defaultEntries, spare: true},
	}
	return p, p.openEntries()
}

func (d *demoCommand) watch(ctx context.Context, p *upProcess, logs *demoLogs) error {
	var err error
	if p.bound, err = p.bind(p.log); err != nil {
		return err
	}
	defer closeAll(p.bound)
	p.watch(p.command.targets)
	p.openDoors()
	p.beside = append(p.beside, func(ctx context.Context) error { return logs.run(ctx) })
	if !d.verify {
		return p.run(ctx)
	}
	p.announce = func() {
		fmt.Fprintf(os.Stderr, "checking for %s: %d lines a second in %d logs, which rotate\n", d.length, logs.rate, len(logs.all))
	}
	p.beside = append(p.beside, func(ctx context.Context) error {
		check := demoCheck{url: p.pageURL(), token: p.own.Secret, logs: logs, wait: 20 * time.Second}
		err := check.run(ctx, d.length)
		switch {
		case ctx.Err() != nil:
			return exitf(exitFailed, "the check was ended before it was over")
		case err != nil:
			return err
		}
		return errHeld
	})
	return p.run(ctx)
}
