//go:build unix

package page_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	cdpage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// These tests look at the page as people do: in a browser, over a fairlead up of
// its own for each test, and real files. What they wait for are the hooks of the
// page: data-connection and data-following of the body, data-count of the list,
// data-at of a row.

// patience is how long a condition may take on a machine with much else to do.
const patience = 30 * time.Second

// programs are the names under which a browser that these tests can drive is found.
var programs = []string{"chromium", "chromium-browser", "google-chrome"}

// A chrome is the one browser process of this package.
type chrome struct {
	ctx    context.Context
	end    func()
	err    error
	abroad *abroad // where its requests go that are not for this machine
}

var theChrome = sync.OnceValue(func() *chrome {
	c := startChrome()
	atEnd(c.end)
	return c
})

func chromePath() (string, error) {
	if path := os.Getenv("FAIRLEAD_CHROME"); path != "" {
		return exec.LookPath(path)
	}
	for _, name := range programs {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("there is none of %s; $FAIRLEAD_CHROME can name another", strings.Join(programs, ", "))
}

func startChrome() *chrome {
	c := &chrome{end: func() {}}
	path, err := chromePath()
	if err != nil {
		c.err = err
		return c
	}
	c.abroad = newAbroad()
	options := append(chromedp.DefaultExecAllocatorOptions[:len(chromedp.DefaultExecAllocatorOptions):len(chromedp.DefaultExecAllocatorOptions)],
		chromedp.ExecPath(path), chromedp.Flag("headless", "new"), chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("no-sandbox", os.Getuid() == 0), chromedp.Flag("js-flags", "--expose-gc"), chromedp.Flag("enable-precise-memory-info", true),
		chromedp.Flag("disable-component-update", true), chromedp.ProxyServer(c.abroad.url), chromedp.WindowSize(1300, 900))
	allocated, end := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, endBrowser := chromedp.NewContext(allocated)
	c.ctx = ctx
	c.end = func() {
		endBrowser()
		end()
		c.abroad.close()
	}
	if err := chromedp.Do(ctx); err != nil {
		c.err = fmt.Errorf("start %s: %w", path, err)
	}
	return c
}

// needBrowser returns the browser. Without one a test is skipped, unless
// FAIRLEAD_BROWSER=require.
func needBrowser(t *testing.T) *chrome {
	t.Helper()
	c := theChrome()
	switch {
	case c.err == nil:
		return c
	case os.Getenv("FAIRLEAD_BROWSER") == "require":
		t.Fatalf("FAIRLEAD_BROWSER=require, but no browser: %v", c.err)
	}
	t.Skipf("needs a browser: %v", c.err)
	return nil
}

// A person has a browser for themselves: nothing is shared with other tests.
type person struct {
	t       *testing.T
	ctx     context.Context
	forgive bool // requests that fail are expected: the server is taken away
}

// newPerson opens a browser without a history.
func newPerson(t *testing.T) *person {
	t.Helper()
	c := needBrowser(t)
	ctx, end := chromedp.NewContext(c.ctx, chromedp.WithNewBrowserContext())
	p := &person{t: t, ctx: ctx}
	t.Cleanup(end)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("open a browser: %v", err)
	}
	return p
}

// A tab is one that a person has open.
type tab struct {
	t      *testing.T
	person *person
	ctx    context.Context
	close  func()

	mu       sync.Mutex // guards what follows
	said     []string   // errors in the console
	asked    []string   // addresses of requests
	mayBreak bool
}

// A prepare is done to a tab before it opens an address.
type prepare = chromedp.Action[chromedp.Void]

// before runs a script before those of the page.
func before(script string) prepare {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, cdpage.AddScriptToEvaluateOnNewDocument, cdpage.AddScriptToEvaluateOnNewDocumentParams{Source: script})
		return err
	})
}

// withoutWorker is how a browser without SharedWorker does.
var withoutWorker = before(`delete window.SharedWorker`)

func size(width, height int64) prepare { return chromedp.EmulateViewport(width, height) }

// newTab opens an empty tab.
func (p *person) newTab(prepares ...prepare) *tab {
	p.t.Helper()
	ctx, end := chromedp.NewContext(p.ctx)
	b := &tab{t: p.t, person: p, ctx: ctx, close: sync.OnceFunc(end)}
	p.t.Cleanup(func() {
		b.close()
		b.complain()
	})
	b.must("listen", chromedp.Listen(ctx, b.hear))
	focused := chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
		return err
	})
	b.do("prepare", append([]prepare{size(1280, 800), focused}, prepares...)...)
	return b
}

// open opens an address in a tab of its own.
func (p *person) open(url string, prepares ...prepare) *tab {
	p.t.Helper()
	b := p.newTab(prepares...)
	b.open(url)
	return b
}

// visit opens the page of a host in a browser of its own.
func visit(t *testing.T, h *host, query string, prepares ...prepare) *tab {
	t.Helper()
	return newPerson(t).open(h.url+query, prepares...)
}

func (b *tab) open(url string) {
	b.t.Helper()
	b.do("open "+url, chromedp.Navigate(url))
}

// hear collects what went wrong, and what was asked for.
func (b *tab) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
		b.said = append(b.said, "exception: "+text)
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "assert" {
			b.said = append(b.said, fmt.Sprintf("console.%s: %s", e.Type, e.Args[0].Value))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			b.said = append(b.said, fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	case *network.EventRequestWillBeSent:
		b.asked = append(b.asked, e.Request.URL)
	}
}

// complain fails the test for what the console has, except requests that failed
// where that was to be expected.
func (b *tab) complain() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.said {
		if strings.HasPrefix(s, "network: ") && (b.mayBreak || b.person.forgive) {
			continue
		}
		b.t.Errorf("in the console: %s", s)
	}
}

func (b *tab) must(what string, err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatalf("%s: %v", what, err)
	}
}

func (b *tab) do(what string, steps ...prepare) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	b.must(what, chromedp.Do(ctx, steps...))
}

// eval returns what an expression is in the page.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("evaluate %s: %v", expression, err)
	}
	return v
}

func (b *tab) run(script string) {
	b.t.Helper()
	eval[chromedp.Void](b, `Promise.resolve(`+script+`).then(() => {})`)
}

// await is a script that resolves once the condition is true, or to false after a
// time. It looks without frames, which a hidden page does not have, and without
// what the page's policy forbids.
func await(condition string, within time.Duration) string {
	return fmt.Sprintf(`new Promise((done) => {
		const until = performance.now() + %d;
		const look = () => {
			let yes = false;
			try { yes = %s; } catch (err) { yes = false; }
			if (yes) done(true); else if (performance.now() > until) done(false); else setTimeout(look, 20);
		};
		look();
	})`, within.Milliseconds(), condition)
}

// until waits for a condition in the page.
func (b *tab) until(condition string) {
	b.t.Helper()
	b.within(patience, condition)
}

func (b *tab) within(d time.Duration, condition string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, d+patience)
	defer cancel()
	yes, err := chromedp.Run(ctx, chromedp.Evaluate[bool](await(condition, d), chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("wait for %s: %v", condition, err)
	}
	if !yes {
		b.shot("failed")
		b.t.Fatalf("not so after %v: %s\nthe page: %.3000s", d, condition, eval[string](b, `document.body.innerText`))
	}
}

// settle waits until what was done is drawn.
func (b *tab) settle() {
	b.t.Helper()
	b.run(`new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 0))))`)
}

// key presses keys, one after the other.
func (b *tab) key(keys string, modifiers ...chromedp.Modifier) {
	b.t.Helper()
	b.do("press "+keys, chromedp.KeyEvent(keys, chromedp.KeyModifiers(modifiers...)))
}

// fill writes into the box, in the place of what it has.
func (b *tab) fill(selector, text string) {
	b.t.Helper()
	b.do("focus "+selector, chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`(() => { const el = document.querySelector(%q); el.focus(); el.select(); })()`, selector)))
	if text == "" {
		b.key(kb.Backspace)
		return
	}
	b.do("write "+text, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, input.InsertText, input.InsertTextParams{Text: text})
		return err
	}))
}

// still is a script for the middle of an element, once that has not moved for a
// moment: nobody can click what moves.
const still = `(async () => {
	const wait = (ms) => new Promise((done) => setTimeout(done, ms));
	let last = '';
	for (let i = 0; i < 100; i++) {
		const el = %s;
		el?.scrollIntoView({ block: 'nearest' });
		const box = el?.getClientRects()[0];
		const now = box ? [box.left + Math.min(box.width / 2, 40), box.top + Math.min(box.height / 2, 12)] : null;
		if (now && String(now) === last) return now;
		last = String(now);
		await wait(60);
	}
	return null;
})()`

// click clicks what the expression is, with the mouse and where it is seen.
func (b *tab) click(expression string, options ...chromedp.MouseOption) {
	b.t.Helper()
	b.until(expression + ` instanceof Element`)
	at := eval[[]float64](b, fmt.Sprintf(still, expression))
	if at == nil {
		b.t.Fatalf("click %s: it does not hold still", expression)
	}
	b.do("click "+expression, clickAt(at[0], at[1], options...))
}

func clickAt(x, y float64, options ...chromedp.MouseOption) prepare {
	options = append([]chromedp.MouseOption{chromedp.ButtonLeft, chromedp.ClickCount(1)}, options...)
	return chromedp.Steps(chromedp.MouseEvent(chromedp.MousePressed, x, y, options...), chromedp.MouseEvent(chromedp.MouseReleased, x, y, options...))
}

// button is the expression for one by its words, or by its label.
func button(words string) string {
	return fmt.Sprintf(`[...document.querySelectorAll('button')].find((el) => el.checkVisibility() && (el.innerText.trim() === %[1]q || el.getAttribute('aria-label') === %[1]q))`, words)
}

// wheel turns the mouse wheel over the lines.
func (b *tab) wheel(dy float64) {
	b.t.Helper()
	b.do("scroll", chromedp.MouseEvent(chromedp.MouseWheel, 500, 400, func(p *input.DispatchMouseEventParams) {
		p.DeltaX, p.DeltaY = 0.001, dy // 0 would be left out, and is refused then
	}))
}

// live waits until the page has the stream.
func (b *tab) live() *tab {
	b.t.Helper()
	b.until(`document.body.dataset.connection === 'live'`)
	return b
}

// count waits until so many rows are drawn: fewer than a screen has.
func (b *tab) count(n int) {
	b.t.Helper()
	b.until(fmt.Sprintf(`%s.length === %d`, rows, n))
}

// shows waits until the rows that are drawn have these texts, and no others.
func (b *tab) shows(texts ...string) {
	b.t.Helper()
	if texts == nil {
		texts = []string{}
	}
	b.until(fmt.Sprintf(`JSON.stringify(%s) === JSON.stringify(%s)`, drawn, quoted(texts)))
}

// ends waits until the last row that is drawn has this text.
func (b *tab) ends(text string) {
	b.t.Helper()
	b.until(fmt.Sprintf(`%s.at(-1) === %s`, drawn, quoted(text)))
}

// quoted is a value as JavaScript has it.
func quoted(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

const (
	lines = `document.querySelector('main > section:not([hidden]) .lines')`
	rows  = `[...` + `document.querySelectorAll('main > section:not([hidden]) .row')]`
	// drawn are the messages of the rows that are drawn, without what the page adds.
	drawn = rows + `.map((row) => { const m = row.querySelector('.message').cloneNode(true); for (const el of m.querySelectorAll('.chips, .tag')) el.remove(); return m.textContent; })`
)

// texts returns the messages of the rows that are drawn.
func (b *tab) texts() []string {
	b.t.Helper()
	return eval[[]string](b, drawn)
}

// row is the expression for the row with this text.
func row(text string) string {
	return fmt.Sprintf(`%s.find((row) => row.querySelector('.message').textContent.includes(%s))`, rows, quoted(text))
}

// shot saves what is seen, if somebody wants that.
func (b *tab) shot(name string) {
	b.t.Helper()
	dir := os.Getenv("FAIRLEAD_SCREENSHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, strings.ReplaceAll(b.t.Name(), "/", "-")+"-"+name+".png"), png, 0o644)
	}
	if err != nil {
		b.t.Logf("save a screenshot: %v", err)
	}
}

// allow lets the pages of this browser use something without a question.
func (p *person) allow(names ...string) {
	p.t.Helper()
	c := chromedp.FromContext(p.ctx)
	for _, name := range names {
		_, err := cdp.Call(shortly(p.t), c.Browser, browser.SetPermission, browser.SetPermissionParams{
			Permission: &browser.PermissionDescriptor{Name: name}, Setting: browser.PermissionSettingGranted, BrowserContextID: c.BrowserContextID})
		if err != nil {
			p.t.Fatalf("allow %s: %v", name, err)
		}
	}
}

// downloads has the downloads of this browser saved in a directory.
func (p *person) downloads(dir string) {
	p.t.Helper()
	c := chromedp.FromContext(p.ctx)
	_, err := cdp.Call(shortly(p.t), c.Browser, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
		Behavior: browser.SetDownloadBehaviorBehaviorAllow, BrowserContextID: c.BrowserContextID, DownloadPath: dir})
	if err != nil {
		p.t.Fatalf("save downloads: %v", err)
	}
}

// shortly is a context for what must not take long.
func shortly(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// worker returns the context of the one worker of this browser.
func (p *person) worker() context.Context {
	p.t.Helper()
	c := chromedp.FromContext(p.ctx)
	all, err := cdp.Call(shortly(p.t), c.Browser, target.GetTargets, target.GetTargetsParams{
		Filter: target.Filter{{Type: "shared_worker"}}})
	if err != nil {
		p.t.Fatal(err)
	}
	for _, info := range all.TargetInfos {
		if info.Type == "shared_worker" && info.BrowserContextID == c.BrowserContextID {
			ctx, end := chromedp.NewContext(p.ctx, chromedp.WithTargetID(info.TargetID), chromedp.WithDetachOnCancel())
			p.t.Cleanup(end)
			return ctx
		}
	}
	p.t.Fatalf("there is no worker among %d targets", len(all.TargetInfos))
	return nil
}
