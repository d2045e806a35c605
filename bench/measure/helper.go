//go:build linux

package measure

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// Ready is the word of a helper whose clients are all being served.
const Ready = "ready"

// Helper is this program in another process. Its stdin is kept open: the end of it is the word to stop.
type Helper struct {
	role string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *json.Decoder
}

// StartHelper starts this program in a role and gives it its job.
func StartHelper(ctx context.Context, role string, job any) (*Helper, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own program: %w", err)
	}
	h := &Helper{role: role, cmd: exec.CommandContext(ctx, self, "as", role)}
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
		h.Stop()
		return nil, fmt.Errorf("give %s its job: %w", role, err)
	}
	return h, nil
}

// WaitReady returns once the helper's clients are all being served.
func (h *Helper) WaitReady() error {
	var word string
	if err := h.out.Decode(&word); err != nil || word != Ready {
		return fmt.Errorf("the %s did not become ready", h.role) // why is on stderr
	}
	return nil
}

// Tell gives the helper more to go on with.
func (h *Helper) Tell(v any) error {
	if err := json.NewEncoder(h.in).Encode(v); err != nil {
		return fmt.Errorf("tell %s: %w", h.role, err)
	}
	return nil
}

// Result decodes what the helper found.
func (h *Helper) Result(v any) error {
	if err := h.out.Decode(v); err != nil {
		return fmt.Errorf("the %s gave no result", h.role) // why is on stderr
	}
	return nil
}

// Stop ends the helper, whatever it is doing, and waits for it.
func (h *Helper) Stop() {
	h.in.Close()
	h.cmd.Process.Kill()
	h.cmd.Wait()
}
