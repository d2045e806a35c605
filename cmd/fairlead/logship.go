package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"fairlead/internal/tcp"
	"fairlead/logfile"
	"fairlead/ship/plain"
	"fairlead/standin/logship"
)

func newLogship(c *common) *cobra.Command {
	return &cobra.Command{
		Use:   "logship [OPTIONS] rx|tx [OPTIONS]",
		Short: "as logship: growing files to another host, in the clear",
		Example: `  fairlead logship rx
  fairlead logship tx --host localhost --glob '/var/tmp/logship_inputs/*.log'
  ln -s fairlead logship; ./logship --port 7448 rx --bindhost 0.0.0.0`,
		Long: `The command line of the older tool, and what it says on the wire, so that either
end may be the older one. Each generation of a file gets a name of its own, the
next one after a rotation is NAME-TIME.GENERATION. Nothing is acknowledged or
proven, and there is neither TLS nor a key: "fairlead ship" has all of these.

` + logship.Usage + `
Exit codes: 0 ok, 1 failed, 2 the command line is wrong.`,
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := logship.Parse(args)
			switch {
			case err != nil:
				fmt.Fprintf(os.Stderr, "logship: %s\n%s", printable(err.Error()), logship.Usage)
				return &exitError{code: exitUsage}
			case o.Help:
				return cmd.Help()
			}
			log := c.logger()
			if os.Getenv("FAIRLEAD_STANDIN_QUIET") != "1" {
				log.Info("logship is fairlead here; in its own words", "command", o.Native())
			}
			for _, w := range o.Warnings {
				log.Warn(w)
			}
			state, err := openState("", log)
			if err != nil {
				return err
			}
			defer state.Close()
			ctx, stop := untilSignal(cmd.Context())
			defer stop()
			if o.Receive {
				return receiveAsLogship(ctx, o, state.dir, log)
			}
			return sendAsLogship(ctx, o, state.dir, log)
		},
	}
}

// receiveAsLogship is logship rx.
func receiveAsLogship(ctx context.Context, o logship.Options, state string, log *slog.Logger) error {
	ln, err := net.Listen("tcp4", o.Addr(o.BindHost))
	if err != nil {
		return err
	}
	defer ln.Close()
	if err := tcp.SetBacklog(ln.(*net.TCPListener), o.Queue); err != nil {
		return fmt.Errorf("listen with a queue of %d: %w", o.Queue, err)
	}
	bound := []endpoint{{roomMachines, ln, false}}
	warnPlain(bound, log)
	r := &plain.Receiver{Dir: o.Storage, Mode: 0o644, Bare: o.Bare, Log: log}
	if err := r.Open(); err != nil {
		return err
	}
	defer r.Close()
	l := &local{command: "logship", bound: bound, plainIn: r, log: log}
	defer l.start(context.WithoutCancel(ctx), state)()
	log.Info("receiving", append(l.addrs(), "path", o.Storage)...)
	notifyReady("receiving to " + o.Storage)
	err = r.Serve(ctx, ln)
	notifyStopping()
	return err
}

// sendAsLogship is logship tx.
func sendAsLogship(ctx context.Context, o logship.Options, state string, log *slog.Logger) error {
	set := &logfile.Set{State: state, Skip: []string{state}, Active: o.Rescan}
	var to []string
	for _, h := range o.Hosts {
		to = append(to, o.Addr(h))
	}
	sum := sha256.Sum256([]byte(strings.Join(append(to, o.Globs...), "\x00")))
	s, err := openPlainShip(&plain.Sender{
		Files: set, State: filepath.Join(state, "logship-"+hex.EncodeToString(sum[:4])), To: to, Timeout: o.Timeout, Log: log,
	}, "it sends the same files to the same receivers")
	if err != nil {
		return err
	}
	defer s.close()
	if err := addTargets(set, o.Targets(), log); err != nil {
		return err
	}
	defer runSet(set, log)()
	l := &local{command: "logship", set: set, plainOut: s, log: log}
	defer l.start(context.WithoutCancel(ctx), state)()
	notifyReady("shipping")
	err = s.Run(ctx)
	notifyStopping()
	return err
}
