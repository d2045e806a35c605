package main

import "net/http"

// web is what the HTTP listeners answer.
func (p *serving) web() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /logs", p.server)
	mux.Handle("GET /logs/", p.server)
	mux.Handle("GET /{$}", http.RedirectHandler("/logs", http.StatusFound))
	p.probes(mux)
	return mux
}
