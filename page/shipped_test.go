//go:build unix

package page_test

import (
	"os"
	"os/exec"
	"path/filepath"
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

// What others ship here is among the sources: from whom, how it is, and live.
func TestSourcesHaveTheCopiesOfOthers(t *testing.T) {
	h := newHost(t, "--receive", "127.0.0.1:0")
	h.write("own.log", "x")
	h.start()
	addr := h.errs.find(t, `"machines":"([^"]+)"`, h.done)
	state, logs := t.TempDir(), t.TempDir()
	token := strings.TrimSpace(h.fairlead("invite", "-q", "--state", h.state, "--advertise", addr, "--name", "vault"))
	h.fairlead("join", token, "--name", "web1", "--state", state)
	there := func(name string, text ...string) {
		t.Helper()
		f, err := os.OpenFile(filepath.Join(logs, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(strings.Join(text, "\n") + "\n"); err != nil {
			t.Fatal(err)
		}
	}
	there("app.log", numbered(0, 100)...)
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	ship := exec.Command(path, "ship", logs, "--to", "vault", "--state", state)
	ship.Env = []string{"HOME=" + h.run, "XDG_RUNTIME_DIR=" + h.run}
	if err := ship.Start(); err != nil {
		t.Fatal(err)
	}
	end := func() { ship.Process.Kill(); ship.Wait() }
	t.Cleanup(end)
	b := visit(t, h, "?view=sources")
	b.until(cell("app.log", "shipped") + ` === 'from web1'`)
	b.until(cell("app.log", "state") + ` === 'ok'`)
	b.until(cell("app.log", "size") + ` === '3.9 KiB'`)
	b.until(cell("app.log", "behind") + ` === '-'`)
	if got := eval[int](b, `document.querySelectorAll('.c-shipped').length`); got != 1 {
		t.Errorf("%d sources are from somebody, want the copy alone", got)
	}
	old := eval[string](b, cell("app.log", "generation"))
	there("app.log", numbered(100, 200)...)
	b.until(cell("app.log", "size") + ` === '7.8 KiB'`)
	if err := os.Rename(filepath.Join(logs, "app.log"), filepath.Join(logs, "app.log.1")); err != nil {
		t.Fatal(err)
	}
	there("app.log", "anew")
	b.until(cell("app.log", "size") + ` === '5 B'`)
	b.until(cell("app.log", "generation") + ` !== ` + quoted(old))
	b.click(inRow("app.log", "Why"))
	b.until(`document.querySelector('.source-below')?.innerText.includes('web1')`)
	b.shot("copies")
	end() // whoever is gone, its copies are here
	b.until(cell("app.log", "shipped") + ` === 'from web1' && ` + cell("app.log", "state") + ` === 'ok'`)
	b.click(`[...document.querySelectorAll('.source-item')].find((el) => el.textContent.includes('app.log')).querySelector('.link')`)
	b.until(`document.body.innerText.includes('anew')`)
}
