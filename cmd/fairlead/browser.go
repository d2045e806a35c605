package main

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
)

// A guard keeps pages of other sites out, which a browser of somebody who may
// read our logs may have open. It answers only to names that this machine has:
// a page can have its own name point to our address (DNS rebinding), but cannot
// change what the browser then says as Host.
type guard struct {
	hosts []string // names beside localhost, this machine's and addresses
	next  http.Handler
}

// newGuard guards h. hosts are names that the operator adds.
func newGuard(h http.Handler, hosts ...string) http.Handler {
	g := guard{next: http.NewCrossOriginProtection().Handler(h), hosts: []string{"localhost"}}
	if name, err := os.Hostname(); err == nil {
		short, _, _ := strings.Cut(name, ".")
		g.hosts = append(g.hosts, name, short, short+".local")
	}
	g.hosts = append(g.hosts, hosts...)
	return g
}

// hostNames are those the environment adds.
func hostNames() []string {
	return strings.FieldsFunc(os.Getenv("FAIRLEAD_HTTP_HOSTS"), func(r rune) bool { return r == ',' || r == ' ' })
}

func (g guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if why := g.refuses(r); why != "" {
		http.Error(w, why, http.StatusForbidden)
		return
	}
	g.next.ServeHTTP(w, r)
}

// refuses says why a request is not answered; "" if it is.
func (g guard) refuses(r *http.Request) string {
	host := hostname(r.Host)
	if net.ParseIP(host) == nil && !g.knows(host) {
		return fmt.Sprintf("this machine is not known as %q: ask for an address or its name, or allow the name with FAIRLEAD_HTTP_HOSTS", host)
	}
	navigates := r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
	if r.Header.Get("Sec-Fetch-Site") == "cross-site" && !navigates {
		return "not for pages of other sites"
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		u, err := url.Parse(origin)
		if err != nil || !strings.EqualFold(u.Host, r.Host) {
			return "not for pages of other sites"
		}
	}
	return ""
}

func (g guard) knows(host string) bool {
	return slices.ContainsFunc(g.hosts, func(name string) bool { return strings.EqualFold(name, host) })
}

// hostname is a Host without its port and the brackets of IPv6.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.TrimSuffix(strings.Trim(host, "[]"), ".")
}
