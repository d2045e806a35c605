package main

import (
	"errors"
	"net"

	"fairlead/internal/config"
)

// settings is all that the configuration can say. Each section is of one room.
type settings struct {
	Watch watchSettings `config:"watch"`
	HTTP  httpSettings  `config:"http"`
	TCP   tcpSettings   `config:"tcp"`
	Serve serveSettings `config:"serve"`
}

type watchSettings struct {
	Targets []string `config:"targets" help:"files, globs and directories to watch"`
	Poll    bool     `config:"poll" flag:"poll" help:"look every second instead of waiting for events"`
}

type httpSettings struct {
	Listen  string `config:"listen" flag:"http" arg:"ADDR:PORT" help:"ADDR:PORT of HTTP, or off"`
	TLSCert string `config:"tls_cert" flag:"tls-cert" arg:"FILE" help:"certificate FILE (PEM, with its chain): TLS on every listener"`
	TLSKey  string `config:"tls_key" flag:"tls-key" arg:"FILE" help:"key FILE of the certificate"`
	Plain   bool   `config:"plain" flag:"plain" help:"allow listening off loopback without TLS"`
	Token   string `config:"token" secret:"true" help:"a token that may view"`
}

type tcpSettings struct {
	Listen string `config:"listen" flag:"tcp" arg:"ADDR:PORT" help:"ADDR:PORT of JSON lines"`
}

type serveSettings struct {
	Listen []string `config:"listen" flag:"listen" arg:"ADDR:PORT" help:"ADDR:PORT of the raw stream; may be repeated"`
}

func defaultSettings() *settings {
	return &settings{
		Watch: watchSettings{Targets: []string{"/var/log"}},
		HTTP:  httpSettings{Listen: defaultHTTP},
		TCP:   tcpSettings{Listen: "127.0.0.1:7448"},
		Serve: serveSettings{Listen: []string{defaultServe}},
	}
}

// check says what cannot be, although each key is well by itself. It opens
// nothing.
func (s *settings) check(l *config.Loaded) error {
	var errs []error
	taken := make(map[string]string) // port -> key
	port := func(key string, addrs ...string) {
		for _, addr := range addrs {
			_, port, err := net.SplitHostPort(addr)
			other := taken[port]
			switch {
			case err != nil || port == "0":
			case other != "":
				errs = append(errs, l.Errorf(key, "port %s is also that of %s (%s)", port, other, l.Origin(other).Text))
			default:
				taken[port] = key
			}
		}
	}
	port("http.listen", s.HTTP.Listen)
	port("tcp.listen", s.TCP.Listen)
	port("serve.listen", s.Serve.Listen...)
	return errors.Join(errs...)
}
