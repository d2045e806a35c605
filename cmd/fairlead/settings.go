package main

import (
	"time"

	"fairlead/internal/config"
	"fairlead/ship"
	"fairlead/trust"
)

// settings are the keys of fairlead.toml. A room runs if its section is there;
// watch, http and stream always do. FAIRLEAD_SECTION_KEY and the flags named here
// say the same.
type settings struct {
	Watch   watchSettings   `config:"watch"`
	HTTP    httpSettings    `config:"http"`
	TCP     tcpSettings     `config:"tcp"`
	Serve   serveSettings   `config:"serve"`
	Stream  streamSettings  `config:"stream"`
	Ship    shipSettings    `config:"ship"`
	Receive receiveSettings `config:"receive"`
	Self    selfSettings    `config:"self"`
}

type watchSettings struct {
	Targets  []string      `config:"targets" help:"files, globs and directories to watch"`
	Poll     bool          `config:"poll" flag:"poll" help:"look every second instead of waiting for events"`
	PinBytes config.Size   `config:"pin_bytes" help:"bytes of deleted files kept for readers that are behind"`
	PinFor   time.Duration `config:"pin_for" help:"and for how much time"`
}

type httpSettings struct {
	Listen  string   `config:"listen" flag:"http" arg:"ADDR:PORT" help:"where the page and the HTTP are, or off; the next free port if the default is taken"`
	TLSCert string   `config:"tls_cert" flag:"tls-cert" arg:"FILE" help:"certificate (PEM, with its chain): TLS on every listener"`
	TLSKey  string   `config:"tls_key" flag:"tls-key" arg:"FILE" help:"key of the certificate"`
	Plain   bool     `config:"plain" flag:"plain" help:"allow listening off loopback without TLS; over HTTP everyone still needs a token"`
	Hosts   []string `config:"hosts" help:"names that a proxy in front of us is asked by; those who come so need a token"`
	Token   string   `config:"token" secret:"true" help:"a token that may look, beside those of fairlead token"`
	Sources int      `config:"metrics_sources" help:"at most so many sources have metrics of their own; 0: none"`
}

// preset is the token that the configuration gives.
func (h *httpSettings) preset() trust.Preset {
	return trust.Preset{Name: "configuration", Role: trust.RoleView, Secret: h.Token}
}

type tcpSettings struct {
	Listen     string `config:"listen" flag:"tcp" arg:"ADDR:PORT" help:"serve all entries there as JSON lines; usually port 7448"`
	ShareLocal bool   `config:"share_local" help:"let every user of this machine have them"`
}

type serveSettings struct {
	Listen     []string `config:"listen" flag:"serve" arg:"ADDR:PORT" help:"serve raw bytes there, as fairlead serve; usually port 4321"`
	AtEnd      string   `config:"at_end" help:"what the end of a generation does: close, follow or linger"`
	ShareLocal bool     `config:"share_local" help:"let every user of this machine read all we can"`
}

type streamSettings struct {
	Spool     string      `config:"spool" flag:"spool" arg:"WHERE" help:"where entries are kept: disk or memory"`
	Budget    config.Size `config:"budget" flag:"budget" arg:"SIZE" help:"and how many; the oldest are dropped (default 1GiB, in memory 64MiB)"`
	From      string      `config:"from" flag:"from" arg:"POS" help:"where files begin that were never seen: start, end, N or -N bytes (default: the newest 1000 lines of all)"`
	MultiLine bool        `config:"multi_line" flag:"multi-line" help:"indented lines belong to the entry before"`
	Rate      config.Size `config:"rate" help:"read at most so many bytes per second; 0: no limit"`
	Level     string      `config:"level" help:"keep entries of at least this level"`
	Match     []string    `config:"match" help:"keep entries that match each of these (RE2)"`
	Exclude   []string    `config:"exclude" help:"and none of these"`
}

type shipSettings struct {
	To       []string      `config:"to" flag:"to" arg:"HOST" help:"a receiver that gets all files; may be repeated: each gets a whole copy"`
	ToOneOf  []string      `config:"to_one_of" arg:"HOST,HOST" help:"receivers of which one gets each file, and another if that one is gone"`
	Failover time.Duration `config:"failover" arg:"TIME" help:"how long a receiver of to_one_of is waited for before another has its files"`
	Rate     config.Size   `config:"rate" arg:"SIZE" help:"bytes per second to each receiver at most; 0: no limit"`
	Plain    bool          `config:"plain" help:"in the clear, as logship: no TLS, no keys, nothing acknowledged"`
}

type receiveSettings struct {
	Store     string        `config:"store" arg:"DIR" help:"where copies are kept: DIR/SENDER/PATH (default received in the state)"`
	Listen    string        `config:"listen" flag:"receive" arg:"ADDR:PORT" help:"take what other machines ship, at this port; only those whose keys are trusted are let in"`
	HighWater int           `config:"high_water" arg:"N" help:"percent of the disk above which nothing is accepted"`
	Quota     config.Size   `config:"quota" arg:"SIZE" help:"bytes that one sender may have here; 0: no limit"`
	Files     int           `config:"quota_files" arg:"N" help:"and files"`
	Keep      time.Duration `config:"keep" arg:"TIME" help:"how long ended generations are kept; 0: for ever"`
	KeepBytes config.Size   `config:"keep_bytes" arg:"SIZE" help:"how much ended generations may take together; 0: no limit"`
	Mode      string        `config:"mode" arg:"MODE" help:"permissions of the copies, octal"`
	Group     string        `config:"group" arg:"GROUP" help:"group that the copies belong to"`
	Plain     bool          `config:"plain" help:"take what anybody sends in the clear, as logship, also off loopback"`
}

type selfSettings struct {
	Name  string `config:"name" flag:"name" arg:"NAME" help:"of this process in fairlead status, and of its entries in the state"`
	State string `config:"state" flag:"state" arg:"DIR" help:"where what outlives the process is"`
}

// What rooms listen at if nobody says where.
const (
	defaultEntries  = "127.0.0.1:7448"
	defaultMachines = "127.0.0.1:7447"
)

func defaultSettings() *settings {
	return &settings{
		Watch:   watchSettings{PinBytes: 4 << 30, PinFor: time.Hour},
		HTTP:    httpSettings{Listen: defaultHTTP},
		TCP:     tcpSettings{Listen: defaultEntries},
		Serve:   serveSettings{Listen: []string{defaultServe}, AtEnd: "close"},
		Stream:  streamSettings{Spool: "disk"},
		Ship:    shipSettings{Failover: ship.DefaultFailover},
		Receive: receiveSettings{Listen: defaultMachines, HighWater: 95, Mode: "0600"},
	}
}
