package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"syscall"

	"github.com/spf13/pflag"
)

const (
	defaultServe = "127.0.0.1:4321"
	defaultHTTP  = "127.0.0.1:8080"
)

// What a listener is for; also systemd's FileDescriptorName.
const (
	roomServe   = "serve"
	roomHTTP    = "http"
	roomEntries = "tcp" // JSON lines
	// roomMachines is the port of machines that know each other's keys: it is TLS by
	// itself, and lets in nobody else.
	roomMachines = "machines"
)

// listening is where to listen, and how.
type listening struct {
	wants []want
	cert  string // files; empty: no TLS
	key   string
	plain bool
	pair  *certificate // what they hold, once bound

	token func() bool // is there one that a client from elsewhere could show? nil: none is asked for
}

// A want is an address that a room shall listen at.
type want struct {
	room  string
	flag  string // that says it
	addr  string // empty or off: only the sockets that systemd passed
	asked bool   // it is somebody's word, and no default
	spare bool   // if the port is taken, the next free one will do

	passed []net.Listener // by systemd
}

// tlsFlags are those of every command that listens.
func (l *listening) tlsFlags(f *pflag.FlagSet) {
	f.StringVar(&l.cert, "tls-cert", "", "certificate `FILE` (PEM, with its chain): TLS on every listener")
	f.StringVar(&l.key, "tls-key", "", "key `FILE` of the certificate")
	f.BoolVar(&l.plain, "plain", false, "allow listening off loopback without TLS: whoever reaches the port can read every file")
}

// An endpoint is a listener that is bound.
type endpoint struct {
	room string
	ln   net.Listener
	tls  bool
}

func (e endpoint) addr() string { return e.ln.Addr().String() }

// bind binds everything, or nothing and says why.
func (l *listening) bind(log *slog.Logger) (bound []endpoint, err error) {
	defer func() {
		if err != nil {
			closeAll(bound)
			bound = nil
		}
	}()
	passed, err := passedSockets(l.rooms()...)
	if err != nil {
		return nil, err
	}
	l.pair, err = loadCertificate(l.cert, l.key)
	if err != nil {
		return nil, err
	}
	for _, want := range l.wanted(passed) {
		lns := want.passed
		if len(lns) == 0 {
			ln, err := l.open(want, log)
			if err != nil {
				return bound, err
			}
			lns = []net.Listener{ln}
		}
		for _, ln := range lns {
			e := endpoint{want.room, ln, l.pair != nil && want.room != roomMachines}
			bound = append(bound, e)
			if err := l.allow(e, log); err != nil {
				return bound, err
			}
			if e.tls {
				bound[len(bound)-1].ln = tls.NewListener(ln, l.pair.config(want.room))
			}
		}
	}
	return bound, nil
}

func closeAll(bound []endpoint) {
	for _, e := range bound {
		e.ln.Close()
	}
}

// rooms are those that anybody can listen for.
func (l *listening) rooms() []string {
	var rooms []string
	for _, w := range l.wants {
		if !slices.Contains(rooms, w.room) {
			rooms = append(rooms, w.room)
		}
	}
	return rooms
}

// wanted returns what to listen at. Once systemd passes sockets, a default that
// nobody asked for is not opened beside them.
func (l *listening) wanted(passed map[string][]net.Listener) []want {
	var wants []want
	taken := make(map[string]bool) // rooms whose passed sockets are among wants
	for _, w := range l.wants {
		if lns := passed[w.room]; len(lns) > 0 && !taken[w.room] {
			taken[w.room] = true
			wants = append(wants, want{room: w.room, passed: lns})
		}
		if w.addr != "" && w.addr != "off" && (len(passed) == 0 || w.asked) {
			wants = append(wants, w)
		}
	}
	return wants
}

// open binds one address.
func (l *listening) open(w want, log *slog.Logger) (net.Listener, error) {
	addr, err := resolveListen(w.addr)
	if err != nil {
		return nil, usagef("--%s %s: %v", w.flag, w.addr, err)
	}
	if err := l.allowed(w.room, addr); err != nil {
		return nil, err
	}
	ln, err := listenTCP(addr)
	if err == nil {
		return ln, nil
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		return nil, bindError(w, addr, err)
	}
	free := l.nextFree(addr)
	if free == nil {
		return nil, exitf(exitFailed, "port %d is in use, and so are the next ones; name another with --%s", addr.Port, w.flag)
	}
	if w.spare {
		log.Warn("the default port is in use: took the next free one", "room", w.room, "addr", free.Addr().String(),
			"cure", "choose it with --"+w.flag)
		return free, nil
	}
	free.Close()
	return nil, exitf(exitFailed, "port %d is in use; try --%s %s", addr.Port, w.flag, free.Addr())
}

// listenTCP keeps to IPv4 where an IPv4 address was named: 0.0.0.0 is not ::.
func listenTCP(addr *net.TCPAddr) (net.Listener, error) {
	if addr.IP.To4() != nil {
		return net.ListenTCP("tcp4", addr)
	}
	return net.ListenTCP("tcp", addr)
}

// resolveListen reads HOST:PORT, :PORT (every address) or PORT (loopback).
func resolveListen(s string) (*net.TCPAddr, error) {
	if _, err := strconv.ParseUint(s, 10, 16); err == nil {
		s = "127.0.0.1:" + s
	}
	addr, err := net.ResolveTCPAddr("tcp", s)
	if err != nil {
		return nil, fmt.Errorf("want ADDRESS:PORT, as in %s: %v", defaultServe, err)
	}
	return addr, nil
}

func bindError(w want, addr *net.TCPAddr, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission) && addr.Port < 1024:
		return exitf(exitFailed, "port %d is reserved for root; try --%s %s", addr.Port, w.flag,
			&net.TCPAddr{IP: addr.IP, Port: addr.Port + 8000})
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return exitf(exitFailed, "no interface has the address %s; `ip addr` shows those there are", addr.IP)
	}
	return exitf(exitFailed, "listen on %s: %w", addr, err)
}

// nextFree binds the first free port behind addr's that nobody here wants.
func (l *listening) nextFree(addr *net.TCPAddr) net.Listener {
	for port := addr.Port + 1; port <= min(addr.Port+100, 65535); port++ {
		if slices.ContainsFunc(l.wants, func(w want) bool { return w.wantsPort(port) }) {
			continue
		}
		next := *addr
		next.Port = port
		if ln, err := listenTCP(&next); err == nil {
			return ln
		}
	}
	return nil
}

func (w want) wantsPort(port int) bool {
	addr, err := resolveListen(w.addr)
	return err == nil && addr.Port == port
}

// asks says whether whoever comes to a room has to show a token.
func (l *listening) asks(room string) bool { return room == roomHTTP && l.token != nil }

// allowed refuses to listen off loopback in the clear unless it was asked for.
func (l *listening) allowed(room string, addr *net.TCPAddr) error {
	if l.plain || addr.IP.IsLoopback() || room == roomMachines {
		return nil
	}
	if l.cert != "" && l.asks(room) && !l.token() {
		return usagef("%s: who comes from elsewhere needs a token, and there is none: make one with `fairlead token new NAME`", addr)
	}
	if l.cert != "" {
		return nil
	}
	if l.asks(room) {
		return usagef("%s: tokens, and what is shown for them, would cross the network in the clear, so %s is refused without "+
			"--tls-cert and --tls-key, or --plain if that is meant", addr, room)
	}
	return usagef("%s: anyone who reaches it could read every file, in the clear, so %s is refused without "+
		"--tls-cert and --tls-key, or --plain if that is meant", addr, room)
}

// allow is the same for a socket that is bound, and warns where it was asked for.
func (l *listening) allow(e endpoint, log *slog.Logger) error {
	addr, ok := e.ln.Addr().(*net.TCPAddr)
	if !ok {
		return nil // a unix socket that systemd passed: its mode decides
	}
	if err := l.allowed(e.room, addr); err != nil {
		return err
	}
	switch {
	case addr.IP.IsLoopback() || e.room == roomMachines:
	case l.asks(e.room) && !e.tls:
		log.Warn("listening off loopback in the clear: whoever is on the way reads what is shown, and tokens",
			"room", e.room, "addr", addr.String(), "cure", "--tls-cert and --tls-key, or a loopback address")
	case l.token != nil && !l.asks(e.room) && e.tls:
		log.Warn("listening off loopback: anyone who reaches the port can read every file, no token is asked for here",
			"room", e.room, "addr", addr.String(), "cure", "a loopback address; over HTTP tokens are asked for")
	default:
		warnOpen([]endpoint{e}, log)
	}
	return nil
}

// warnOpen says which of the endpoints show all that we read to everyone.
func warnOpen(bound []endpoint, log *slog.Logger) {
	for _, e := range bound {
		if addr, ok := e.ln.Addr().(*net.TCPAddr); ok && !e.tls && !addr.IP.IsLoopback() {
			log.Warn("listening off loopback in the clear: anyone who reaches the port can read every file",
				"room", e.room, "addr", addr.String(), "cure", "--tls-cert and --tls-key, or a loopback address")
		}
	}
}
