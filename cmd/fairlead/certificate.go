package main

import (
	"crypto/tls"
	"strings"
	"sync/atomic"
)

// A certificate is what the listeners show, from two files that may be renewed
// while they listen.
type certificate struct {
	pair atomic.Pointer[tls.Certificate]
}

// loadCertificate loads what the settings name; nil without.
func loadCertificate(cert, key string) (*certificate, error) {
	if cert == "" && key == "" {
		return nil, nil
	}
	if cert == "" || key == "" {
		return nil, usagef("--tls-cert and --tls-key go together")
	}
	c := &certificate{}
	return c, c.load(cert, key)
}

// load reads the files. If they do not fit each other, what was is kept.
func (c *certificate) load(cert, key string) error {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return usagef("load the certificate %s with the key %s: %v", cert, key, strings.TrimPrefix(err.Error(), "tls: "))
	}
	c.pair.Store(&pair)
	return nil
}

func (c *certificate) config(room string) *tls.Config {
	cfg := &tls.Config{
		MinVersion:     tls.VersionTLS13,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.pair.Load(), nil },
	}
	if room == roomHTTP {
		cfg.NextProtos = []string{"h2", "http/1.1"}
	}
	return cfg
}
