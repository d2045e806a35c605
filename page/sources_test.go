//go:build unix

package page_test

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// cell is the text of a cell in the row of a source.
func cell(source, name string) string {
	return fmt.Sprintf(`[...document.querySelectorAll('.source-item')].find((el) => el.querySelector('.link .name').textContent === %q)?.querySelector('.c-%s').innerText.trim()`, source, name)
}

func inRow(source, words string) string {
	return fmt.Sprintf(`[...[...document.querySelectorAll('.source-item')].find((el) => el.querySelector('.link .name').textContent === %q).querySelectorAll('.c-actions button')].find((el) => el.innerText.trim() === %q)`, source, words)
}

func TestSourcesSayHowEachFileDoes(t *testing.T) {
	h := newHost(t)
	h.write("quiet.log", "x")
	h.write("web/busy.log", numbered(0, 100)...)
	h.start()
	h.streamed("web/busy.log")
	b := visit(t, h, "?view=sources")
	b.until(cell("quiet.log", "size") + ` === '2 B'`)
	b.until(cell("busy.log", "size") + ` === '3.9 KiB'`)
	b.until(cell("busy.log", "behind") + ` === '-'`)
	b.until(cell("busy.log", "state") + ` === 'ok'`)
	old := h.log("web/busy.log").Generation
	b.until(cell("busy.log", "generation") + ` === ` + quoted(old[:8]))

	stop := make(chan struct{})
	done := make(chan struct{})
	go func() { // it grows for as long as somebody looks
		defer close(done)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for n := 100; ; n += 50 {
			select {
			case <-stop:
				return
			case <-tick.C:
				h.write("web/busy.log", numbered(n, n+50)...)
			}
		}
	}()
	b.until(`/ (B|KiB)\/s$/.test(` + cell("busy.log", "rate") + `)`)
	if got := eval[string](b, cell("quiet.log", "rate")); got != "-" {
		t.Errorf("the rate of a quiet file is %q, want -", got)
	}
	b.shot("sources")
	close(stop)
	<-done

	h.rotate("web/busy.log", "web/busy.log.1")
	h.write("web/busy.log", "anew")
	b.until(cell("busy.log", "size") + ` === '5 B'`)
	now := h.log("web/busy.log").Generation
	b.until(cell("busy.log", "generation") + ` === ` + quoted(now[:8]))
	b.click(`[...document.querySelectorAll('.source-item')].find((el) => el.textContent.includes('busy.log')).querySelector('.c-generation button')`)
	b.until(`[...document.querySelectorAll('.generations a')].some((a) => a.textContent === ` + quoted(old) + `)`)
	b.click(`[...document.querySelectorAll('.generations a')].find((a) => a.textContent === ` + quoted(old) + `)`)
	b.until(`document.body.dataset.view === 'file' && ` + drawn + `[0] === ` + quoted(line(0)))
}

func TestSourcesAreSortedFoundAndOpened(t *testing.T) {
	h := newHost(t)
	h.write("a.log", "1")
	h.write("b.log", numbered(0, 50)...)
	h.write("c.log", numbered(0, 10)...)
	h.start()
	b := visit(t, h, "?view=sources")
	names := `[...document.querySelectorAll('.source-item .link .name')].map((el) => el.textContent).join(' ')`
	b.until(names + ` === 'a.log b.log c.log'`)
	size := `[...document.querySelectorAll('.sort')].find((el) => el.textContent.startsWith('Size'))`
	b.click(size)
	b.until(names + ` === 'b.log c.log a.log'`)
	b.click(size)
	b.until(names + ` === 'a.log c.log b.log'`)
	b.key("/")
	b.fill(`.sources input[type=search]`, "B.LO")
	b.until(names + ` === 'b.log'`)
	b.key("\x1b")
	b.click(inRow("b.log", "Why"))
	b.until(`document.querySelector('.source-below')?.innerText.includes(` + quoted(h.path("b.log")) + `)`)
	b.shot("why")
	b.click(inRow("b.log", "Open"))
	b.until(`document.body.dataset.view === 'file'`)
	b.ends(line(49))
	b.run(`history.back()`)
	b.until(`document.body.dataset.view === 'sources'`)
	b.click(`document.querySelector('.source-item .link')`)
	b.until(`document.body.dataset.view === 'logs' && location.search.includes('b.log')`)
	b.ends(line(49))
}

func TestAFileThatCannotBeReadSaysWhyAndTheCure(t *testing.T) {
	h := newHost(t)
	if os.Getuid() == 0 { // who can read everything: somebody else has to look
		h.as = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		for _, dir := range []string{h.dir, h.state, h.run} {
			if err := os.Chown(dir, 65534, 65534); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(parent(h.dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	h.write("open.log", "one")
	h.write("secret.log", "two")
	if err := os.Chmod(h.path("secret.log"), 0); err != nil {
		t.Fatal(err)
	}
	h.start()
	b := visit(t, h, "?view=sources")
	b.until(cell("secret.log", "state") + ` === 'unreadable'`)
	b.until(cell("secret.log", "name") + `.includes('permission denied')`)
	b.until(cell("open.log", "state") + ` === 'ok'`)
	b.until(`document.querySelector('.problem')?.innerText.includes('secret.log')`)
	b.until(`document.querySelector('.problem .cure code').innerText.length > 5`)
	b.shot("unreadable")
	if err := os.Chmod(h.path("secret.log"), 0o644); err != nil {
		t.Fatal(err)
	}
	b.within(90*time.Second, cell("secret.log", "state")+` === 'ok'`)
	b.until(`document.querySelector('.problem') === null`)
}

func parent(dir string) string { return dir[:strings.LastIndexByte(dir, '/')] }
