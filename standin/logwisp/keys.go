package logwisp

import (
	"fmt"
	"strconv"
	"strings"
)

// settings is what the keys say, before it is checked.
type settings struct {
	checkMillis int
	tcp, http   serverSettings
}

type serverSettings struct {
	enabled      bool
	port, buffer int
	tls          bool
	cert, key    string
	beat         beatSettings
}

type beatSettings struct {
	enabled, timestamp, stats bool
	seconds                   int
	format                    string
}

// defaults returns what is true where nothing is said.
func defaults() settings {
	beat := beatSettings{timestamp: true, seconds: 30}
	s := settings{
		checkMillis: 100,
		tcp:         serverSettings{port: 9090, buffer: 1000, beat: beat},
		http:        serverSettings{port: 8080, buffer: 1000, beat: beat, enabled: true},
	}
	s.tcp.beat.format = "json"
	s.http.beat.format, s.http.beat.enabled = "comment", true
	return s
}

// A key is one setting: its name in the file, and by that its variable in the
// environment; its flags, the one that wins first; and what it sets.
type key struct {
	name  string
	flags []string
	place any // *int, *bool or *string
}

// The keys of s. The targets are not among them: they are a list.
func (s *settings) keys() []key {
	all := []key{{"monitor.check_interval_ms", []string{"check-interval"}, &s.checkMillis}}
	all = append(all, s.tcp.keys("tcp", "")...)
	return append(all, s.http.keys("http", "legacy")...)
}

// keys returns those of the server of a protocol. Where it has legacy flags they
// are the ones without the protocol.
func (s *serverSettings) keys(proto, legacy string) []key {
	flags := func(name string) []string {
		if legacy == "" {
			return []string{proto + "-" + name}
		}
		return []string{proto + "-" + name, name}
	}
	all := []key{
		{"enabled", []string{"enable-" + proto}, &s.enabled},
		{"port", flags("port"), &s.port},
		{"buffer_size", flags("buffer-size"), &s.buffer},
		{"ssl_enabled", nil, &s.tls},
		{"ssl_cert_file", nil, &s.cert},
		{"ssl_key_file", nil, &s.key},
		{"heartbeat.enabled", nil, &s.beat.enabled},
		{"heartbeat.interval_seconds", nil, &s.beat.seconds},
		{"heartbeat.include_timestamp", nil, &s.beat.timestamp},
		{"heartbeat.include_stats", nil, &s.beat.stats},
		{"heartbeat.format", nil, &s.beat.format},
	}
	for i := range all {
		all[i].name = proto + "server." + all[i].name
	}
	return all
}

// A word is what somebody said about a key, and who.
type word struct{ text, from string }

// variable returns the key's name in the environment.
func (k key) variable() string {
	return "LOGWISP_" + strings.ToUpper(strings.ReplaceAll(k.name, ".", "_"))
}

func (k key) kind() string {
	switch k.place.(type) {
	case *int:
		return "int"
	case *bool:
		return "bool"
	}
	return "string"
}

// set puts what was said into its place.
func (k key) set(w word) error {
	var err error
	switch p := k.place.(type) {
	case *int:
		*p, err = strconv.Atoi(w.text)
	case *bool:
		*p, err = strconv.ParseBool(w.text)
	case *string:
		*p = w.text
	}
	if err != nil {
		return wrongType(w.from, k.name, k.kind(), err)
	}
	return nil
}

func wrongType(from, name, kind string, why error) error {
	return fmt.Errorf("failed to scan config: %s: cannot parse '%s' as %s: %w", from, name, kind, why)
}
