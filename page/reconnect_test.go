//go:build unix

package page_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdpage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// all are the numbers of all lines in the list, from its first to its last row.
func all(b *tab) []string {
	b.t.Helper()
	return climb(b, `/The stream begins here|Nothing older/.test(document.querySelector('.notice')?.textContent)`)
}

// A writer goes on while the server is killed and started again, and the browser
// has to come back each time: every line is there, and none twice.
func TestNothingIsLostOrDoubledWhenTheServerIsKilled(t *testing.T) {
	h := newHost(t)
	h.write("a.log", numbered(0, 100)...)
	h.start()
	p := newPerson(t)
	p.forgive = true
	b := p.open(h.url).live()
	b.ends(line(99))
	n := 100
	for round := range 3 {
		for range 5 {
			h.write("a.log", numbered(n, n+20)...)
			n += 20
		}
		h.kill()
		h.write("a.log", numbered(n, n+50)...)
		n += 50
		b.until(`document.body.dataset.connection === 'lost'`)
		if round == 0 {
			banner := `document.querySelector('.banner.bad').innerText`
			b.until(`document.querySelector('.banner.bad').checkVisibility()`)
			b.until(`/Disconnected for \d+ s: .+/.test(` + banner + `)`)
			before := eval[string](b, banner)
			b.until(banner + ` !== ` + quoted(before)) // it counts
		}
		h.start()
		h.write("a.log", numbered(n, n+30)...)
		n += 30
		b.run(`document.querySelector('.banner.bad button')?.click()`)
		b.live()
		b.ends(line(n - 1))
		b.until(`!document.querySelector('.banner.bad')?.checkVisibility()`)
	}
	sameLines(t, "after three restarts", all(b), numbered(0, n))
	if eval[bool](b, `!!document.querySelector('.notice.gap')`) {
		t.Errorf("a gap is shown although nothing is missing")
	}
}

// A tab that comes back after the machine slept finds a connection that says
// nothing any more. The clock has gone on meanwhile.
func TestAStalledConnectionIsNoticed(t *testing.T) {
	h := up(t, "a.log", numbered(0, 10)...)
	d := newDoor(t, h)
	p := newPerson(t)
	p.forgive = true
	b := p.open(d.url, withoutWorker, before(`window.slept = 0; const now = Date.now; Date.now = () => now() + window.slept`)).live()
	b.ends(line(9))
	d.hold()
	h.write("a.log", numbered(10, 20)...)
	if os.Getenv("FAIRLEAD_NIGHT") == "" {
		b.run(`window.slept = 80000`)
	}
	b.within(3*time.Minute, `document.body.dataset.connection === 'lost'`)
	if got := eval[string](b, `document.querySelector('.banner.bad').innerText`); !strings.Contains(got, "nothing came from the server for too long") {
		t.Errorf("the banner says %q, want why", got)
	}
	d.open()
	b.run(`document.querySelector('.banner.bad button')?.click()`)
	b.live()
	b.ends(line(19))
	sameLines(t, "after the stall", all(b), numbered(0, 20))
}

func TestTenTabsShareOneConnection(t *testing.T) {
	h := up(t, "a.log", numbered(0, 10)...)
	d := newDoor(t, h)
	p := newPerson(t)
	var tabs []*tab
	for range 10 {
		tabs = append(tabs, p.open(d.url))
	}
	for _, b := range tabs {
		b.live()
		b.ends(line(9))
	}
	h.write("a.log", line(10))
	for _, b := range tabs {
		b.ends(line(10))
	}
	if n := h.streams(); n != 1 {
		t.Errorf("ten tabs have %d streams, want 1", n)
	}
	if n := d.streams.Load(); n != 1 {
		t.Errorf("ten tabs asked for %d streams, want 1", n)
	}
	// A tab that joins late has what the others have.
	late := p.open(d.url)
	late.ends(line(10))
	// They filter apart from each other.
	tabs[0].fill("input.include", "000003")
	tabs[0].shows(line(3))
	tabs[1].ends(line(10))
	for _, b := range append(tabs, late)[1:] {
		b.close()
	}
	h.write("a.log", "line 000003 again")
	tabs[0].shows(line(3), "line 000003 again")
	tabs[0].close()
	until(t, "the stream ends with the last tab", func() bool { return h.streams() == 0 })
}

func TestWithoutSharedWorker(t *testing.T) {
	h := up(t, "a.log", numbered(0, 10)...)
	p := newPerson(t)
	b := p.open(h.url, withoutWorker).live()
	b.ends(line(9))
	if eval[bool](b, `'SharedWorker' in window`) {
		t.Fatal("this browser has SharedWorker all the same")
	}
	other := p.open(h.url, withoutWorker).live()
	if n := h.streams(); n != 2 {
		t.Errorf("two tabs without a worker have %d streams, want 2", n)
	}
	other.close()
	h.write("a.log", line(10))
	b.ends(line(10))
	b.close()
	until(t, "the stream ends with the tab", func() bool { return h.streams() == 0 })
}

// Without a worker a tab that nobody sees lets go of its stream after a minute,
// and goes on where it was. The minute is a moment here.
func TestAHiddenTabWithoutSharedWorkerRests(t *testing.T) {
	h := up(t, "a.log", numbered(0, 10)...)
	b := visit(t, h, "", withoutWorker, before(`(() => {
		let hidden = false;
		Object.defineProperty(document, 'hidden', { get: () => hidden });
		Object.defineProperty(document, 'visibilityState', { get: () => hidden ? 'hidden' : 'visible' });
		window.hide = (yes) => { hidden = yes; document.dispatchEvent(new Event('visibilitychange')); };
		const later = window.setTimeout;
		window.setTimeout = (fn, ms, ...rest) => later(fn, ms === 60000 ? 50 : ms, ...rest);
	})()`)).live()
	b.ends(line(9))
	b.run(`hide(true)`)
	until(t, "the stream ends", func() bool { return h.streams() == 0 })
	h.write("a.log", numbered(10, 20)...)
	b.run(`hide(false)`)
	until(t, "the stream goes on", func() bool { return h.streams() == 1 })
	b.ends(line(19))
	sameLines(t, "after the rest", all(b), numbered(0, 20))
}

// A tab that is frozen, as browsers do with those that nobody sees for long, is
// not in the way of the others, and shows all of it when it is thawed.
func TestAFrozenTabCatchesUp(t *testing.T) {
	h := up(t, "a.log", numbered(0, 10)...)
	p := newPerson(t)
	b, other := p.open(h.url).live(), p.open(h.url).live()
	b.ends(line(9))
	other.ends(line(9))
	lifecycle := func(state cdpage.SetWebLifecycleStateState) {
		t.Helper()
		_, err := chromedp.Run(b.ctx, func(ctx context.Context, tab *chromedp.Target) (cdp.Empty, error) {
			return cdp.Call(ctx, tab, cdpage.SetWebLifecycleState, cdpage.SetWebLifecycleStateParams{State: state})
		})
		if err != nil {
			t.Fatalf("make the tab %s: %v", state, err)
		}
	}
	lifecycle("frozen")
	for n := 10; n < 2010; n += 1000 {
		h.write("a.log", numbered(n, n+1000)...)
	}
	other.ends(line(2009))
	lifecycle("active")
	b.ends(line(2009))
	sameLines(t, "after it was frozen", all(b), numbered(0, 2010))
}

func TestAPageThatIsOlderThanTheServerSaysSo(t *testing.T) {
	h := up(t, "a.log", "one")
	d := newDoor(t, h)
	b := newPerson(t).open(d.url).live()
	b.count(1)
	older := `[...document.querySelectorAll('.banner')].find((el) => el.innerText.includes('older version'))`
	if eval[bool](b, `!!`+older+`?.checkVisibility()`) {
		t.Fatal("the page calls itself old although it is the server's")
	}
	d.newer.Store(true)
	b.click(`document.querySelector('[data-tab=sources]')`)
	b.until(older + `?.checkVisibility()`)
	b.shot("older")
	began := eval[float64](b, `performance.timeOrigin`)
	d.newer.Store(false)
	b.click(button("Reload"))
	b.until(fmt.Sprintf(`performance.timeOrigin !== %f && document.body.dataset.connection === 'live'`, began))
}

func TestATokenIsAskedForAndNeverShown(t *testing.T) {
	h := up(t, "a.log", "one")
	d := newDoor(t, h)
	d.foreign.Store(true)
	secret := h.command("token", "new", "alice", "--state", h.state)
	p := newPerson(t)
	p.forgive = true // 401 is said in the console, too
	b := p.open(d.url)
	b.until(`document.body.dataset.connection === 'denied'`)
	text := eval[string](b, `document.querySelector('.denied').innerText`)
	if !strings.Contains(text, "fairlead token new") || !strings.Contains(text, "token") {
		t.Errorf("without a token the page says %q, want what to do", text)
	}
	b.shot("denied")
	// A wrong one is said to be wrong.
	b.fill(`.denied input`, "not-a-token")
	b.key("\r")
	b.until(`/no such token/.test(document.querySelector('.denied').innerText)`)
	// The right one, pasted.
	b.fill(`.denied input`, secret)
	b.key("\r")
	b.live()
	b.shows("one")
	b.until(`!document.querySelector('.denied').checkVisibility()`)

	// In the address it goes away at once, and other tabs need none.
	p = newPerson(t)
	b = p.open(d.url + "?q=one#token=" + secret).live()
	b.shows("one")
	if got := eval[string](b, `location.href`); strings.Contains(got, "token") || !strings.Contains(got, "q=one") {
		t.Errorf("the address is %s, want it without the token and with all else", got)
	}
	b.until(`!document.documentElement.innerHTML.includes(` + quoted(secret) + `)`)
	other := p.open(d.url).live()
	other.shows("one")
	// What is asked for beside the stream has it, too.
	other.click(`document.querySelector('[data-tab=sources]')`)
	other.until(`document.querySelector('.source-item')?.innerText.includes('a.log')`)
}

// A page looks the same in a time zone that is not the machine's, aside from times.
func TestTimesAreThoseOfThePerson(t *testing.T) {
	h := up(t, "a.log", `{"time":"2026-01-02T10:00:00Z","msg":"x"}`)
	zone := chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "Asia/Kolkata"})
		return err
	})
	b := visit(t, h, "", zone).live()
	b.until(rows + `[0]?.querySelector('.time').textContent === '15:30:00.000'`)
}
