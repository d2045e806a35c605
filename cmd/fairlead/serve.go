package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"fairlead/logfile"
	"fairlead/serve"
)

func newServe(c *common) *cobra.Command {
	s := &serveCommand{common: c}
	cmd := &cobra.Command{
		Use:   "serve [flags] FILE|GLOB|DIR...",
		Short: "stream growing files over TCP and HTTP, from any byte on",
		Example: `  fairlead serve /var/log/syslog
    echo -1000 | nc 127.0.0.1 4321            its last 1000 bytes and what comes
    curl -r 0-99 localhost:8080/logs/syslog   its first 100
    curl -N 'localhost:8080/logs/syslog?follow'
  fairlead serve /var/log '/srv/**/*.log'     many; "NAME OFFSET" chooses
  fairlead serve --listen :4321 --tls-cert c.pem --tls-key k.pem app.log`,
		Long: `A file need not exist yet. New matches of a glob, and new files in a directory,
join; "fairlead why FILE" says why one does not.

TCP: the client sends "OFFSET" or "NAME OFFSET" and a newline; below zero an
offset counts from the end. The bytes come from one generation of the file, and
then, as --at-end says: the connection is closed and new ones get the next
generation (close), it goes on there (follow), the old file is served on
(linger), or all is served to its end and the program ends with exit code 0
(exit). HTTP: GET /logs, /logs/NAME with Range, ?follow, ?offset=-1000, ?gen=.

Whoever may connect may read. On this machine that is any user, so one gets only
what every user may read, unless it is ours or root's (--share-local lifts it).

TERM or INT: no new clients; those there are get what there is, for at most
25 s. A second one ends at once.`,
		Args: wants(1, -1, "the file, glob or directory to serve"),
		RunE: func(cmd *cobra.Command, args []string) error { return s.run(cmd.Context(), args) },
	}
	f := cmd.Flags()
	f.StringArrayVar(&s.listen, "listen", []string{defaultServe}, "`ADDR:PORT` of the raw stream; may be repeated")
	f.StringVar(&s.http, "http", defaultHTTP, "`ADDR:PORT` of HTTP, or off; the next free port if the default is taken")
	s.tlsFlags(f)
	s.given = f.Changed
	f.StringVar(&s.atEnd, "at-end", "close", "what the end of a generation does: `close`, follow, linger or exit")
	f.BoolVar(&s.shareLocal, "share-local", false, "let every user of this machine read all we can")
	f.IntVar(&s.sendBuffer, "send-buffer", serve.DefaultSendBuffer, "`BYTES` the kernel buffers for a client")
	f.IntVar(&s.maxClients, "max-clients", serve.DefaultMaxClients, "`N` clients at most")
	f.IntVar(&s.maxPerAddress, "max-per-address", serve.DefaultMaxPerAddress, "`N` clients of one address at most; -1: no limit")
	f.DurationVar(&s.headerTimeout, "header-timeout", serve.DefaultHeaderTimeout, "`TIME` a client has for its first line")
	f.Int64Var(&s.pinBytes, "pin-bytes", 0, "`BYTES` of deleted files kept for readers that are behind (default 4 GiB)")
	f.DurationVar(&s.pinFor, "pin-for", time.Hour, "and for how much `TIME`")
	f.StringVar(&s.name, "name", "", "`NAME` of this process in `fairlead status`")
	f.StringVar(&s.state, "state", "", "`DIR` in which generations are remembered")
	f.BoolVar(&s.poll, "poll", false, "look every second instead of waiting for events")
	return cmd
}

// serveCommand is the flags of serve.
type serveCommand struct {
	*common
	listening

	listen        []string
	http          string
	given         func(flag string) bool // was it on the command line?
	atEnd         string
	shareLocal    bool
	sendBuffer    int
	maxClients    int
	maxPerAddress int
	headerTimeout time.Duration
	pinBytes      int64
	pinFor        time.Duration
	name          string
	state         string
	poll          bool
}

func (s *serveCommand) run(ctx context.Context, targets []string) error {
	atEnd, err := s.parse()
	if err != nil {
		return err
	}
	log := s.logger()
	state, err := openState(s.state, log)
	if err != nil {
		return err
	}
	defer state.Close()
	set := &logfile.Set{State: state.dir, PinBytes: s.pinBytes, PinFor: s.pinFor, NoEvents: s.poll}
	s.wants = s.places()
	bound, err := s.bind(log)
	if err != nil {
		return err
	}
	defer closeAll(bound)
	if err := addTargets(set, targets, log); err != nil {
		return err
	}
	p := &serving{
		local:  local{command: "serve", name: s.name, bound: bound, set: set, log: log},
		state:  state.dir,
		common: s.common,
	}
	p.server = &serve.Server{
		Files: set, Log: log.With("room", "serve"), AtEnd: atEnd, ShareLocal: s.shareLocal, SendBuffer: s.sendBuffer,
		MaxClients: s.maxClients, MaxPerAddress: s.maxPerAddress, HeaderTimeout: s.headerTimeout, Drain: drainLimit,
	}
	return p.run(ctx)
}

// places returns where the flags say to listen.
func (s *serveCommand) places() []want {
	var wants []want
	for _, addr := range s.listen {
		wants = append(wants, want{room: roomServe, flag: "listen", addr: addr, asked: s.given("listen")})
	}
	return append(wants, want{room: roomHTTP, flag: "http", addr: s.http, asked: s.given("http"), spare: !s.given("http")})
}

// parse checks what the flags say before anything is opened.
func (s *serveCommand) parse() (serve.AtEnd, error) {
	atEnd, err := serve.ParseAtEnd(s.atEnd)
	switch {
	case err != nil:
		return 0, usagef("--at-end is close, follow, linger or exit, not %q", s.atEnd)
	case s.sendBuffer <= 0 || s.maxClients <= 0 || s.maxPerAddress == 0 || s.headerTimeout <= 0 || s.pinBytes < 0 || s.pinFor <= 0:
		return 0, usagef("the limits (--send-buffer, --max-clients, --max-per-address, --header-timeout, --pin-bytes, --pin-for) are above 0")
	}
	if err := checkName(s.name); err != nil {
		return 0, usagef("--name: %v", err)
	}
	return atEnd, s.check()
}

// addTargets adds what the operator named. Where only some of it cannot be
// read, that is said, and the rest is served.
func addTargets(set *logfile.Set, targets []string, log *slog.Logger) error {
	failed := eachOf(set.Add(targets...))
	if len(failed) == len(targets) {
		return errors.Join(failed...)
	}
	for _, err := range failed {
		log.Error("cannot serve", "err", err)
	}
	afterSearch(set)
	return nil
}

// afterSearch gives back the memory that looking through directories took, for
// which the rest of our life, which may be long and quiet, has no use. Where what
// we know of idle files is most of what we have, a quarter as much garbage beside
// it is room enough.
func afterSearch(set *logfile.Set) {
	const many = 5000
	if len(set.Logs()) > many && os.Getenv("GOGC") == "" {
		debug.SetGCPercent(25)
	}
	debug.FreeOSMemory()
}

// eachOf returns the errors of an errors.Join.
func eachOf(err error) []error {
	if err == nil {
		return nil
	}
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		return several.Unwrap()
	}
	return []error{err}
}

// A serving is a process that serves, whatever command line it was started by.
type serving struct {
	local
	*common
	state string
}

// shareCores keeps to half of the cores, unless GOMAXPROCS says otherwise. Sending
// is all we do, and for every core that sends another is busy with the network's
// other end or with what writes the logs. Beyond that half, clients wait for a
// core of ours that somebody else was given; bench/serve shows by how much.
func shareCores() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(max(1, runtime.GOMAXPROCS(0)/2))
	}
}

// run serves until a signal, or the end of the file where that is the end of
// all. The set and the local socket outlive the clients:
//
//	signal ──> Serve, ServeWeb of each listener drain ──> socket ──> set
func (p *serving) run(ctx context.Context) error {
	ctx, stop := untilSignal(ctx)
	defer stop()
	shareCores()
	defer runSet(p.set, p.log)()
	defer p.start(context.WithoutCancel(ctx), p.state)()
	p.announce(&p.local)
	defer context.AfterFunc(ctx, func() {
		notifyStopping()
		p.log.Info("stopping: serving to the end what is there; a second signal ends at once", "dur", drainLimit)
	})()

	g, running := errgroup.WithContext(ctx)
	for _, e := range p.bound {
		g.Go(func() error {
			if e.room == roomHTTP {
				return p.server.ServeWeb(running, e.ln, p.web())
			}
			return p.server.Serve(running, e.ln)
		})
	}
	notifyReady(p.summary())
	err := g.Wait()
	if errors.Is(err, serve.ErrFileGone) {
		p.log.Info("the file is gone and was served to its end")
		return nil
	}
	return err
}
