//go:build unix

package page_test

import (
	"os/exec"
	"strings"
	"testing"
	"time"
)

// fairlead runs the program beside the host, and returns its stdout.
func (h *host) fairlead(args ...string) string {
	h.t.Helper()
	path, err := program()
	if err != nil {
		h.t.Fatal(err)
	}
	cmd := exec.CommandContext(h.t.Context(), path, args...)
	cmd.Env = []string{"HOME=" + h.run, "XDG_RUNTIME_DIR=" + h.run, "XDG_STATE_HOME=" + h.run}
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		h.t.Fatalf("fairlead %q: %v\n%s", args, err, errs.String())
	}
	return string(out)
}

// receiver starts a process that h can ship to, and returns the name of that.
func (h *host) receiver() (name string, end func()) {
	h.t.Helper()
	path, err := program()
	if err != nil {
		h.t.Fatal(err)
	}
	state := h.t.TempDir()
	cmd := exec.Command(path, "receive", "--state", state, "--listen", "127.0.0.1:0")
	cmd.Env = []string{"HOME=" + h.run, "XDG_RUNTIME_DIR=" + h.run}
	var errs output
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	end = func() {
		cmd.Process.Kill()
		cmd.Wait()
	}
	h.t.Cleanup(end)
	addr := ""
	for limit := time.After(20 * time.Second); addr == ""; {
		select {
		case <-limit:
			h.t.Fatalf("the receiver does not listen: %s", errs.String())
		case <-time.After(10 * time.Millisecond):
		}
		if _, text, ok := strings.Cut(errs.String(), `"127.0.0.1:`); ok {
			addr = "127.0.0.1:" + text[:strings.IndexByte(text, '"')]
		}
	}
	token := strings.TrimSpace(h.fairlead("invite", "-q", "--state", state, "--advertise", addr))
	h.fairlead("join", token, "--name", "web1", "--state", h.state)
	for line := range strings.Lines(h.fairlead("key", "list", "--state", h.state)) {
		if f := strings.Fields(line); len(f) > 1 && f[1] == "receive" {
			return f[0], end
		}
	}
	h.t.Fatal("no receiver is known")
	return "", nil
}

// The sources say how far each receiver is, and why one is not there.
func TestSourcesSayHowFarTheyAreShipped(t *testing.T) {
	h := newHost(t)
	h.write("a.log", numbered(0, 100)...)
	h.write("b.log", "x")
	vault, end := h.receiver()
	h.flags = []string{"--to", vault}
	h.start()
	h.streamed("a.log")
	b := visit(t, h, "?view=sources")
	b.until(cell("a.log", "shipped") + ` === ` + quoted("to "+vault+": 3.9 KiB acknowledged"))
	b.shot("shipped")
	b.click(inRow("a.log", "Why"))
	b.until(`document.querySelector('.source-below')?.innerText.includes('acknowledged')`)
	end()
	h.write("a.log", numbered(100, 5000)...)
	b.within(60*time.Second, `/acknowledged, .* behind for .*refused/s.test(`+cell("a.log", "shipped")+`)`)
	b.shot("disconnected")
	b.until(`document.querySelector('.problem')?.innerText.includes('not connected')`)
	rows := `[...document.querySelectorAll('.source-item')].map((el) => el.getBoundingClientRect())`
	b.until(rows + `.every((r, i, all) => i === 0 || r.top >= all[i - 1].bottom - 0.5)`)
	for scheme, width := range map[string]int64{"light": 390, "dark": 1400} {
		narrow := visit(t, h, "?view=sources", prefers(scheme), size(width, 700))
		narrow.until(cell("a.log", "shipped") + `?.includes('refused')`)
		narrow.until(`document.documentElement.scrollWidth <= innerWidth`)
		narrow.shot(scheme)
	}
}
