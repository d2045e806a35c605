//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// plain is Fairlead as logship was: no TLS, no keys, no proof. With --once the sender asks for the
// length of the copy when all was sent; what the receiver tells is durable.
type plain struct{ path string }

func (p plain) way() way {
	return way{name: fairleadPlain, single: true, receive: p.receive, send: p.send, finish: senderEnds, copyOf: p.copyOf}
}

func (p plain) receive(_ context.Context, t trip) ([]string, error) {
	if err := os.WriteFile(t.config(), nil, 0o600); err != nil {
		return nil, fmt.Errorf("make configuration: %w", err)
	}
	return []string{p.path, "receive", "--config", t.config(), "--state", t.receiverState(), "--listen", t.addr()}, nil
}

func (p plain) send(_ context.Context, t trip) ([]string, error) {
	return []string{p.path, "ship", t.source, "--plain", "--once", "--to", t.addr(), "--config", t.config(), "--state", t.senderState()}, nil
}

func (p plain) copyOf(t trip, file string) string {
	return filepath.Join(t.receiverState(), "received", "_plain", "127.0.0.1_"+filepath.Base(file))
}
