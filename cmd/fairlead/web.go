package main

import (
	"fmt"
	"net/http"
)

// web is what the HTTP listeners answer.
func (p *serving) web() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /logs", p.server)
	mux.Handle("GET /logs/", p.server)
	mux.Handle("GET /{$}", http.RedirectHandler("/logs", http.StatusFound))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", p.ready)
	return mux
}

// ready says whether this process can do its work; `fairlead status` says why
// not.
func (p *serving) ready(w http.ResponseWriter, _ *http.Request) {
	if !p.status().Ready {
		http.Error(w, "not ready: fairlead status says why", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ready")
}
