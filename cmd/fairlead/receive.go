package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"fairlead/internal/config"
	"fairlead/logfile"
)

func newReceive(c *common) *cobra.Command {
	r := &receiveCommand{common: c}
	cmd := &cobra.Command{
		Use:   "receive [flags]",
		Short: "keep byte-exact copies of what other machines ship",
		Example: `  fairlead receive --store /srv/logs --listen :7447
    fairlead invite                     prints what the other machine runs
  fairlead receive --keep 720h --keep-bytes 500GiB --quota 50GiB
  fairlead receive --listen :7447 --plain   and what anybody sends, as logship
  fairlead receive --status             what has come to the running processes
  fairlead up --receive :7447           the same, with the page`,
		Long: `A copy is DIR/SENDER/PATH, with the bytes of the source and no others. When the
source is rotated its copy is renamed once, to PATH-TIME.GENERATION, and the
next one begins. What was acknowledged is on the disk: it survives kill -9 and a
power cut. A copy is never overwritten, and only keep and keep_bytes remove any.

Only machines whose keys are trusted get in, over TLS: "fairlead invite" lets a
new one in, "fairlead key list" shows them. At the same port logship's senders
are taken, in the clear: those of this machine, with --plain all. What they send
is DIR/_plain/ADDRESS_NAME; nobody knows whether it is what they have. The
settings can stand in the section receive of fairlead.toml.

TERM or INT: what has come is made durable first.`,
		Args: wants(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return r.run(cmd.Context()) },
	}
	f := cmd.Flags()
	r.given = roomFlags(f, defaultSettings(), "receive")
	f.BoolVar(&r.status, "status", false, "show what has come to the running processes, and end")
	outputFlag(f, &r.output)
	f.StringVar(&r.config, "config", "", "`FILE` with settings, instead of the first of those that `fairlead config -h` lists")
	return cmd
}

type receiveCommand struct {
	*common
	config string
	given  func() map[string][]string
	status bool
	output string
}

func (r *receiveCommand) run(ctx context.Context) error {
	if err := r.check(); err != nil {
		return err
	}
	s, loaded, err := loadConfig(r.config, r.given())
	if err != nil {
		return err
	}
	if r.status {
		return r.showStatus(ctx, s.Self.State)
	}
	log := r.logger()
	dir, err := lastingState(s.Self.State, "a key", log)
	if err != nil {
		return err
	}
	own := identity{dir}
	m, err := openMachines(own)
	if err != nil {
		return err
	}
	set := &logfile.Set{}
	room, err := openReceive(s, own, m, set, log)
	if err != nil {
		return err
	}
	defer room.close()
	listening := listening{wants: []want{{room: roomMachines, flag: "listen", addr: s.Receive.Listen,
		asked: loaded.Origin("receive.listen").Kind != config.Default}}}
	bound, err := listening.bind(log)
	if err != nil {
		return err
	}
	defer closeAll(bound)
	if s.Receive.Plain {
		warnPlain(bound, log)
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	defer runSet(set, log)()
	l := &local{command: "receive", name: s.Self.Name, bound: bound, set: set, receive: room, plainIn: room.plain, log: log}
	defer l.start(context.WithoutCancel(ctx), dir)()
	r.greet(l, room, m)
	g, running := errgroup.WithContext(ctx)
	for _, e := range bound {
		g.Go(func() error { return room.serve(running, e.ln) })
	}
	g.Go(func() error { return room.run(running) })
	notifyReady("receiving to " + room.dir)
	err = g.Wait()
	notifyStopping()
	return err
}

// greet says where copies go, who may send, and what to do next.
func (r *receiveCommand) greet(l *local, room *receiving, m machines) {
	if r.quiet {
		return
	}
	known, _, _ := m.trusted.List()
	if !isTerminal(os.Stderr) {
		l.log.Info("receiving", append(l.addrs(), "path", room.dir, "trusted", len(known), "files", len(l.set.Logs()))...)
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "receiving to %s (%s there) from %s\n", room.dir, count(int64(len(l.set.Logs())), "log"), count(int64(len(known)), "trusted machine"))
	for _, e := range l.bound {
		fmt.Fprintf(&b, "  at %s\n", e.addr())
	}
	line := func(command, what string) { fmt.Fprintf(&b, "  %-40s %s\n", command, what) }
	line("fairlead invite", "lets a machine in: prints what to run there")
	line("fairlead status", "how it is doing")
	fmt.Fprint(os.Stderr, printable(b.String()))
}
