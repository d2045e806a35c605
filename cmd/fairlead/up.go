package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/spf13/cobra"

	"fairlead/internal/config"
	"fairlead/logfile"
	"fairlead/serve"
	"fairlead/stream"
	"fairlead/trust"
)

// defaultTarget is what is watched if nobody says what.
const defaultTarget = "/var/log"

func newUp(c *common) *cobra.Command {
	u := &upCommand{common: c, knowsPeers: trust.KnowsPeers}
	cmd := &cobra.Command{
		Use:   "up [flags] [TARGET...]",
		Short: "watch logs here, open the page and the streams",
		Example: `  fairlead up                          this machine's /var/log, in the browser
  fairlead up /srv/app '/var/log/**/*.log'
  fairlead up --tcp 7448 --serve 4321  also JSON lines and raw bytes over TCP
    curl -N localhost:8080/stream      all entries, as they come
    curl localhost:8080/status         how it is doing
  fairlead up --http :8080 --tls-cert c.pem --tls-key k.pem
  fairlead up --receive :7447          and what other machines ship here
  fairlead up --to vault               and copies of it on another machine`,
		Long: `TARGET is a file, a glob or a directory; without one it is watch.targets of the
configuration, or else ` + defaultTarget + `. Files need not exist yet; new ones join.
"fairlead why FILE" says why one does not.

HTTP: / is the page, /stream the entries of all logs, /entries/NAME those of one
by place, /logs and /logs/NAME raw bytes, /status, /metrics, /healthz, /readyz.

Nothing is asked of this user and root on this machine. Everybody else needs a
token ("fairlead token new NAME"); off loopback there has to be TLS, too.

Every flag can be a key of fairlead.toml or a variable FAIRLEAD_SECTION_KEY, and
there are more of those: "fairlead config show" lists all, with --origin where
each is from. HUP reads the file again: if it is well, new targets join and
certificates, hosts and tokens are the new ones; no client is dropped. What
needs a restart is said. (On a terminal HUP ends it: that is what a terminal
sends when it closes.)

TERM or INT: clients get what is there, for at most 25 s. A second one ends at
once.`,
		RunE: func(cmd *cobra.Command, args []string) error { return u.run(cmd.Context(), args) },
	}
	f := cmd.Flags()
	u.given = keyFlags(f, defaultSettings())
	for _, room := range []string{roomEntries, roomServe, "receive"} {
		f.Lookup(room).DefValue = "" // not given, it does not run
	}
	f.StringVar(&u.config, "config", "", "`FILE` with settings, instead of the first of those that `fairlead config -h` lists")
	return cmd
}

// upCommand is what the command line of up says.
type upCommand struct {
	*common
	config  string
	given   func() map[string][]string
	targets []string

	knowsPeers bool // the system tells whose processes our clients are
}

// load reads the settings in all their layers, and checks them.
func (u *upCommand) load() (*settings, *config.Loaded, error) {
	return loadConfig(u.config, u.given())
}

func (u *upCommand) run(ctx context.Context, targets []string) (err error) {
	if err := u.check(); err != nil {
		return err
	}
	u.targets = targets
	s, loaded, err := u.load()
	if err != nil {
		return err
	}
	log := u.logger()
	state, err := openState(s.Self.State, log)
	if err != nil {
		return err
	}
	defer state.Close()
	p := u.process(s, loaded, state.dir)
	defer func() { err = errors.Join(err, p.close()) }()
	if err := p.openEntries(); err != nil {
		return err
	}
	if err := p.openMachines(state); err != nil {
		return err
	}
	if p.bound, err = p.bind(log); err != nil {
		return err
	}
	defer closeAll(p.bound)
	if s.Receive.Plain {
		warnPlain(p.bound, log)
	}
	p.watch(u.watched(s))
	p.openDoors()
	if !isTerminal(os.Stderr) { // a terminal that closes sends HUP, too
		defer onHangup(ctx, p.reload)()
	}
	return p.run(ctx)
}

// An upProcess is fairlead up.
type upProcess struct {
	streaming
	listening
	command  *upCommand
	settings *settings // of the start: what a reload cannot change
	loaded   *config.Loaded
	own      trust.Preset // for this run, where nobody is known without a token

	given   atomic.Pointer[settings] // of the start or the last reload
	current atomic.Pointer[site]

	mu       sync.Mutex // guards what follows
	watching []string   // all targets there have been
	stale    error      // why the configuration of now could not be taken over
	stuck    []string   // keys that are not what holds
}

func (u *upCommand) process(s *settings, loaded *config.Loaded, state string) *upProcess {
	p := &upProcess{command: u, settings: s, loaded: loaded}
	p.streaming = streaming{state: state, common: u.common}
	p.given.Store(s)
	p.local = local{command: "up", name: s.Self.Name, log: u.logger(), problems: p.problems,
		tokens: &trust.Tokens{Path: filepath.Join(state, tokenFile), Extra: p.presets}}
	if !u.knowsPeers {
		p.own = trust.Preset{Name: "this-run", Role: trust.RoleView, Secret: trust.NewSecret()}
	}
	p.metricSources = s.HTTP.Sources
	skip := []string{state}
	if loaded.Present("receive") {
		skip = append(skip, absolute(s.Receive.dir(state)))
	}
	p.set = &logfile.Set{State: state, Skip: skip, NoEvents: s.Watch.Poll,
		PinBytes: int64(s.Watch.PinBytes), PinFor: s.Watch.PinFor}
	p.listening = p.listenings()
	return p
}

// watched returns what to watch: what was named with the command, or else in the
// configuration.
func (u *upCommand) watched(s *settings) []string {
	switch {
	case len(u.targets) > 0:
		return u.targets
	case len(s.Watch.Targets) > 0:
		return s.Watch.Targets
	}
	return []string{defaultTarget}
}

// listenings returns where to listen: at the rooms' addresses whose section is there.
func (p *upProcess) listenings() listening {
	s, l := p.settings, p.loaded
	asked := func(key string) bool { return l.Origin(key).Kind != config.Default }
	where := listening{cert: s.HTTP.TLSCert, key: s.HTTP.TLSKey, plain: s.HTTP.Plain, token: p.hasToken}
	add := func(room, flag, key string, addrs ...string) {
		for _, addr := range addrs {
			where.wants = append(where.wants, want{room: room, flag: flag, addr: addr, asked: asked(key), spare: room == roomHTTP && !asked(key)})
		}
	}
	add(roomHTTP, "http", "http.listen", s.HTTP.Listen)
	off := []string{"off"} // but for sockets that systemd passes
	entries, raw := off, off
	if l.Present("tcp") {
		entries = []string{s.TCP.Listen}
	}
	if l.Present("serve") {
		raw = s.Serve.Listen
	}
	add(roomEntries, "tcp", "tcp.listen", entries...)
	add(roomServe, "serve", "serve.listen", raw...)
	if l.Present("receive") {
		add(roomMachines, "receive", "receive.listen", s.Receive.Listen)
	}
	return where
}

// hasToken says whether anybody could come from elsewhere.
func (p *upProcess) hasToken() bool {
	tokens, err := p.tokens.List()
	return err == nil && len(tokens) > 0
}

// openEntries opens the spool, which no other process may have. It comes first: a
// second fairlead up of the same targets ends here.
func (p *upProcess) openEntries() error {
	options, err := p.settings.Stream.options()
	if err != nil {
		return err
	}
	if p.settings.Stream.Spool != inMemory {
		options.Dir = filepath.Join(p.state, p.command.spoolName(p.settings))
	}
	removeOldSpools(p.state, options.Dir, p.log)
	return p.openStream(options, "look at its page, which `fairlead status` names; with --name NAME there can be another")
}

// openMachines opens the rooms that have to do with other machines, if their
// sections are there.
func (p *upProcess) openMachines(in state) (err error) {
	ships, receives := len(p.settings.Ship.hosts()) > 0, p.loaded.Present("receive")
	if p.loaded.Present("ship") && !ships {
		p.log.Warn("nothing is shipped: no receiver is named", "cure", "name one in ship.to, or several in ship.to_one_of")
	}
	if !ships && !receives {
		return nil
	}
	if in.temporary {
		return exitf(exitFailed, "there is no place to keep a key: name one with --state DIR")
	}
	if ships && p.settings.Ship.Plain {
		if p.plainOut, err = openShipPlain(p.settings, in.dir, false, p.set, p.log); err != nil {
			return err
		}
		p.beside = append(p.beside, p.plainOut.Run)
		ships = false
	}
	if !ships && !receives {
		return nil
	}
	own := identity{in.dir}
	m, err := openMachines(own)
	if err != nil {
		return err
	}
	if receives {
		if p.receive, err = openReceive(p.settings, own, m, p.set, p.log); err != nil {
			return err
		}
		p.plainIn = p.receive.plain
		p.beside = append(p.beside, p.receive.run)
	}
	if ships {
		if p.ship, err = openShip(p.settings, m, in.dir, p.set, p.log); err != nil {
			return err
		}
		p.beside = append(p.beside, p.ship.Run)
	}
	return nil
}

// watch begins to watch what is not watched yet. What cannot be read is no reason
// not to.
func (p *upProcess) watch(targets []string) {
	var joining []string
	p.mu.Lock()
	for _, t := range targets {
		if !slices.Contains(p.watching, t) {
			joining = append(joining, t)
		}
	}
	p.watching = append(p.watching, joining...)
	p.mu.Unlock()
	for _, err := range eachOf(p.set.Add(joining...)) {
		p.log.Warn("a target cannot be read now; it is looked at again", "err", err)
	}
}

// targets are those that are watched, in words.
func (p *upProcess) targets() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.watching, " ")
}

// openDoors makes what answers clients.
func (p *upProcess) openDoors() {
	atEnd, _ := serve.ParseAtEnd(p.settings.Serve.AtEnd) // settings.check did
	p.server = &serve.Server{Files: p.set, Log: p.log.With("room", "serve"), AtEnd: atEnd,
		ShareLocal: p.settings.Serve.ShareLocal, Drain: drainLimit}
	p.events = &stream.SSE{Stream: p.stream}
	p.entries = &stream.TCP{Stream: p.stream, Allow: p.mayRead}
	p.byPlace = &stream.Entries{Files: p.set, Stream: p.stream}
	p.web = p
	p.openSite(p.settings)
	p.announce = p.greet
	p.stopping = func() {
		p.log.Info("stopping: clients get what is there; a second signal ends at once", "dur", drainLimit)
	}
}

// mayRead says whether a client may have the lines of JSON: any account of this
// machine reaches loopback.
func (p *upProcess) mayRead(conn net.Conn) bool {
	if p.settings.TCP.ShareLocal || !trust.Loopback(conn.RemoteAddr()) {
		return true
	}
	ours, _ := trust.Ours(conn)
	return ours
}

// spoolName is the directory of the entries in the state. What is watched ad hoc
// has one for each choice of targets, so that its page shows those and no others.
func (u *upCommand) spoolName(s *settings) string {
	switch {
	case s.Self.Name != "":
		return "up-" + s.Self.Name
	case len(u.targets) == 0:
		return "up"
	}
	var paths []string
	for _, t := range u.targets {
		paths = append(paths, absolute(t))
	}
	slices.Sort(paths)
	sum := sha256.Sum256([]byte(strings.Join(paths, "\x00")))
	return adHoc + hex.EncodeToString(sum[:4])
}

// absolute is the absolute path of a file, if there is a current directory.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
