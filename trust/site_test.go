package trust_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"fairlead/trust"
)

// T13: no page of another site gets an answer, whatever name it has for us.
func TestT13OtherSites(t *testing.T) {
	loopback := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080}
	outside := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 8080}
	hosts := map[string]bool{ // is it ours, over loopback?
		"localhost:8080": true, "127.0.0.1:8080": true, "[::1]:8080": true, "LOCALHOST.": true, "": true,
		"evil.example:8080": false, "localhost.evil.example": false, "192.0.2.7": false,
	}
	origins := map[string]bool{"": true, "same": true, "http://evil.example": false, "null": false, "http://localhost:3000": false, "::bad": false}
	sites := map[string]bool{"": true, "same-origin": true, "none": true, "same-site": true, "cross-site": false}
	for host, hostOK := range hosts {
		for origin, originOK := range origins {
			for site, siteOK := range sites {
				for _, here := range []net.Addr{loopback, outside} {
					for _, method := range []string{http.MethodGet, http.MethodPost} {
						r := httptest.NewRequest(method, "http://x/stream", nil)
						r.Host = host
						if origin == "same" {
							r.Header.Set("Origin", "http://"+host)
						} else if origin != "" {
							r.Header.Set("Origin", origin)
						}
						if site != "" {
							r.Header.Set("Sec-Fetch-Site", site)
						}
						r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, here))
						sameOK := origin != "same" || host != "" // "http://" is no origin of ours
						want := originOK && sameOK && siteOK && (hostOK || here == outside)
						if err := trust.OtherSite(r, ""); (err == nil) != want {
							t.Errorf("%s Host %q Origin %q Sec-Fetch-Site %q at %s = %v, want let in: %v", method, host, origin, site, here, err, want)
						}
					}
				}
			}
		}
	}
}

func TestT13AllowedOrigin(t *testing.T) {
	for allowed, want := range map[string]bool{"": false, "*": true, "https://page.example": true, "https://other.example": false} {
		r := httptest.NewRequest(http.MethodGet, "http://localhost/stream", nil)
		r.Header.Set("Origin", "https://page.example")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		if err := trust.OtherSite(r, allowed); (err == nil) != want {
			t.Errorf("OtherSite(%q) = %v, want let in: %v", allowed, err, want)
		}
	}
}
