//go:build unix

package page_test

import (
	"fmt"
	"strings"
	"testing"
)

// climb scrolls up until there is nothing more above, and returns all texts from
// the top of the list to its end, as somebody who scrolls sees them.
func climb(b *tab, end string) []string {
	b.t.Helper()
	b.key("g")
	b.until(`(() => {
		const list = ` + lines + `;
		if (list.scrollTop > 0 && document.querySelector('.notice')?.checkVisibility() !== true) list.scrollTop = 0;
		return ` + end + ` || (list.scrollTop = 0, false);
	})()`)
	return eval[[]string](b, `(async () => {
		const list = `+lines+`, seen = new Map();
		const wait = () => new Promise((done) => setTimeout(() => requestAnimationFrame(done), 0));
		list.scrollTop = 0;
		for (let i = 0; i < 4000; i++) {
			await wait(); await wait();
			for (const row of `+rows+`) {
				const m = row.querySelector('.message').cloneNode(true);
				for (const el of m.querySelectorAll('.chips, .tag')) el.remove();
				seen.set(row.dataset.at, m.textContent);
			}
			if (list.scrollTop + list.clientHeight >= list.scrollHeight - 2) break;
			list.scrollTop += list.clientHeight;
		}
		return [...seen.values()];
	})()`)
}

// seek scrolls from the top of the list down until there is an element, if there
// is one.
func (b *tab) seek(selector string) bool {
	b.t.Helper()
	return eval[bool](b, `(async () => {
		const list = `+lines+`;
		list.scrollTop = 0;
		for (let i = 0; i < 4000; i++) {
			await new Promise((done) => setTimeout(() => requestAnimationFrame(done), 0));
			await new Promise((done) => setTimeout(() => requestAnimationFrame(done), 0));
			if (document.querySelector(`+quoted(selector)+`)) return true;
			if (list.scrollTop + list.clientHeight >= list.scrollHeight - 2) return false;
			list.scrollTop += list.clientHeight;
		}
		return false;
	})()`)
}

func sameLines(t *testing.T, what string, got, want []string) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("%s: line %d is %q, want %q", what, i, got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s: %d lines, want %d", what, len(got), len(want))
	}
}

func TestOlderLinesOfOneSourceToTheFirstByte(t *testing.T) {
	h := newHost(t, "--from", "end") // nothing of it is in the stream
	h.write("a.log", numbered(0, 1500)...)
	h.start()
	h.rotate("a.log", "a.log.1")
	h.write("a.log", numbered(1500, 1900)...)
	h.streamed("a.log")
	until(t, "the older generation is known", func() bool { return len(h.log("a.log").Older) == 1 })
	b := visit(t, h, "?source="+h.path("a.log")).live()
	b.ends(line(1899))
	got := climb(b, `/Nothing older/.test(document.querySelector('.notice')?.textContent)`)
	sameLines(t, "scrolled up to the start", got, numbered(0, 1900))
	if at := eval[string](b, `(async () => { `+lines+`.scrollTop = 0; await new Promise((d) => setTimeout(d, 200)); return `+rows+`[0].dataset.at; })()`); !strings.HasSuffix(at, ":0") {
		t.Errorf("the first row is at %s, want byte 0", at)
	}
}

func TestOlderLinesOfSeveralSources(t *testing.T) {
	h := newHost(t, "--from", "start")
	var want []string
	for i := range 2600 {
		text := fmt.Sprintf("number %05d", i)
		h.write([]string{"a.log", "b.log", "c.log"}[i%3], entry(i, "info", text))
		want = append(want, text)
	}
	h.start()
	for _, name := range []string{"a.log", "b.log", "c.log"} {
		h.streamed(name)
	}
	b := visit(t, h, "").live()
	b.until(drawn + `.length > 10`)
	got := climb(b, `/The stream begins here/.test(document.querySelector('.notice')?.textContent)`)
	if len(got) != len(want) {
		t.Fatalf("scrolled up to the start: %d lines, want %d", len(got), len(want))
	}
	seen := make(map[string]bool)
	for _, text := range got {
		seen[text] = true
	}
	for _, text := range want {
		if !seen[text] {
			t.Errorf("scrolled up to the start: %q is not there", text)
		}
	}
	// From there each file can be opened.
	b.run(lines + `.scrollTop = 0`)
	b.click(`[...document.querySelectorAll('.notice button')].find((el) => el.textContent === 'b.log')`)
	b.until(`document.body.dataset.view === 'file' && document.querySelector('.file-name').textContent.endsWith('b.log')`)
}

// lagging shows the first ten lines of a host to a browser, and takes it away
// while 2,000 come, of which the stream keeps few.
func lagging(t *testing.T) (h *host, d *door, b *tab) {
	t.Helper()
	h = newHost(t, "--budget", "65536")
	h.write("a.log", numbered(0, 10)...)
	h.start()
	d = newDoor(t, h)
	p := newPerson(t)
	p.forgive = true
	b = p.open(d.url).live()
	b.ends(line(9))
	d.close()
	b.until(`document.body.dataset.connection === 'lost'`)
	b.until(`/Disconnected for \d+ s/.test(document.querySelector('.banner.bad').innerText)`)
	b.shot("lost")
	for n := 10; n < 2010; n += 500 {
		h.write("a.log", numbered(n, n+500)...)
		h.streamed("a.log")
	}
	return h, d, b
}

// back lets a browser come back, until the last line, and goes to the row of what
// it missed.
func (b *tab) back(d *door, last int) {
	b.t.Helper()
	d.open()
	b.click(button("Try now"))
	b.live()
	b.ends(line(last))
	b.key("g")
	b.until(`(` + lines + `.scrollTop = 0, document.querySelector('.notice.gap button'))`)
}

func TestAGapIsARowThatLoadsWhatIsMissing(t *testing.T) {
	h, d, b := lagging(t)
	b.back(d, 2009)
	gap := eval[string](b, `document.querySelector('.notice.gap').innerText`)
	if !strings.Contains(gap, "Missing: a.log bytes") || !strings.Contains(gap, h.log("a.log").Generation[:8]) {
		t.Errorf("the gap says %q, want the file, the bytes and the generation", gap)
	}
	b.shot("gap")
	for range 30 { // it is loaded a page at a time; what is sought may be drawn anew before it is clicked
		if !b.seek(`.notice.gap button`) {
			break
		}
		b.run(`document.querySelector('.notice.gap button')?.click()`)
		b.until(`!document.querySelector('.notice.gap button')?.disabled`)
	}
	b.key("G")
	b.ends(line(2009))
	got := climb(b, rows+`[0]?.dataset.at.endsWith(':0')`)
	sameLines(t, "with the gap loaded", got, numbered(0, 2010))
}

func TestAGapWhoseFileIsGoneSaysSince(t *testing.T) {
	h, d, b := lagging(t)
	gen := h.log("a.log").Generation
	h.kill() // a file that it has open lives on
	h.rotate("a.log", "")
	h.write("a.log", line(2010))
	h.start()
	h.forget("a.log", gen)
	h.streamed("a.log")
	b.back(d, 2010)
	b.click(`document.querySelector('.notice.gap button')`)
	b.until(`/gone/.test(document.querySelector('.notice.gap').innerText)`)
	if got := eval[string](b, `document.querySelector('.notice.gap').innerText`); !strings.Contains(got, "gone since 20") {
		t.Errorf("the gap of a file that was deleted says %q, want since when it is gone", got)
	}
}
