package main

import (
	"cmp"
	"fmt"
	"net"
	"os"
	"os/user"
	"runtime"
	"strings"
)

// greet says on stderr where the page is, what is watched, and in one line what
// cannot be read: in words on a terminal, as records otherwise.
func (p *upProcess) greet() {
	seen := p.survey()
	switch {
	case p.quiet:
	case isTerminal(os.Stderr):
		fmt.Fprint(os.Stderr, printable(p.welcome(seen)))
	default:
		p.log.Info("watching logs", append(p.addrs(), "url", p.entrance(), "files", len(seen.logs), "n", seen.size, "targets", p.targets())...)
	}
	p.warnUnread(seen)
	if len(seen.logs) == 0 {
		p.log.Warn("no target matches a log yet; new files join", "targets", p.targets(),
			"cure", "`fairlead why FILE` says why one is not watched")
	}
}

// pages are the addresses of the page.
func (l *local) pages() []string {
	pages := []string{}
	for _, e := range l.bound {
		if addr, ok := e.ln.Addr().(*net.TCPAddr); ok && e.room == roomHTTP {
			pages = append(pages, baseURL(e, addr)+"/")
		}
	}
	return pages
}

// pageURL is the first of them; empty if there is no HTTP.
func (l *local) pageURL() string {
	if pages := l.pages(); len(pages) > 0 {
		return pages[0]
	}
	return ""
}

// entrance is pageURL for a browser, with the token it needs where nobody is known
// without one. What is behind the # no server is sent.
func (p *upProcess) entrance() string {
	url := p.pageURL()
	if url != "" && p.own.Secret != "" {
		url += "#token=" + p.own.Secret
	}
	return url
}

func (p *upProcess) curl() string {
	if p.own.Secret == "" {
		return "curl -N "
	}
	return "curl -N -H 'Authorization: Bearer " + p.own.Secret + "' "
}

// welcome is what a person reads first.
func (p *upProcess) welcome(seen survey) string {
	var b strings.Builder
	fmt.Fprintf(&b, "watching %s (%s) in %s\n", count(int64(len(seen.logs)), "file"), bytesText(seen.size), p.targets())
	line := func(command, what string) { fmt.Fprintf(&b, "  %-58s %s\n", command, what) }
	if url := p.entrance(); url != "" {
		fmt.Fprintf(&b, "\n  %s\n\n", url)
	}
	for _, e := range p.bound {
		addr, ok := e.ln.Addr().(*net.TCPAddr)
		switch {
		case !ok:
			fmt.Fprintf(&b, "  %s at %s\n", e.room, e.addr())
		case e.room == roomHTTP:
			if !hasDisplay() && addr.IP.IsLoopback() {
				line(tunnel(addr), "on your own machine; then open the address above there")
			}
			line(p.curl()+strings.TrimSuffix(p.pageURL(), "/")+"/stream", "all entries, as they come")
		case e.room == roomServe && len(seen.logs) > 0:
			line(readByTCP(e, addr, p.header(nameOf(seen.logs[0]), len(seen.logs))), "raw bytes from any offset, and what comes")
		case e.room == roomMachines:
			line("fairlead invite", "lets a machine ship to "+p.receive.dir+", at "+e.addr())
		case e.room == roomEntries:
			line(fmt.Sprintf("nc %s %d", hostOf(addr), addr.Port), "all entries, as lines of JSON")
		}
	}
	if p.ship != nil || p.plainOut != nil {
		line("fairlead ship --status", "how far each file is at its receivers")
	}
	line("fairlead status", "how it is doing")
	return b.String()
}

// hasDisplay says whether a browser can be opened where we run.
func hasDisplay() bool {
	if os.Getenv("SSH_CONNECTION") != "" {
		return false
	}
	return runtime.GOOS == "darwin" || runtime.GOOS == "windows" || os.Getenv("DISPLAY") != "" || os.Getenv("WAYLAND_DISPLAY") != ""
}

// tunnel is the command that brings a port of this machine to one's own.
func tunnel(addr *net.TCPAddr) string {
	host, _ := os.Hostname()
	// "CLIENT PORT SERVER PORT": the address that this machine was reached by.
	if f := strings.Fields(os.Getenv("SSH_CONNECTION")); len(f) == 4 {
		host = f[2]
	}
	if u, err := user.Current(); err == nil {
		host = u.Username + "@" + host
	}
	return fmt.Sprintf("ssh -L %d:%s %s", addr.Port, addr, cmp.Or(host, "HOST"))
}
