package logwisp

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// ErrNoServers is a configuration without a server: the caller prints it, with
// nothing in front, and exits with 1.
//
//lint:ignore ST1005 LogWisp's own words
var ErrNoServers = errors.New("No servers enabled. Enable at least one server in config.")

// Environment is what of the process the configuration depends on.
type Environment struct {
	Getenv func(string) string // a variable that is set and empty is as good as none
	Home   string              // "" if there is none
	Dir    string              // the working directory, absolute
	Open   func(string) (io.ReadCloser, error)
	Stat   func(string) (fs.FileInfo, error)
}

// Process returns the environment of this process.
func Process() (Environment, error) {
	dir, err := os.Getwd()
	if err != nil {
		return Environment{}, fmt.Errorf("find the working directory: %w", err)
	}
	home, _ := os.UserHomeDir() // LogWisp then looks in the working directory
	open := func(name string) (io.ReadCloser, error) { return os.Open(name) }
	return Environment{Getenv: os.Getenv, Home: home, Dir: dir, Open: open, Stat: os.Stat}, nil
}

func (e Environment) abs(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(e.Dir, path)
}

// Options is what LogWisp was told.
type Options struct {
	Help          bool // only the help is asked for, nothing else is set
	Targets       []Target
	CheckInterval time.Duration // how long a new file may go unnoticed
	TCP, HTTP     Server
	ConfigFile    string   // the one that was read; "" if none
	Ignored       []string // what was said and means nothing here, each in words
}

// A Server is one of the two; nothing is set of one that is not enabled.
type Server struct {
	Enabled         bool
	Port            int // on every address
	BufferSize      int // means nothing: there is no buffer to fill. It is in /status
	Heartbeat       Heartbeat
	TLSCert, TLSKey string // paths; both or none
}

// A Heartbeat is sent at every interval.
type Heartbeat struct {
	Enabled          bool
	Interval         time.Duration
	Timestamp, Stats bool
	JSON             bool // or else an SSE comment; always of the TCP server
}

// Load reads everything. An error is a *UsageError, ErrNoServers, or one of the
// configuration: the caller prints that with "Failed to load config: " in front,
// and exits with 1.
func Load(args []string, env Environment) (Options, error) {
	r, err := read(args, env)
	if err != nil || r.help {
		return Options{Help: r.help}, err
	}
	o := Options{ConfigFile: r.file, Ignored: r.ignored}
	if err := o.take(r.settings, r.targets, env); err != nil {
		return Options{}, err
	}
	o.Ignored = append(o.Ignored, r.tcp.ignored(r.tcp.keys("tcp", ""), r.said)...)
	o.Ignored = append(o.Ignored, r.http.ignored(r.http.keys("http", ""), r.said)...)
	return o, nil
}

// A reading is what all sources say together, before it is checked.
type reading struct {
	help bool
	settings
	said    map[string]word
	targets []givenTarget
	file    string
	ignored []string
}

func read(args []string, env Environment) (reading, error) {
	r := reading{settings: defaults()}
	keys := r.keys()
	l, err := parseLine(args, keys)
	if err != nil || l.help {
		return reading{help: l.help}, err
	}
	file, err := readConfig(l.flags["config"], env, keys)
	if err != nil {
		return reading{}, err
	}
	flags, ignored := l.words(keys)
	r.said = file.said
	for _, k := range keys {
		if text := env.Getenv(k.variable()); text != "" {
			r.said[k.name] = word{text, k.variable()}
		}
	}
	maps.Copy(r.said, flags)
	r.targets, r.file, r.ignored = chooseTargets(l, file, env), file.path, append(file.unknown, ignored...)
	err = apply(r.said, keys) // they are keys of r
	return r, err
}

// apply sets the keys that something is said about.
func apply(said map[string]word, keys []key) error {
	for _, k := range keys {
		if w, ok := said[k.name]; ok {
			if err := k.set(w); err != nil {
				return err
			}
		}
	}
	return nil
}

// chooseTargets takes the first list there is.
func chooseTargets(l line, file config, env Environment) []givenTarget {
	switch list := env.Getenv("LOGWISP_MONITOR_TARGETS"); {
	case len(l.targets) > 0:
		return parseTargets(l.targets)
	case list != "":
		items := strings.Split(list, ",")
		for i := range items {
			items[i] = strings.TrimSpace(items[i])
		}
		return parseTargets(slices.DeleteFunc(items, func(item string) bool { return item == "" }))
	case file.listed:
		return file.targets
	}
	return []givenTarget{{Target: Target{Path: "./", Pattern: logs}}}
}

// take checks the settings in the order in which LogWisp did, and takes them.
func (o *Options) take(s settings, targets []givenTarget, env Environment) (err error) {
	if s.checkMillis < 10 {
		return fmt.Errorf("check interval too small: %d ms", s.checkMillis)
	}
	o.CheckInterval = times(s.checkMillis, time.Millisecond)
	if o.Targets, err = resolveTargets(targets, env); err != nil {
		return err
	}
	if o.TCP, err = s.tcp.server("TCP", env); err != nil {
		return err
	}
	if o.HTTP, err = s.http.server("HTTP", env); err != nil {
		return err
	}
	if !o.TCP.Enabled && !o.HTTP.Enabled {
		return ErrNoServers
	}
	o.TCP.Heartbeat.JSON = o.TCP.Heartbeat.Enabled
	return nil
}

// server checks the settings of one, if it is enabled.
func (s serverSettings) server(name string, env Environment) (Server, error) {
	beat := s.beat
	switch {
	case !s.enabled:
		return Server{}, nil
	case s.port < 1 || s.port > 65535:
		return Server{}, fmt.Errorf("invalid %s port: %d", name, s.port)
	case s.buffer < 1:
		return Server{}, fmt.Errorf("%s buffer size must be positive: %d", name, s.buffer)
	case beat.enabled && beat.seconds < 1:
		return Server{}, fmt.Errorf("%s heartbeat interval must be positive: %d", name, beat.seconds)
	case beat.enabled && beat.format != "json" && beat.format != "comment":
		return Server{}, fmt.Errorf("%s heartbeat format must be 'json' or 'comment': %s", name, beat.format)
	case s.tls && (s.cert == "" || s.key == ""):
		table := strings.ToLower(name) + "server"
		return Server{}, fmt.Errorf("%s TLS (%s.ssl_enabled) needs both %s.ssl_cert_file and %s.ssl_key_file", name, table, table, table)
	}
	o := Server{Enabled: true, Port: s.port, BufferSize: s.buffer}
	if beat.enabled {
		o.Heartbeat = Heartbeat{true, times(beat.seconds, time.Second), beat.timestamp, beat.stats, beat.format == "json"}
	}
	if s.tls {
		o.TLSCert, o.TLSKey = env.abs(s.cert), env.abs(s.key)
	}
	return o, nil
}

// times multiplies; what is too long for a time.Duration is the longest.
func times(n int, unit time.Duration) time.Duration {
	return time.Duration(min(int64(n), math.MaxInt64/int64(unit))) * unit
}

// ignored says which of the keys of s mean nothing, though something was said.
func (s serverSettings) ignored(keys []key, said map[string]word) []string {
	if !s.enabled {
		return nil
	}
	var notes []string
	for _, k := range keys {
		w, ok := said[k.name]
		note := ""
		switch _, name, _ := strings.Cut(k.name, "."); {
		case !ok:
		case name == "buffer_size":
			note = "means nothing: there is no buffer to fill"
		case strings.HasPrefix(name, "ssl_") && name != "ssl_enabled" && w.text != "" && !s.tls:
			note = "means nothing while ssl_enabled is false"
		case k.name == "tcpserver.heartbeat.format" && w.text == "comment":
			note = "means nothing: heartbeats over TCP are JSON"
		}
		if note != "" {
			notes = append(notes, fmt.Sprintf("%s (%s): %s", k.name, w.from, note))
		}
	}
	return notes
}
