//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// roles are what this program does as a helper. A role decodes its job, says ready where the
// harness has to wait for it, and encodes its result.
var roles = map[string]func(*json.Decoder, *json.Encoder) error{
	"bulk-clients":    bulkClients,
	"latency-clients": latencyClients,
	"idle-clients":    idleClients,
	"appender":        appender,
}

const ready = "ready"

// help is the whole life of a helper.
func help(role string, in io.Reader, out io.Writer) error {
	act, ok := roles[role]
	if !ok {
		return fmt.Errorf("unknown role %q", role)
	}
	if err := act(json.NewDecoder(in), json.NewEncoder(out)); err != nil {
		return fmt.Errorf("%s: %w", role, err)
	}
	return nil
}

// helper is this program in another process. Its stdin is kept open: the end of it is the word to stop.
type helper struct {
	role string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *json.Decoder
}

func startHelper(ctx context.Context, role string, job any) (*helper, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own program: %w", err)
	}
	h := &helper{role: role, cmd: exec.CommandContext(ctx, self, "as", role)}
	h.cmd.Stderr = os.Stderr
	if h.in, err = h.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	h.out = json.NewDecoder(out)
	if err := h.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	if err := json.NewEncoder(h.in).Encode(job); err != nil {
		h.stop()
		return nil, fmt.Errorf("give %s its job: %w", role, err)
	}
	return h, nil
}

// waitReady returns once the helper's clients are all being served.
func (h *helper) waitReady() error {
	var word string
	if err := h.out.Decode(&word); err != nil || word != ready {
		return fmt.Errorf("the %s did not become ready", h.role) // why is on stderr
	}
	return nil
}

func (h *helper) result(v any) error {
	if err := h.out.Decode(v); err != nil {
		return fmt.Errorf("the %s gave no result", h.role) // why is on stderr
	}
	return nil
}

// stop ends the helper, whatever it is doing, and waits for it.
func (h *helper) stop() {
	h.in.Close()
	h.cmd.Process.Kill()
	h.cmd.Wait()
}
