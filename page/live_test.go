//go:build unix

package page_test

import (
	"fmt"
	"testing"
	"time"
)

// entry is a line of JSON at a second of a day long ago.
func entry(second int, level, message string, fields ...string) string {
	line := fmt.Sprintf(`{"time":%q,"level":%q,"msg":%q`, time.Unix(1767348000+int64(second), 0).UTC().Format(time.RFC3339), level, message)
	for i := 0; i+1 < len(fields); i += 2 {
		line += fmt.Sprintf(`,%q:%q`, fields[i], fields[i+1])
	}
	return line + "}"
}

// numbered are lines with numbers from..to-1 in them.
func numbered(from, to int) (all []string) {
	for i := from; i < to; i++ {
		all = append(all, fmt.Sprintf("line %06d of many that all look alike", i))
	}
	return all
}

func line(n int) string { return numbered(n, n+1)[0] }

func TestLinesOfSeveralSourcesComeInOrder(t *testing.T) {
	h := newHost(t)
	h.write("web.log", entry(0, "info", "one"), entry(3, "info", "four"))
	h.write("db/main.log", entry(1, "info", "two"), entry(4, "info", "five"))
	h.write("cron.log", entry(2, "info", "three"))
	b := visit(t, h.start(), "").live()
	b.shows("one", "two", "three", "four", "five")
	want := []string{"one", "two", "three", "four", "five"}
	for i, name := range []string{"cron.log", "db/main.log", "web.log", "new.log", "cron.log"} {
		text := fmt.Sprintf("live %d", i)
		h.write(name, entry(10+i, "info", text))
		want = append(want, text)
		b.shows(want...)
	}
	h.rotate("web.log", "web.log.1")
	h.write("web.log", entry(20, "info", "after rotation"))
	b.shows(append(want, "after rotation")...)
	b.until(`document.querySelector('.divider.rotate')?.textContent.includes('web.log')`)
	if got := eval[string](b, row("two")+`.querySelector('.source').textContent`); got != "main.log" {
		t.Errorf("the source of a line of db/main.log is shown as %q, want %q", got, "main.log")
	}
	b.shot("lines")
}

func TestFirstLinesAreThereAtOnce(t *testing.T) {
	h := up(t, "a.log", numbered(0, 2000)...)
	h.streamed("a.log")
	b := newPerson(t).open(h.url)
	b.until(rows + `.length > 10`)
	took := eval[float64](b, `performance.now()`)
	t.Logf("lines are there %.0f ms after navigation, of which one look is up to 20 ms", took)
	if took > 10_000 {
		t.Errorf("the first lines came %.0f ms after navigation, want less than 1,000 on an idle machine and 10,000 on any", took)
	}
}

// tops are where the rows in sight are drawn, by their place in the file.
const tops = `JSON.stringify(` + rows + `.map((r) => [r.dataset.at, Math.round(r.getBoundingClientRect().top)]).filter(([, y]) => y > 0 && y < innerHeight))`

func TestPausedNothingMovesUnderTheEye(t *testing.T) {
	h := up(t, "a.log", numbered(0, 300)...)
	for _, by := range []string{"key", "button", "wheel"} {
		t.Run(by, func(t *testing.T) {
			b := visit(t, h, "").live()
			last := eval[int](b, `(async () => { await `+await(rows+`.length > 20`, patience)+`; return Number(/line (\d+)/.exec(`+drawn+`.at(-1))[1]); })()`)
			switch by {
			case "key":
				b.key(" ")
			case "button":
				b.click(button("Pause"))
			case "wheel":
				b.until(fmt.Sprintf(`%s.scrollTop > 1000`, lines))
				b.wheel(-400)
			}
			b.until(`document.body.dataset.following === 'false'`)
			b.until(`document.querySelector('.pill')?.innerText.includes('Paused')`)
			b.run(`new Promise((done) => setTimeout(done, 300))`) // a smooth scroll ends
			seen := eval[string](b, tops)
			h.write("a.log", numbered(last+1, last+1001)...)
			b.until(`document.querySelector('.pill').innerText.includes('1,000 new lines')`)
			if now := eval[string](b, tops); now != seen {
				t.Errorf("rows moved while paused:\n%s\n%s", seen, now)
			}
			if by == "key" {
				b.key("G")
			} else {
				b.click(`document.querySelector('.pill')`)
			}
			b.until(`document.body.dataset.following === 'true'`)
			b.ends(line(last + 1000))
			b.until(`!document.querySelector('.pill')?.checkVisibility()`)
			h.write("a.log", line(last+1001))
			b.ends(line(last + 1001))
		})
	}
}

// Of what comes while nobody wants to see it, some is let go in the end: a row
// says so, and has it loaded.
func TestPausedForLong(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 30,000 lines")
	}
	h := up(t, "a.log", numbered(0, 50)...)
	b := visit(t, h, "").live()
	b.ends(line(49))
	b.key(" ")
	b.until(`document.body.dataset.following === 'false'`)
	for n := 5000; n <= 30_000; n += 5000 { // a burst could be more than a tab can take
		h.write("a.log", numbered(n-4950, n+50)...)
		b.until(fmt.Sprintf(`document.querySelector('.pill').innerText.includes('%d,000 new lines')`, n/1000))
	}
	b.key("G")
	b.ends(line(30_049))
	b.key("g")
	b.until(`/lines? went by while you were paused/.test(document.querySelector('.notice')?.innerText)`)
	first := eval[string](b, drawn+`[0]`)
	b.click(`document.querySelector('.notice button')`)
	b.until(drawn + `[0] < ` + quoted(first)) // they have as many digits
}
