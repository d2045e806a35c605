//go:build unix

package page_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// prefers sets what the system likes: dark or light, and without motion.
func prefers(scheme string) prepare {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
		return err
	})
}

// colourful has lines of all kinds.
func colourful(t *testing.T) *host {
	h := newHost(t)
	h.write("web/access.log", `192.0.2.7 - - [02/Jan/2026:10:00:00 +0000] "GET /basket HTTP/1.1" 200 512 "-" "curl/8"`)
	h.write("app.log", entry(1, "debug", "cache warm", "status", "200"), entry(2, "info", "order placed", "user", "ann", "total", "12.50", "currency", "EUR"),
		entry(3, "warn", "slow query", "ms", "1820"), entry(4, "error", "payment refused: "+strings.Repeat("a long reason with many words ", 12), "status", "502"), entry(5, "fatal", "out of memory"))
	h.write("a-directory-with-a-long-name/and-a-file-with-a-very-long-name-indeed.log", "\x1b[32mgreen\x1b[0m and \x1b[1mbold\x1b[0m")
	return h.start()
}

// overflows lists what is wider than the window, and is not cut or scrolled by what
// it is in.
const overflows = `(() => {
	const cut = (el) => { for (el = el.parentElement; el && el !== document.body; el = el.parentElement) if (getComputedStyle(el).overflowX !== 'visible') return true; return false; };
	const wide = [...document.querySelectorAll('body *')].filter((el) => el.checkVisibility() && el.getBoundingClientRect().right > innerWidth + 1 && !cut(el) && !el.matches('.offscreen, .toast'));
	if (document.documentElement.scrollWidth > innerWidth || document.body.scrollWidth > innerWidth) wide.push(document.body);
	return wide.slice(0, 10).map((el) => el.tagName + '.' + el.className);
})()`

func TestDarkLightAndNarrow(t *testing.T) {
	h := colourful(t)
	for _, c := range []struct {
		name, scheme  string
		width, height int64
	}{
		{"dark", "dark", 1280, 800}, {"light", "light", 1280, 800}, {"narrow-dark", "dark", 360, 740}, {"narrow-light", "light", 360, 740}, {"middle", "light", 800, 600},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := visit(t, h, "?field=x=y", prefers(c.scheme), size(c.width, c.height)).live()
			b.click(`document.querySelector('.token button')`)
			b.until(row("out of memory"))
			fits := func(what string) {
				t.Helper()
				b.shot(what)
				if got := eval[[]string](b, overflows); len(got) > 0 {
					t.Errorf("%s: wider than %d px: %q", what, c.width, got)
				}
			}
			fits("logs")
			if dark := eval[bool](b, `(() => { const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number); return r + g + b < 200; })()`); dark != (c.scheme == "dark") {
				t.Errorf("the page is dark: %v, and the system %s", dark, c.scheme)
			}
			b.click(row("payment refused") + `.querySelector('.line')`)
			b.until(`document.querySelector('.detail') !== null`)
			fits("detail")
			b.key("s")
			b.until(`document.querySelector('.picker-row') !== null`)
			fits("picker")
			b.key(kb.Escape)
			b.key("?")
			b.until(`document.querySelector('dialog').open`)
			fits("help")
			b.key(kb.Escape)
			b.until(`!document.querySelector('dialog').open`)
			b.key("c")
			b.until(`document.body.dataset.view === 'file' && ` + row("payment refused") + ` !== undefined`)
			fits("file")
			b.click(`document.querySelector('[data-tab=sources]')`)
			b.until(`document.querySelectorAll('.source-item').length === 3`)
			fits("sources")
		})
	}
}

func TestTheThemeIsChosenAndRemembered(t *testing.T) {
	h := up(t, "a.log", "one")
	p := newPerson(t)
	b := p.open(h.url, prefers("dark")).live()
	colour := `getComputedStyle(document.body).backgroundColor`
	dark := eval[string](b, colour)
	b.click(button("Dark or light"))
	b.until(colour + ` !== ` + quoted(dark))
	light := eval[string](b, colour)
	b.open(h.url)
	b.until(colour + ` === ` + quoted(light))
	b.click(button("Dark or light"))
	b.until(colour + ` === ` + quoted(dark))
}

func TestEverythingHasANameForThoseWhoDoNotSee(t *testing.T) {
	h := colourful(t)
	b := visit(t, h, "?field=x=y").live()
	nameless := `[...document.querySelectorAll('button, input, select, textarea, a[href], [tabindex], [role=slider], dialog, summary')].filter((el) => {
		if (!el.checkVisibility()) return false;
		const labelled = (el.getAttribute('aria-labelledby') ?? '').split(' ').map((id) => document.getElementById(id)?.textContent ?? '').join('');
		const name = el.getAttribute('aria-label') || labelled || el.labels?.[0]?.textContent || el.textContent || el.title;
		return !name?.trim() || el.matches('input, select') && !(el.getAttribute('aria-label') || el.labels?.length);
	}).map((el) => el.outerHTML.slice(0, 200))`
	look := func(where string) {
		t.Helper()
		if got := eval[[]string](b, nameless); len(got) > 0 {
			t.Errorf("%s: without a name: %q", where, got)
		}
	}
	look("the logs")
	b.click(button("Remove x = y"))
	b.until(row("out of memory"))
	b.click(row("order placed") + `.querySelector('.line')`)
	b.until(`document.querySelector('.detail') !== null`)
	look("a line that is open")
	b.key("s")
	b.until(`document.querySelector('.picker-row') !== null`)
	look("the choice of sources")
	b.key(kb.Escape)
	b.click(button("More"))
	look("the menu")
	b.key(kb.Escape)
	b.key("?")
	look("the help")
	b.key(kb.Escape)
	b.key("c")
	b.until(`document.body.dataset.view === 'file' && ` + row("order placed") + ` !== undefined`)
	look("a file")
	b.click(`document.querySelector('[data-tab=sources]')`)
	b.until(`document.querySelectorAll('.source-item').length === 3`)
	look("the sources")
	if got := eval[string](b, `document.documentElement.lang`); got == "" {
		t.Errorf("the page has no language")
	}
}

// keyNames are the keys that the help does not call by what they type.
var keyNames = map[string]string{"Space": " ", "\u2191": kb.ArrowUp, "\u2193": kb.ArrowDown, "Esc": kb.Escape, "Enter": "\r",
	"End": kb.End, "Home": kb.Home, "PgUp": kb.PageUp, "PgDn": kb.PageDown, "PageUp": kb.PageUp, "PageDown": kb.PageDown}

// Every key of the help does something: it changes what is seen, or says something.
func TestEveryKeyDoesSomething(t *testing.T) {
	h := newHost(t)
	h.write("a.log", numbered(0, 100)...)
	h.write("a.log", entry(0, "info", "order one"), entry(1, "debug", "two"), entry(2, "error", "order three"))
	h.start()
	h.streamed("a.log")
	p := newPerson(t)
	p.downloads(t.TempDir())
	b := p.open(h.url).live()
	b.ends("order three")
	b.key("?")
	b.until(`document.querySelector('dialog').open`)
	keys := eval[[]string](b, `[...document.querySelectorAll('.help dt kbd')].map((k) => k.textContent)`)
	if len(keys) < 30 {
		t.Errorf("the help has the keys %q, want all that there are", keys)
	}
	looks := `JSON.stringify([location.href, document.body.dataset.view, document.body.dataset.following, document.activeElement?.className, document.querySelector('#toast').textContent,
		document.querySelector('dialog').open, !!document.querySelector('.popover'), ` + lines + `?.scrollTop, ` + drawn + `, document.querySelector('.row.current')?.dataset.at, document.querySelectorAll('.row.open').length, document.querySelectorAll('.mark').length])`
	for _, name := range keys {
		key, found := keyNames[name]
		if !found {
			key = name
		}
		query := "?highlight=order"
		switch {
		case key == kb.Escape:
			query = "#" + h.path("a.log")
		case strings.Contains("12345", key):
			query = "?level=fatal"
		}
		if key == kb.Escape { // or else only the fragment would be another
			b.open("about:blank")
		}
		b.open(h.url + query)
		if query != "?level=fatal" {
			b.ends("order three")
		}
		b.live()
		switch key {
		case "G", kb.End:
			b.key(" ")
			b.until(`document.body.dataset.following === 'false'`)
		case kb.PageDown:
			b.key("g")
			b.until(lines + `.scrollTop < 200`) // older lines may come above
		case "c", "y", "Y", "l", "u", "\r", "m", "x", "j", kb.ArrowDown:
			b.key("k")
			b.key("k")
			b.until(`document.querySelector('.row.current') !== null`)
		}
		b.settle()
		before := eval[string](b, looks)
		b.key(key)
		if !eval[bool](b, await(looks+` !== `+quoted(before), 3*time.Second)) {
			t.Errorf("the key %s does nothing that can be seen", name)
		}
	}
}

func TestKeysAreNotForThoseWhoType(t *testing.T) {
	h := up(t, "a.log", "one wtx?s", "two")
	b := visit(t, h, "").live()
	b.count(2)
	for _, box := range []string{"include", "exclude", "highlight"} {
		before := eval[string](b, `JSON.stringify([document.body.dataset.following, document.querySelector('dialog').open, document.querySelectorAll('.popover, .mark').length, location.search.replace(/(q|exclude|highlight)=[^&]*&?/g, '').replace(/^\?$/, '')])`)
		b.fill("input."+box, "")
		b.key("wtxm?sdvGgnN125 zz")
		b.until(fmt.Sprintf(`document.querySelector('input.%s').value === 'wtxm?sdvGgnN125 zz'`, box))
		b.until(`/zz/.test(location.search)`)
		if now := eval[string](b, `JSON.stringify([document.body.dataset.following, document.querySelector('dialog').open, document.querySelectorAll('.popover, .mark').length, location.search.replace(/(q|exclude|highlight)=[^&]*&?/g, '').replace(/^\?$/, '')])`); now != before {
			t.Errorf("typing into %s has changed %s to %s", box, before, now)
		}
		b.key("s", chromedp.ModifierCtrl) // nor are those of the browser
		b.fill("input."+box, "")
		b.key(kb.Escape)
		b.until(`document.activeElement === document.body`)
		b.until(`!/zz/.test(location.search)`)
	}
	b.key("w", chromedp.ModifierAlt)
	if eval[bool](b, `location.search.includes('wrap')`) {
		t.Errorf("Alt+w is taken from the browser")
	}
}

func TestTheAddressKeepsWhatIsLookedAt(t *testing.T) {
	h := shop(t)
	b := visit(t, h, "?mine=kept").live()
	b.fill("input.include", "/o/")
	b.fill("input.exclude", "memory")
	b.fill("input.highlight", "order")
	b.key(kb.Escape)
	b.click(chip("order placed", "user=ann"))
	b.click(row("order placed") + `.querySelector('.line')`)
	b.click(`[...document.querySelectorAll('.detail tr')].find((tr) => tr.textContent.includes('status')).querySelector('button[data-what=column]')`)
	b.key("3")
	b.key("w")
	b.key("t")
	all := `['mine=kept', 'q=', 'exclude=memory', 'highlight=order', 'field=user', 'col=status', 'level=info', 'wrap=1', 'time=full'].filter((part) => !decodeURIComponent(location.search).includes(part)).join()`
	b.until(all + ` === ''`)
	what := `JSON.stringify([` + drawn + `, document.querySelectorAll('mark').length, document.querySelectorAll('#logs .row .column').length, document.querySelector('.lines').className, [...document.querySelectorAll('.tools input, .tools select')].map((el) => el.value), document.querySelector('.time').textContent])`
	b.click(row("order placed") + `.querySelector('.line')`) // its details away
	b.until(`document.querySelector('.detail') === null`)
	before := eval[string](b, what)
	b.do("reload", chromedp.Reload())
	b.live()
	b.until(what + ` === ` + quoted(before))
	if eval[string](b, all) != "" {
		t.Errorf("after a reload the address lacks %s", eval[string](b, all))
	}
	// One thing goes, the others stay.
	b.key("w")
	b.until(`!location.search.includes('wrap')`)
	b.until(all + ` === 'wrap=1'`)
	b.key("v")
	b.until(`document.body.dataset.view === 'sources'`)
	b.key("v")
	b.until(`document.body.dataset.view === 'logs'`)
	b.until(all + ` === 'wrap=1'`)
	b.run(`history.back()`)
	b.until(`document.body.dataset.view === 'sources'`)
}

func TestOnlyTheLines(t *testing.T) {
	b := visit(t, shop(t), "?chrome=0").live()
	b.shows(shopLines...)
	for _, gone := range []string{".top", ".toolbar", ".status"} {
		if eval[bool](b, `document.querySelector(`+quoted(gone)+`).checkVisibility()`) {
			t.Errorf("with chrome=0 %s is shown", gone)
		}
	}
	b.shot("only")
}
