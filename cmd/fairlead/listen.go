package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/pflag"
)

const (
	defaultServe = "127.0.0.1:4321"
	defaultHTTP  = "127.0.0.1:8080"

	roomServe = "serve" // also systemd's FileDescriptorName
	roomHTTP  = "http"

	roomEntries = "tcp" // JSON lines
)

// listening is what the flags say about where to listen, and how.
type listening struct {
	serve []string
	http  string // an address, or off
	cert  string
	key   string
	plain bool

	asked func(flag string) bool // was it on the command line?
}

func (l *listening) flags(f *pflag.FlagSet) {
	f.StringArrayVar(&l.serve, "listen", []string{defaultServe}, "`ADDR:PORT` of the raw stream; may be repeated")
	f.StringVar(&l.http, "http", defaultHTTP, "`ADDR:PORT` of HTTP, or off; the next free port if the default is taken")
	f.StringVar(&l.cert, "tls-cert", "", "certificate `FILE` (PEM, with its chain): TLS on every listener")
	f.StringVar(&l.key, "tls-key", "", "key `FILE` of the certificate")
	f.BoolVar(&l.plain, "plain", false, "allow listening off loopback without TLS: whoever reaches the port can read every file")
	l.asked = f.Changed
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
	passed, err := passedSockets(roomServe, roomHTTP)
	if err != nil {
		return nil, err
	}
	certificate, err := l.certificate()
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
			e := endpoint{want.room, ln, certificate != nil}
			bound = append(bound, e)
			if err := l.allow(e, log); err != nil {
				return bound, err
			}
			if e.tls {
				bound[len(bound)-1].ln = tls.NewListener(ln, tlsConfig(want.room, *certificate))
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

// A want is one address to listen at, or the sockets systemd passed for it.
type want struct {
	room   string
	flag   string
	addr   string
	spare  bool // nobody asked for this port: the next free one will do
	passed []net.Listener
}

// wanted returns what to listen at. Once systemd passes sockets, a default that
// nobody asked for is not opened beside them.
func (l *listening) wanted(passed map[string][]net.Listener) []want {
	var wants []want
	ofRoom := func(room, flag string, addrs ...string) {
		if lns := passed[room]; len(lns) > 0 {
			wants = append(wants, want{room: room, passed: lns})
		}
		if len(passed) > 0 && !l.asked(flag) {
			return
		}
		for _, addr := range addrs {
			wants = append(wants, want{room: room, flag: flag, addr: addr, spare: room == roomHTTP && !l.asked(flag)})
		}
	}
	ofRoom(roomServe, "listen", l.serve...)
	if l.http == "off" || l.http == "" {
		ofRoom(roomHTTP, "http")
	} else {
		ofRoom(roomHTTP, "http", l.http)
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
	free := nextFree(addr)
	if free == nil {
		return nil, exitf(exitFailed, "port %d is in use, and so are the next ones; name another with --%s", addr.Port, w.flag)
	}
	if w.spare {
		log.Warn("the default HTTP port is in use: took the next free one", "addr", free.Addr().String(),
			"cure", "choose it with --http")
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

// nextFree binds the first free port behind addr's.
func nextFree(addr *net.TCPAddr) net.Listener {
	for port := addr.Port + 1; port <= min(addr.Port+100, 65535); port++ {
		next := *addr
		next.Port = port
		if ln, err := listenTCP(&next); err == nil {
			return ln
		}
	}
	return nil
}

// allowed refuses to listen off loopback in the clear unless it was asked for.
func (l *listening) allowed(room string, addr *net.TCPAddr) error {
	if l.cert != "" || l.plain || addr.IP.IsLoopback() {
		return nil
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
	warnOpen([]endpoint{e}, log)
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

// certificate loads what the flags name; nil without.
func (l *listening) certificate() (*tls.Certificate, error) {
	if l.cert == "" && l.key == "" {
		return nil, nil
	}
	if l.cert == "" || l.key == "" {
		return nil, usagef("--tls-cert and --tls-key go together")
	}
	pair, err := tls.LoadX509KeyPair(l.cert, l.key)
	if err != nil {
		return nil, exitf(exitUsage, "load the certificate %s with the key %s: %v", l.cert, l.key, strings.TrimPrefix(err.Error(), "tls: "))
	}
	return &pair, nil
}

func tlsConfig(room string, pair tls.Certificate) *tls.Config {
	cfg := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13}
	if room == roomHTTP {
		cfg.NextProtos = []string{"h2", "http/1.1"}
	}
	return cfg
}
