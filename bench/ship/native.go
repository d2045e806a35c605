//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"fairlead/bench/measure"
)

// native is Fairlead by its own protocol: TLS with keys that both ends know, and proof.
type native struct{ path string }

func (n native) way() way {
	return way{name: measure.Fairlead, follows: true, receive: n.receive, send: n.send, finish: senderEnds, copyOf: n.copyOf}
}

// throughUp is the same with a receiver that serves what it has received.
func (n native) throughUp() way {
	w := n.way()
	w.receive = n.up
	return w
}

// What both ends call each other.
const (
	senderName   = "bench"
	receiverName = "vault"
)

func (t trip) senderState() string   { return filepath.Join(t.work, senderName) }
func (t trip) config() string        { return filepath.Join(t.work, "fairlead.toml") }
func (t trip) receiverState() string { return filepath.Join(t.work, receiverName) }

func (n native) receive(ctx context.Context, t trip) ([]string, error) {
	return []string{n.path, "receive", "--config", t.config(), "--state", t.receiverState(), "--listen", t.addr()}, n.introduce(ctx, t)
}

func (n native) up(ctx context.Context, t trip) ([]string, error) {
	nothing, err := t.made("nothing") // it has to watch something
	if err != nil {
		return nil, err
	}
	return []string{n.path, "up", nothing, "--config", t.config(), "--state", t.receiverState(), "--receive", t.addr(),
		"--serve", loopback(t.serves), "--http", "off"}, n.introduce(ctx, t)
}

func (n native) send(_ context.Context, t trip) ([]string, error) {
	argv := []string{n.path, "ship", t.source, "--to", receiverName, "--config", t.config(), "--state", t.senderState()}
	if t.once {
		argv = append(argv, "--once")
	}
	return argv, nil
}

func (n native) copyOf(t trip, file string) string {
	return filepath.Join(t.receiverState(), "received", senderName, file)
}

// served is the name under which the receiver serves the copy of a file.
func served(file string) string { return senderName + ":" + file }

// introduce makes the keys of both, and each trusts the other's. Their configuration is empty: this
// machine's own is not to be measured.
func (n native) introduce(ctx context.Context, t trip) error {
	if err := os.WriteFile(t.config(), nil, 0o600); err != nil {
		return fmt.Errorf("make configuration: %w", err)
	}
	sender, err := n.key(ctx, t.senderState())
	if err != nil {
		return err
	}
	receiver, err := n.key(ctx, t.receiverState())
	if err != nil {
		return err
	}
	for _, args := range [][]string{
		{senderName, sender, "--role", "send", "--state", t.receiverState()},
		{receiverName, receiver, "--role", "receive", "--addr", t.addr(), "--state", t.senderState()},
	} {
		if err := measure.RunQuietly(exec.CommandContext(ctx, n.path, append([]string{"key", "add"}, args...)...)); err != nil {
			return err
		}
	}
	return nil
}

func (n native) key(ctx context.Context, state string) (string, error) {
	out, err := exec.CommandContext(ctx, n.path, "key", "-o", "json", "--state", state).Output()
	if err != nil {
		return "", fmt.Errorf("make a key: %w", err)
	}
	var made struct{ Key string }
	if err := json.Unmarshal(out, &made); err != nil {
		return "", fmt.Errorf("read the key: %w", err)
	}
	return made.Key, nil
}
