package trust

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
)

var errOtherSite = errors.New("not for pages of other sites")

// OtherSite says why a request is not to be answered: a page of another site, that
// somebody who may read has open in a browser, makes the browser send it. Over
// loopback that is also one that calls us by a name we do not have, as a page can
// have its own name lead to any address (DNS rebinding). allowed is an origin
// that may ask all the same; "*" is each of them, "" none. hosts are names that
// we have beside those of this machine, as the one of a proxy before us, with a
// port or for every port. A request that an [Access] let in was looked at there.
func OtherSite(r *http.Request, allowed string, hosts ...string) error {
	if _, ok := r.Context().Value(admittedKey{}).(admitted); ok {
		return nil
	}
	origin := r.Header.Get("Origin")
	if allowed == "" || allowed != "*" && allowed != origin {
		if origin != "" && !ownOrigin(origin, r.Host, hosts) {
			return errOtherSite
		}
		if r.Header.Get("Sec-Fetch-Site") == "cross-site" {
			return errOtherSite
		}
	}
	here, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if here != nil && Loopback(here) && !ownHost(r.Host) && !among(hosts, r.Host) {
		return fmt.Errorf("host %q is not this machine: ask for localhost", r.Host)
	}
	return nil
}

// ownOrigin says whether a page is one of ours: it came from the host that it
// asks, or from one of our names. A name without a port is the default port's.
func ownOrigin(origin, host string, hosts []string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false
	}
	return strings.EqualFold(u.Host, host) ||
		slices.ContainsFunc(hosts, func(own string) bool { return strings.EqualFold(u.Host, own) })
}

// among says whether a Host header is one of the names, of which those without a
// port are for every port.
func among(hosts []string, hostport string) bool {
	return slices.ContainsFunc(hosts, func(own string) bool {
		return own != "" && (strings.EqualFold(own, hostport) || strings.EqualFold(hostname(own), hostname(hostport)) && !hasPort(own))
	})
}

func hasPort(host string) bool { return (&url.URL{Host: host}).Port() != "" }

// hostname is a Host header without its port, and without the dot that ends a
// whole name.
func hostname(hostport string) string {
	return strings.ToLower(strings.TrimSuffix((&url.URL{Host: hostport}).Hostname(), "."))
}

// ownHost says whether a Host header names this machine, as a client that came
// over loopback knows it.
func ownHost(hostport string) bool {
	if loopbackHost(hostport) {
		return true
	}
	own, err := os.Hostname()
	return err == nil && strings.EqualFold(hostname(hostport), own)
}

// loopbackHost says whether a Host header can only mean the machine it is said
// on. Very old clients, and nc, say none.
func loopbackHost(hostport string) bool {
	host := hostname(hostport)
	if host == "" || host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
