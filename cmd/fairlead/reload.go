package main

import (
	"slices"
	"strings"

	"fairlead/internal/config"
)

// taken are the keys that a reload takes over; the others need a restart.
var taken = []string{"watch.targets", "http.hosts", "http.token", "http.tls_cert", "http.tls_key"}

// reload takes over the configuration as it is now. If that is not well, nothing
// changes. No client is dropped either way, but for those whose token is gone.
func (p *upProcess) reload() {
	notifyReloading()
	defer func() { notifyReady(p.summary()) }()
	stuck, err := p.takeOver()
	p.mu.Lock()
	p.stale = err
	if err == nil {
		p.stuck = stuck
	}
	p.mu.Unlock()
	switch {
	case err != nil:
		p.log.Error("the configuration is not well: going on as before", "err", err, "cure", "fairlead config check")
		return
	case len(stuck) > 0:
		p.log.Warn("some of what changed needs a restart", "keys", strings.Join(stuck, " "))
	}
	p.log.Info("the configuration was read again")
}

func (p *upProcess) takeOver() (stuck []string, err error) {
	s, loaded, err := p.command.load()
	if err != nil {
		return nil, err
	}
	if p.pair != nil && s.HTTP.TLSCert != "" {
		if err := p.pair.load(s.HTTP.TLSCert, s.HTTP.TLSKey); err != nil {
			return nil, err
		}
	}
	p.watch(p.command.watched(s))
	p.openSite(s)
	return p.needRestart(s, loaded), nil
}

// needRestart returns the keys that are not what this process was started with,
// and sections of rooms that would begin or end.
func (p *upProcess) needRestart(s *settings, loaded *config.Loaded) (keys []string) {
	was := make(map[string]string)
	for _, v := range p.loaded.Values() {
		was[v.Name] = v.Text
	}
	for _, v := range loaded.Values() {
		if was[v.Name] != v.Text && !slices.Contains(taken, v.Name) {
			keys = append(keys, v.Name)
		}
	}
	for _, room := range []string{"tcp", "serve"} {
		if loaded.Present(room) != p.loaded.Present(room) {
			keys = append(keys, "["+room+"]")
		}
	}
	now := p.command.watched(s)
	if slices.ContainsFunc(p.watching, func(t string) bool { return !slices.Contains(now, t) }) {
		keys = append(keys, "watch.targets (those that were taken out)")
	}
	if (p.pair != nil) != (s.HTTP.TLSCert != "") {
		keys = append(keys, "http.tls_cert")
	}
	return keys
}

// problems are those that status cannot see otherwise.
func (p *upProcess) problems() (list []problem) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stale != nil {
		list = append(list, problem{"the configuration cannot be taken over, so what was before holds: " + p.stale.Error(),
			"fairlead config check, mend it, and send HUP again"})
	}
	if len(p.stuck) > 0 {
		list = append(list, problem{"the configuration says something else than what runs: " + strings.Join(p.stuck, " "), "restart it"})
	}
	return list
}
