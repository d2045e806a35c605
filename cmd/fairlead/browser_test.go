package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// T13: no page of another site reads or posts anything, whatever name it has for
// us; what is no browser is not asked for more than a name of ours.
func TestT13OtherSites(t *testing.T) {
	ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	h := newGuard(ok, "logs.example")
	hosts := map[string]bool{
		"localhost:8080": true, "127.0.0.1:8080": true, "[::1]:8080": true, "192.0.2.7": true,
		"logs.example": true, "LOGS.example.:8080": true, "evil.example:8080": false, "localhost.evil.example": false, "": false,
	}
	origins := []struct {
		origin string
		same   bool
	}{{"", true}, {"same", true}, {"http://evil.example", false}, {"null", false}, {"http://localhost:3000", false}, {"::bad", false}}
	sites := map[string]bool{"": true, "same-origin": true, "none": true, "same-site": true, "cross-site": false}
	for host, hostOK := range hosts {
		for _, o := range origins {
			for site, siteOK := range sites {
				for _, method := range []string{http.MethodGet, http.MethodPost} {
					r := httptest.NewRequest(method, "http://x/stream", nil)
					r.Host = host
					if o.origin == "same" {
						r.Header.Set("Origin", "http://"+host)
					} else if o.origin != "" {
						r.Header.Set("Origin", o.origin)
					}
					if site != "" {
						r.Header.Set("Sec-Fetch-Site", site)
					}
					w := httptest.NewRecorder()
					h.ServeHTTP(w, r)
					want := hostOK && o.same && siteOK
					if method == http.MethodPost && site == "same-site" {
						want = false // acting is for our own pages only
					}
					if (w.Code == http.StatusOK) != want {
						t.Errorf("%s Host %q Origin %q Sec-Fetch-Site %q = %d, want let in: %v", method, host, o.origin, site, w.Code, want)
					}
					if got := w.Header().Get("Access-Control-Allow-Origin"); got != "" {
						t.Errorf("Access-Control-Allow-Origin %q, want none", got)
					}
				}
			}
		}
	}
}

// A link on another site may lead here: the page cannot read what is shown.
func TestT13Navigation(t *testing.T) {
	h := newGuard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r := httptest.NewRequest(http.MethodGet, "http://localhost/logs", nil)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Dest", "document")
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != http.StatusOK {
		t.Errorf("navigation = %d, want 200", w.Code)
	}
}
