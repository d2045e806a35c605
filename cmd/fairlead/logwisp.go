package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"fairlead/internal/config"
	"fairlead/logfile"
	"fairlead/standin/logwisp"
	"fairlead/stream"
)

func newLogwisp(c *common) *cobra.Command {
	return &cobra.Command{
		Use:   "logwisp [OPTIONS] [TARGET...]",
		Short: "as LogWisp: JSON lines over TCP and SSE, on every address",
		Example: `  fairlead logwisp --enable-tcp --tcp-port 9090
  fairlead logwisp /var/log:*.log /app/logs:error*.log
    nc localhost 9090
    curl -N http://localhost:8080/stream
    curl http://localhost:8080/status`,
		Long: `The command line, ~/.config/logwisp.toml and LOGWISP_* of the older tool. Each
client gets every entry. Each event has an id: who comes back with it, as browsers
do (Last-Event-ID), misses nothing and gets nothing twice, also when this program
was killed meanwhile. /stream also takes ?after=ID, tail=N, source=, level=, q=,
regex= and exclude=.

` + logwisp.Usage + `
Environment: FAIRLEAD_STREAM_SPOOL=memory keeps no entries on disk,
FAIRLEAD_STREAM_BUDGET=BYTES is how many are kept (1 GiB, in memory 64 MiB).`,
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			env, err := logwisp.Process()
			if err != nil {
				return err
			}
			o, err := logwisp.Load(args, env)
			var usage *logwisp.UsageError
			switch {
			case errors.As(err, &usage):
				fmt.Fprintf(os.Stderr, "%s\n%s", printable(err.Error()), logwisp.Usage)
				return &exitError{code: exitUsage}
			case errors.Is(err, logwisp.ErrNoServers):
				fmt.Fprintln(os.Stderr, err)
				return &exitError{code: exitFailed}
			case err != nil:
				fmt.Fprintf(os.Stderr, "Failed to load config: %s\n", printable(err.Error()))
				return &exitError{code: exitFailed}
			case o.Help:
				return cmd.Help()
			}
			return asLogwisp(cmd.Context(), c, o)
		},
	}
}

func asLogwisp(ctx context.Context, c *common, o logwisp.Options) (err error) {
	log := c.logger()
	if os.Getenv("FAIRLEAD_STANDIN_QUIET") != "1" {
		log.Info("logwisp is fairlead here; in its own words", "command", o.Native())
	}
	for _, what := range o.Ignored {
		log.Warn("ignored", "what", what)
	}
	state, err := openState("", log)
	if err != nil {
		return err
	}
	defer state.Close()
	p := &streaming{state: state.dir, common: c}
	p.local = local{command: "logwisp", set: logwispSet(state.dir, o), log: log}
	if p.bound, err = listenLogwisp(o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return &exitError{code: exitFailed}
	}
	defer closeAll(p.bound)
	warnOpen(p.bound, log)
	options, err := logwispOptions(o, state.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	if err := p.openStream(options, "choose other ports or another state directory"); err != nil {
		return err
	}
	var specs []string
	for _, t := range o.Targets {
		specs = append(specs, t.Spec())
	}
	for _, err := range eachOf(p.set.Add(specs...)) {
		log.Warn("a target cannot be read now; it is looked at again", "err", err)
	}
	p.events = &stream.SSE{Stream: p.stream, Heartbeat: heartbeatOf(o.HTTP)}
	p.entries = &stream.TCP{Stream: p.stream, Heartbeat: heartbeatOf(o.TCP)}
	p.web = logwisp.Pages{Stream: p.events, Status: func() logwisp.Status { return p.logwispStatus(o) }}
	p.announce = func() { sayLogwisp(o) }
	p.stopping = func() { fmt.Print("\nShutting down...\n") }
	err = p.run(ctx)
	if err == nil {
		fmt.Println("Shutdown complete")
	}
	return err
}

// logwispOptions are of a stream as LogWisp's. Where its spool is, and how large,
// the environment says as it does for fairlead up.
func logwispOptions(o logwisp.Options, state string) (stream.Options, error) {
	end := logfile.FromEnd
	options := stream.Options{LogWisp: true, From: &end, Name: filepath.Base}
	s, _, err := settingsOf(config.Sources{Environ: os.Environ()})
	if err != nil {
		return options, err
	}
	options.Budget = int64(s.Stream.Budget)
	if s.Stream.Spool != inMemory {
		options.Dir = filepath.Join(state, fmt.Sprintf("logwisp-%d-%d", o.HTTP.Port, o.TCP.Port))
	}
	return options, nil
}

// logwispSet is a set that looks as often as LogWisp was told to, where there are
// no events that make it unnecessary.
func logwispSet(state string, o logwisp.Options) *logfile.Set {
	set := &logfile.Set{State: state, Skip: []string{state}}
	if o.CheckInterval != 100*time.Millisecond { // LogWisp's default is not a wish
		set.Active = min(o.CheckInterval, time.Minute)
	}
	return set
}

func heartbeatOf(s logwisp.Server) stream.Heartbeat {
	h := s.Heartbeat
	return stream.Heartbeat{Interval: h.Interval, JSON: h.JSON, Timestamp: h.Timestamp, Stats: h.Stats}
}

// listenLogwisp binds what is enabled, on every address: HTTP of IPv4, TCP of
// both. LogWisp went on without a server whose port was taken; we do not.
func listenLogwisp(o logwisp.Options) (bound []endpoint, err error) {
	defer func() {
		if err != nil {
			closeAll(bound)
		}
	}()
	for _, s := range []struct {
		name, room, network string
		logwisp.Server
	}{{"TCP", roomEntries, "tcp", o.TCP}, {"HTTP", roomHTTP, "tcp4", o.HTTP}} {
		if !s.Enabled {
			continue
		}
		ln, err := net.Listen(s.network, fmt.Sprintf(":%d", s.Port))
		if err != nil {
			return bound, fmt.Errorf("%s server error: %w", s.name, err)
		}
		bound = append(bound, endpoint{s.room, ln, s.TLSCert != ""})
		pair, err := loadCertificate(s.TLSCert, s.TLSKey)
		if err != nil {
			return bound, err
		}
		if pair != nil {
			bound[len(bound)-1].ln = tls.NewListener(ln, pair.config(s.room))
		}
	}
	return bound, nil
}

// sayLogwisp prints what LogWisp prints when it runs.
func sayLogwisp(o logwisp.Options) {
	if o.TCP.Enabled {
		fmt.Printf("TCP streaming on port %d\n", o.TCP.Port)
	}
	if o.HTTP.Enabled {
		scheme := "http"
		if o.HTTP.TLSCert != "" {
			scheme = "https"
		}
		fmt.Printf("HTTP/SSE streaming on %s://localhost:%d/stream\n", scheme, o.HTTP.Port)
		fmt.Printf("Status available at %s://localhost:%d/status\n", scheme, o.HTTP.Port)
	}
}

func (p *streaming) logwispStatus(o logwisp.Options) logwisp.Status {
	of := func(s logwisp.Server, st stream.OutletStats) logwisp.ServerStatus {
		return logwisp.ServerStatus{Clients: st.Clients, BufferSize: s.BufferSize, Port: s.Port, Total: st.Total,
			SentBytes: st.Sent, Gaps: st.Gaps, GapBytes: st.Gapped, BehindBytes: st.Behind}
	}
	all := p.stream.Stats()
	status := logwisp.Status{HTTP: of(o.HTTP, p.events.Stats()), LostBytes: all.Lost, Uptime: int64(all.Uptime.Seconds())}
	if o.TCP.Enabled {
		tcp := of(o.TCP, p.entries.Stats())
		status.TCP = &tcp
	}
	return status
}
