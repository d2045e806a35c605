//go:build unix

package page_test

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
)

// permalink is the address of a line of a log.
func (h *host) permalink(name, gen string, off int) string {
	return fmt.Sprintf("%s#%s@%s:%d", h.url, h.path(name), gen, off)
}

const (
	// asked is the line that a permalink asks for.
	asked    = `document.querySelector('#file .row.target .message')?.textContent`
	inSight  = `(() => { const r = document.querySelector('.row.target').getBoundingClientRect(); return r.top > 60 && r.bottom < innerHeight; })()`
	fileEnds = `document.querySelector('.file-where').textContent.includes('100 %')`
)

func TestAPermalinkIsFoundAgainAfterRotation(t *testing.T) {
	h := newHost(t)
	h.write("a.log", numbered(0, 1000)...)
	h.start()
	h.streamed("a.log")
	gen, off := h.log("a.log").Generation, 500*len(line(0)+"\n")
	link := h.permalink("a.log", gen, off)
	b := newPerson(t).open(link)
	b.until(asked + ` === ` + quoted(line(500)))
	b.until(inSight)
	b.shot("permalink")

	h.rotate("a.log", "a.log.1")
	h.write("a.log", "of the next generation")
	until(t, "the rotated generation is known", func() bool { return len(h.log("a.log").Older) == 1 })
	b = newPerson(t).open(link)
	b.until(asked + ` === ` + quoted(line(500)))
	b.until(inSight)

	h.kill() // a file that it has open lives on
	h.rotate("a.log.1", "")
	h.start()
	h.forget("a.log", gen)
	link = h.permalink("a.log", gen, off)
	p := newPerson(t)
	p.forgive = true // 410 is said in the console, too
	b = p.open(link)
	b.until(`/This line is gone/.test(document.querySelector('.file-notice').innerText)`)
	if got := eval[string](b, `document.querySelector('.file-notice').innerText`); !strings.Contains(got, "last byte was written 20") || !strings.Contains(got, gen[:8]) || !strings.Contains(got, h.path("a.log")) {
		t.Errorf("of a line that is gone is said %q, want file, generation and date", got)
	}
	b.shot("gone")
	b.click(button("Open a.log as it is now"))
	b.until(drawn + `.at(-1) === 'of the next generation'`)
}

func TestAPermalinkToNothing(t *testing.T) {
	h := newHost(t)
	h.write("a/x.log", "one")
	h.write("b/x.log", "two")
	h.start()
	p := newPerson(t)
	p.forgive = true
	b := p.open(h.url + "#x.log@0123456789abcdef0123456789abcdef:0")
	b.until(`document.querySelectorAll('.candidates button').length === 2`)
	b = p.open(h.url + "#/no/such.log")
	b.until(`/no such file/i.test(document.querySelector('.file-notice').innerText)`)
	b.click(button("Back to the live view"))
	b.live()
	b.count(2)
}

func TestTheContextOfAMatchAndBack(t *testing.T) {
	h := up(t, "a.log", append(append(numbered(0, 400), "the needle"), numbered(400, 800)...)...)
	b := visit(t, h, "?q=needle").live()
	b.shows("the needle")
	b.key("j")
	b.until(`document.querySelector('.row.current') !== null`)
	b.key("c")
	b.until(asked + ` === 'the needle'`)
	b.until(inSight)
	around := b.texts()
	for _, want := range []string{line(399), line(400)} {
		if !strings.Contains(strings.Join(around, "\n"), want) {
			t.Errorf("%q is not around the match: %q", want, around)
		}
	}
	b.shot("context")
	b.key(kb.Escape)
	b.until(`document.body.dataset.view === 'logs'`)
	b.shows("the needle")
	b.run(`history.back()`)
	b.until(asked + ` === 'the needle'`)
}

// A file of which nobody waits for the whole: 300 MB of lines.
func TestALargeFileIsOpenedAnywhere(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 300 MB")
	}
	h := newHost(t, "--from", "end")
	n := large(t, h.path("big.log"), 300<<20)
	h.start()
	b := visit(t, h, "?view=sources")
	b.click(button("Open"))
	b.until(fileEnds)
	b.ends(line(n - 1))
	last := line(n - 1)
	// The bar beside it leads to any byte.
	place := func(part float64) {
		t.Helper()
		at := eval[[]float64](b, fmt.Sprintf(`(() => { const r = document.querySelector('.bytebar').getBoundingClientRect(); return [r.left + r.width / 2, r.top + r.height * %f]; })()`, part))
		b.do("click the byte bar", clickAt(at[0], at[1]))
		from := `Number(document.querySelector('.bytebar').getAttribute('aria-valuenow')) / Number(document.querySelector('.bytebar').getAttribute('aria-valuemax'))`
		b.until(fmt.Sprintf(`Math.abs(%s - %f) < 0.01`, from, part))
	}
	for _, part := range []float64{0.5, 0.1, 0.9} {
		place(part)
		first := eval[string](b, drawn+`.find((text) => text.startsWith('line'))`)
		var got int
		fmt.Sscanf(first, "line %d", &got)
		if off := float64(got) / float64(n); off < part-0.01 || off > part+0.01 {
			t.Errorf("at %.0f %% of the file the first row is line %d of %d", part*100, got, n)
		}
	}
	b.shot("middle")
	// By keys: start, end, and a step.
	b.key("g")
	b.until(drawn + `[0] === ` + quoted(line(0)))
	b.run(`document.querySelector('.bytebar').focus()`)
	b.key(kb.PageDown)
	b.until(`Number(document.querySelector('.bytebar').getAttribute('aria-valuenow')) > 1000000`)
	b.key("G")
	b.ends(last)
	// At the end it joins what comes.
	h.write("big.log", "and one more")
	b.ends("and one more")
	// Scrolling loads what is around.
	b.key("g")
	b.until(drawn + `[0] === ` + quoted(line(0)))
	b.until(`(` + lines + `.scrollTop += 2000, ` + drawn + `.some((text) => Number(text.slice(5, 11)) > 2000))`)
}

// large writes a file of so many bytes, of lines that are numbered, and returns how
// many there are.
func large(t *testing.T, path string, size int) (n int) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	for written := 0; written < size; n++ {
		k, err := fmt.Fprintf(w, "line %06d of many that all look alike\n", n)
		if err != nil {
			t.Fatal(err)
		}
		written += k
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return n
}

// 50 GB of which most was never written: opening must not read it.
func TestAHugeFileIsOpenedAtOnce(t *testing.T) {
	h := newHost(t, "--from", "end")
	const huge = 50 << 30
	h.write("huge.log", numbered(0, 1000)...)
	if err := os.Truncate(h.path("huge.log"), huge); err != nil {
		t.Skipf("needs sparse files: %v", err)
	}
	h.append("huge.log", "\n"+strings.Join(numbered(1000, 1200), "\n")+"\n")
	h.start()
	b := newPerson(t).newTab()
	b.open(h.url)
	b.live()
	began := time.Now()
	b.open(h.url + "#" + h.path("huge.log"))
	b.ends(line(1199))
	b.until(fileEnds)
	t.Logf("50 GB are open at their end after %v", time.Since(began))
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("opening a file of 50 GB took %v, want less than 2 s on an idle machine and 10 s on any", took)
	}
	began = time.Now()
	b.key("g")
	b.until(drawn + `[0] === ` + quoted(line(0)))
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("to its start took %v, want less than 10 s", took)
	}
	if got := eval[string](b, `document.querySelector('.bytebar').getAttribute('aria-valuemax')`); len(got) != len("53687091200") {
		t.Errorf("the byte bar ends at %s, want 50 GiB and a bit", got)
	}
	b.shot("huge")
}

func TestOlderGenerationsOfAFile(t *testing.T) {
	h := up(t, "a.log", "of the first")
	h.streamed("a.log")
	h.rotate("a.log", "a.log.1")
	h.write("a.log", "of the second")
	h.streamed("a.log")
	until(t, "the older generation is known", func() bool { return len(h.log("a.log").Older) == 1 })
	b := newPerson(t).open(h.url + "#" + h.path("a.log"))
	b.shows("of the second")
	b.until(`document.querySelectorAll('select[aria-label="Generation"] option').length === 2`)
	b.run(`(() => { const el = document.querySelector('select[aria-label="Generation"]'); el.value = ` + quoted(h.log("a.log").Older[0].Generation) + `; el.dispatchEvent(new Event('change', { bubbles: true })); })()`)
	b.shows("of the first")
}

func TestFindingInAFile(t *testing.T) {
	text := numbered(0, 5000)
	text[100], text[4000] = "needle one", "needle two"
	h := newHost(t, "--from", "end")
	h.write("a.log", text...)
	h.start()
	b := newPerson(t).open(h.url + "#" + h.path("a.log"))
	b.ends(line(4999))
	b.key("f")
	b.fill(`input[aria-label^="Find in this file"]`, "needle")
	b.key(kb.Escape)
	for _, step := range []struct{ key, want string }{{"N", "needle two"}, {"N", "needle one"}, {"n", "needle two"}} {
		b.key(step.key)
		b.until(`document.querySelector('#file .row.current .message')?.textContent === ` + quoted(step.want))
	}
}
