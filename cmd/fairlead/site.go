package main

import (
	"fmt"
	"net/http"
	"strings"

	"fairlead/page"
	"fairlead/serve"
	"fairlead/trust"
)

// A site is what the HTTP listeners of fairlead up answer, until a reload.
type site struct{ http.Handler }

// openSite makes one for the settings, which answers from now on. Requests that
// are being answered go on, unless the token that they came with is gone.
func (p *upProcess) openSite(s *settings) {
	p.given.Store(s)
	mux := http.NewServeMux()
	p.routes(mux, p.server)
	mux.HandleFunc("GET /why", p.whyOfLog)
	mux.Handle("GET /", page.Handler())
	access := &trust.Access{Tokens: p.tokens, Hosts: s.HTTP.Hosts, Open: openToAll, Log: p.log}
	p.current.Store(&site{access.Handler(mux)})
}

// presets are the tokens of the settings, and of this run.
func (p *upProcess) presets() (list []trust.Preset) {
	if h := p.given.Load().HTTP; h.Token != "" {
		list = append(list, h.preset())
	}
	if p.own.Secret != "" {
		list = append(list, p.own)
	}
	return list
}

// openToAll are requests that nothing is asked of: they tell nothing of a log.
func openToAll(r *http.Request) bool {
	switch r.URL.Path {
	case "/", "/healthz", "/readyz":
		return true
	}
	return strings.HasPrefix(r.URL.Path, "/page/")
}

func (p *upProcess) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Fairlead-Page", page.Version())
	p.current.Load().ServeHTTP(w, r)
}

// whyOfLog answers why of logs only: to those who are not on this machine other
// files are nobody's business.
func (p *upProcess) whyOfLog(w http.ResponseWriter, r *http.Request) {
	e := p.explain(r.URL.Query().Get("path"))
	if !e.Collected && e.OlderOf == "" {
		http.Error(w, "no log has this name; on the machine, fairlead why tells more", http.StatusNotFound)
		return
	}
	answer(w, e)
}

// routes are what a process answers to those who may ask.
func (l *local) routes(mux *http.ServeMux, files *serve.Server) {
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { answer(w, l.status()) })
	l.probes(mux)
	mux.Handle("GET /metrics", metricsHandler(l.status, l.metricSources))
	if l.set != nil {
		mux.Handle("GET /logs", files)
		mux.Handle("GET /logs/", files)
	}
	if l.events != nil {
		mux.Handle("GET /stream", l.events)
	}
	if l.byPlace != nil {
		mux.Handle("GET /entries/", l.byPlace)
	}
}

// probes say whether this process runs, and whether it can do its work;
// `fairlead status` says why not.
func (l *local) probes(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !l.status().Ready {
			http.Error(w, "not ready: fairlead status says why", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
}
