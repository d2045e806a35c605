package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/spf13/cobra"

	"fairlead/logfile"
	"fairlead/serve"
	"fairlead/standin/tailsrv"
)

func newTailsrv(c *common) *cobra.Command {
	return &cobra.Command{
		Use:   "tailsrv -p PORT [--linger-after-file-is-gone] [--journald] PATH",
		Short: "as tailsrv: one file over TCP, on every address",
		Example: `  fairlead tailsrv -p 4321 /var/log/nginx/access.log
  ln -s fairlead tailsrv; ./tailsrv -p 4321 /var/log/nginx/access.log
    echo 1000 | nc webserver 4321     from byte 1000 on, and what comes`,
		Long: `The command line of the older tool, to the letter. It listens on every IPv4
address without TLS and serves whoever connects; it ends with exit code 0 when
the file is moved or deleted, once its clients have all of it, at most 25 s
later. On stderr it says the same in Fairlead's own words, unless
FAIRLEAD_STANDIN_QUIET=1.

  -p PORT, --port PORT           TCP port to listen on
  --linger-after-file-is-gone    go on serving a moved or deleted file
  --journald                     log to the journal instead of stderr`,
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := tailsrv.Parse(args)
			if err != nil {
				return exitf(exitFailed, "tailsrv: %v (see `tailsrv --help`)", err)
			}
			if o.Help {
				return cmd.Help()
			}
			return asTailsrv(cmd.Context(), c, o)
		},
	}
}

func asTailsrv(ctx context.Context, c *common, o tailsrv.Options) error {
	log, err := tailsrvLog(c, o)
	if err != nil {
		return err
	}
	target := logfile.Literal(o.Path) // tailsrv knows no globs
	if os.Getenv("FAIRLEAD_STANDIN_QUIET") != "1" {
		native := o
		native.Path = target
		log.Info("tailsrv is fairlead here; in its own words", "command", native.Native())
	}
	if err := oneFile(o.Path); err != nil {
		return err
	}
	state, err := openState("", log)
	if err != nil {
		return err
	}
	defer state.Close()
	listen := listening{plain: true,
		wants: []want{{room: roomServe, flag: "port", addr: fmt.Sprintf("0.0.0.0:%d", o.Port), asked: true}}}
	bound, err := listen.bind(log)
	if err != nil {
		return err
	}
	defer closeAll(bound)
	set := &logfile.Set{State: state.dir}
	if err := set.Add(target); err != nil {
		return err
	}
	p := &serving{local: local{command: "tailsrv", bound: bound, set: set, log: log}, state: state.dir, common: c}
	p.server = &serve.Server{Files: set, Log: log, AtEnd: serve.AtEndExit, ShareLocal: true, Drain: drainLimit}
	if o.Linger {
		p.server.AtEnd = serve.AtEndLinger
	}
	return p.run(ctx)
}

// tailsrvLog is the journal's log if that is asked for. The level is that of
// RUST_LOG, where it is one word.
func tailsrvLog(c *common, o tailsrv.Options) (*slog.Logger, error) {
	switch os.Getenv("RUST_LOG") {
	case "off", "error", "warn":
		c.quiet = true
	case "debug", "trace":
		c.verbose = true
	}
	if !o.Journald {
		return c.logger(), nil
	}
	if !journal.Enabled() {
		return nil, exitf(exitFailed, "--journald: there is no journal here; without the flag the log goes to stderr")
	}
	return slog.New(newLineHandler(c.level(), sendToJournal)), nil
}

// oneFile refuses what tailsrv refuses. A file that does not exist yet is
// waited for.
func oneFile(path string) error {
	fi, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !fi.Mode().IsRegular():
		return exitf(exitFailed, "%s: Not a file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return f.Close()
}
