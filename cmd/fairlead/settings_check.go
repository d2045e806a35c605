package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"fairlead/internal/config"
	"fairlead/logfile"
	"fairlead/serve"
	"fairlead/stream"
)

// inMemory is where entries can be kept, beside the disk.
const inMemory = "memory"

// check says what is wrong with settings that could be read.
func (s *settings) check(l *config.Loaded) error {
	var errs []error
	wrong := func(key string, err error) {
		if err != nil {
			errs = append(errs, l.Errorf(key, "%v", err))
		}
	}
	if (s.HTTP.TLSCert == "") != (s.HTTP.TLSKey == "") {
		wrong("http.tls_cert", errors.New("tls_cert and tls_key go together"))
	}
	if s.HTTP.Token != "" {
		wrong("http.token", s.HTTP.preset().Valid())
	}
	if s.Stream.Spool != "disk" && s.Stream.Spool != inMemory {
		wrong("stream.spool", fmt.Errorf("it is disk or %s, not %q", inMemory, s.Stream.Spool))
	}
	if at, err := serve.ParseAtEnd(s.Serve.AtEnd); err != nil || at == serve.AtEndExit {
		wrong("serve.at_end", fmt.Errorf("it is close, follow or linger, not %q", s.Serve.AtEnd))
	}
	if s.HTTP.Sources < 0 || s.HTTP.Sources > maxMetricSources {
		wrong("http.metrics_sources", fmt.Errorf("it is a number from 0 to %d", maxMetricSources))
	}
	_, err := s.Stream.filter("level")
	wrong("stream.level", err)
	_, err = s.Stream.filter("regex")
	wrong("stream.match", err)
	_, err = s.Stream.filter("exclude")
	wrong("stream.exclude", err)
	_, err = s.Stream.from()
	wrong("stream.from", err)
	wrong("self.name", checkName(s.Self.Name))
	if s.Watch.PinBytes <= 0 || s.Watch.PinFor <= 0 {
		wrong("watch.pin_bytes", errors.New("pin_bytes and pin_for are above 0"))
	}
	_, err = s.Receive.options()
	wrong("receive.store", err)
	if s.Ship.Failover < 0 {
		wrong("ship.failover", errors.New("it is a time, and not below 0"))
	}
	errs = append(errs, s.clashes(l)...)
	return errors.Join(errs...)
}

// maxMetricSources is how many sources can have metrics of their own: each is
// some more lines in what is scraped again and again.
const maxMetricSources = 10_000

// checkName says whether a process can be called so.
func checkName(name string) error {
	if strings.ContainsAny(name, "/\x00") || len(name) > 40 || name != "" && !filepath.IsLocal(name) {
		return fmt.Errorf("%q is no name: at most 40 bytes, and no slash", name)
	}
	return nil
}

// clashes says which sections are to listen at the same port.
func (s *settings) clashes(l *config.Loaded) (errs []error) {
	type place struct {
		key  string
		addr *net.TCPAddr
	}
	var places []place
	add := func(key, text string) {
		if text == "" || text == "off" {
			return
		}
		addr, err := resolveListen(text)
		if err != nil {
			errs = append(errs, l.Errorf(key, "%v", err))
			return
		}
		same := func(p place) bool {
			return addr.Port != 0 && p.addr.Port == addr.Port && (p.addr.IP.Equal(addr.IP) || isAny(p.addr.IP) || isAny(addr.IP))
		}
		if i := slices.IndexFunc(places, same); i >= 0 {
			other := places[i].key
			errs = append(errs, l.Errorf(key, "%s and %s (%s) both want port %d: give one of them another", key, other, l.Origin(other).Text, addr.Port))
			return
		}
		places = append(places, place{key, addr})
	}
	add("http.listen", s.HTTP.Listen)
	if l.Present("tcp") {
		add("tcp.listen", s.TCP.Listen)
	}
	if l.Present("serve") {
		for _, text := range s.Serve.Listen {
			add("serve.listen", text)
		}
	}
	if l.Present("receive") {
		add("receive.listen", s.Receive.Listen)
	}
	return errs
}

func isAny(ip net.IP) bool { return ip == nil || ip.IsUnspecified() }

// filter is what the stream keeps, by all of its keys or those that are named.
func (s *streamSettings) filter(keys ...string) (*stream.Filter, error) {
	query := url.Values{"regex": s.Match, "exclude": s.Exclude}
	if s.Level != "" {
		query.Set("level", s.Level)
	}
	for key := range query {
		if len(keys) > 0 && !slices.Contains(keys, key) {
			query.Del(key)
		}
	}
	return stream.ParseFilter(query)
}

// from is where files begin that were never seen; nil: with the newest lines.
func (s *streamSettings) from() (*logfile.From, error) {
	if s.From == "" {
		return nil, nil
	}
	from, err := logfile.ParseFrom(s.From)
	if err == nil && strings.Contains(s.From, ":") {
		err = fmt.Errorf("%s is a place in one file", s.From)
	}
	return &from, err
}

// options are those of the stream, but where its spool is.
func (s *streamSettings) options() (stream.Options, error) {
	filter, err1 := s.filter()
	from, err2 := s.from()
	return stream.Options{Budget: int64(s.Budget), MultiLine: s.MultiLine, Rate: int64(s.Rate), Filter: filter, From: from},
		cmp.Or(err1, err2)
}
