package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"fairlead/logfile"
)

// A survey is what of the targets can be read.
type survey struct {
	logs   []*logfile.Log
	size   int64    // of all that can
	unread []string // names of those that cannot
	err    error    // why, as an example
}

func (l *local) survey() (s survey) {
	s.logs = l.set.Logs()
	for _, log := range s.logs {
		st := log.Stat()
		if st.Current != nil {
			s.size += st.Current.Size
		}
		if st.Err != nil {
			s.unread, s.err = append(s.unread, log.Name()), st.Err
		}
	}
	return s
}

// warnUnread says in one line what cannot be read, and the cure.
func (l *local) warnUnread(s survey) {
	var attrs []any
	n, err := len(s.unread), s.err
	if n > 0 {
		attrs = append(attrs, "files", n, "path", s.unread[n-1], "err", err)
	}
	if closed := l.set.Stats().WatchErr; errors.Is(closed, fs.ErrPermission) {
		attrs = append(attrs, "directory", closed) // files in it may be missed
		err = cmp.Or(err, closed)
	}
	if err != nil {
		l.log.Warn("not everything can be read", append(attrs, "cure", cureOf(err))...)
	}
}

// announce says on stderr what is served, where, how to read it, and what
// cannot be read: in words on a terminal, as records otherwise.
func (c *common) announce(l *local) {
	seen := l.survey()
	if !c.quiet {
		if isTerminal(os.Stderr) {
			fmt.Fprint(os.Stderr, printable(l.invitation(seen.logs, seen.size)))
		} else {
			l.log.Info("serving files", append(l.addrs(), "files", len(seen.logs), "n", seen.size, "first", nameOf(l.set.First()))...)
		}
	}
	l.warnUnread(seen)
}

// summary is one line for the service manager.
func (l *local) summary() string {
	var at []string
	for _, e := range l.bound {
		at = append(at, e.room+" "+e.addr())
	}
	return count(int64(len(l.set.Logs())), "file") + " on " + strings.Join(at, ", ")
}

func (l *local) addrs() (attrs []any) {
	rooms := map[string][]string{}
	for _, e := range l.bound {
		rooms[e.room] = append(rooms[e.room], e.addr())
	}
	for _, room := range []string{roomServe, roomHTTP, roomEntries, roomMachines} {
		if at := rooms[room]; len(at) > 0 {
			attrs = append(attrs, room, strings.Join(at, " "))
		}
	}
	return attrs
}

// invitation says to a person what is served and which lines read it.
func (l *local) invitation(logs []*logfile.Log, size int64) string {
	var b strings.Builder
	first := nameOf(l.set.First())
	switch len(logs) {
	case 0:
		b.WriteString("serving: no file yet, new ones join\n")
	case 1:
		fmt.Fprintf(&b, "serving %s (%s)\n", first, bytesText(size))
	default:
		fmt.Fprintf(&b, "serving %d files (%s), %s and others\n", len(logs), bytesText(size), first)
	}
	line := func(command, what string) { fmt.Fprintf(&b, "  %-58s %s\n", command, what) }
	for _, e := range l.bound {
		tcp, ok := e.ln.Addr().(*net.TCPAddr)
		switch {
		case !ok:
			fmt.Fprintf(&b, "  %s at %s\n", e.room, e.addr())
		case e.room == roomServe:
			line(readByTCP(e, tcp, l.header(first, len(logs))), "its last 1000 bytes, and what comes")
		default:
			base := baseURL(e, tcp) + "/logs"
			if len(logs) != 1 {
				line("curl "+base, "the list")
			}
			if first != "" {
				line(fmt.Sprintf("curl -N '%s/%s?follow'", base, url.PathEscape(l.short(first))), "all of it, and what comes")
			}
		}
	}
	line("fairlead status", "how it is doing")
	return b.String()
}

// header is what a client sends first.
func (l *local) header(first string, n int) string {
	if n == 1 {
		return "-1000"
	}
	return "'" + l.short(first) + " -1000'"
}

// short is the base name of a log if that is enough to find it.
func (l *local) short(name string) string {
	if _, err := l.set.Lookup(filepath.Base(name)); err == nil {
		return filepath.Base(name)
	}
	return name
}

func readByTCP(e endpoint, addr *net.TCPAddr, header string) string {
	if e.tls {
		return fmt.Sprintf("(echo %s; cat) | openssl s_client -quiet -connect %s", header, net.JoinHostPort(hostOf(addr), fmt.Sprint(addr.Port)))
	}
	return fmt.Sprintf("echo %s | nc %s %d", header, hostOf(addr), addr.Port)
}

// baseURL is where an endpoint's HTTP is.
func baseURL(e endpoint, addr *net.TCPAddr) string {
	scheme := "http://"
	if e.tls {
		scheme = "https://"
	}
	return scheme + net.JoinHostPort(hostOf(addr), fmt.Sprint(addr.Port))
}

// hostOf is how others reach an address: by this machine's name if it is every
// address.
func hostOf(addr *net.TCPAddr) string {
	if !addr.IP.IsUnspecified() {
		return addr.IP.String()
	}
	if name, err := os.Hostname(); err == nil {
		return name
	}
	return "localhost"
}

func nameOf(l *logfile.Log) string {
	if l == nil {
		return ""
	}
	return l.Name()
}
