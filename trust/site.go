package trust

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
)

var errOtherSite = errors.New("not for pages of other sites")

// OtherSite says why a request is not to be answered: a page of another site, that
// somebody who may read has open in a browser, makes the browser send it. Over
// loopback that is also one that calls us by a name we do not have, as a page can
// have its own name lead to any address (DNS rebinding). allowed is an origin
// that may ask all the same; "*" is each of them, "" none.
func OtherSite(r *http.Request, allowed string) error {
	origin := r.Header.Get("Origin")
	if allowed == "" || allowed != "*" && allowed != origin {
		u, err := url.Parse(origin)
		if origin != "" && (err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host)) {
			return errOtherSite
		}
		if r.Header.Get("Sec-Fetch-Site") == "cross-site" {
			return errOtherSite
		}
	}
	here, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if here != nil && Loopback(here) && !ownHost(r.Host) {
		return fmt.Errorf("host %q is not this machine: ask for localhost", r.Host)
	}
	return nil
}

// ownHost says whether a Host header names this machine, as a client that came
// over loopback knows it.
func ownHost(hostport string) bool {
	host := (&url.URL{Host: hostport}).Hostname()
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "" || host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback()
	}
	own, err := os.Hostname()
	return err == nil && strings.EqualFold(host, own)
}
