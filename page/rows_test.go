//go:build unix

package page_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

func TestALineIsOpenedAndShowsAllThatIsKnown(t *testing.T) {
	h := up(t, "app.log", `{"time":"2026-01-02T10:00:00Z","level":"error","msg":"boom","request":{"id":7,"tags":["a","b"]},"user":"ann"}`)
	b := visit(t, h, "").live()
	b.click(row("boom") + `.querySelector('.line')`)
	b.until(`document.querySelector('.row.open .json')?.textContent.includes('"message": "boom"')`)
	detail := eval[string](b, `document.querySelector('.row.open .json').textContent`)
	var got struct {
		Message, Level, Source, At string
		Len                        int
		Fields                     struct {
			Request struct{ Tags []string }
			User    string
		}
	}
	if err := json.Unmarshal([]byte(detail), &got); err != nil {
		t.Fatalf("the JSON of the line cannot be read: %v\n%s", err, detail)
	}
	if got.Message != "boom" || got.Level != "error" || got.Fields.User != "ann" || len(got.Fields.Request.Tags) != 2 || got.Len == 0 {
		t.Errorf("the JSON of the line is %+v, want what was written", got)
	}
	if at := eval[string](b, `document.querySelector('.row.open').dataset.at`); at != got.At || !strings.HasSuffix(at, ":0") {
		t.Errorf("data-at is %q and at in its JSON %q, want both the first byte", at, got.At)
	}
	b.shot("open")
	b.key("\r")
	b.until(`document.querySelector('.row.open') === null`)
}

func TestWrap(t *testing.T) {
	long := strings.Repeat("a long line has many words ", 40)
	h := up(t, "a.log", "short", long, "short again")
	b := visit(t, h, "").live()
	b.count(3)
	height := rows + `[1].getBoundingClientRect().height`
	if got := eval[float64](b, height); got > 25 {
		t.Errorf("a long line that is not wrapped is %v px high, want one line", got)
	}
	b.key("w")
	b.until(height + ` > 60`)
	b.until(`location.search.includes('wrap=1')`)
	b.click(button("Wrap long lines"))
	b.until(height + ` < 25`)
}

func TestMarksDivideAndAreClearedWithTheRest(t *testing.T) {
	h := up(t, "a.log", "one", "two", "three")
	b := visit(t, h, "").live()
	b.count(3)
	b.click(row("two") + `.querySelector('.line')`)
	b.key("\r") // its details away
	b.key("m")
	order := `[...document.querySelectorAll('#logs .window > .row, #logs .window > .mark')].map((el) => el.classList.contains('mark') ? 'mark' : el.querySelector('.message').textContent).join(' ')`
	b.until(order + ` === 'one two mark three'`)
	b.key("G")
	h.write("a.log", "four")
	b.until(order + ` === 'one two mark three four'`)
	b.key("x")
	b.shows()
	b.until(`document.querySelector('#logs .mark') === null`)
	h.write("a.log", "five")
	b.shows("five")
	b.click(button("Show older lines"))
	b.shows("one", "two", "three", "four", "five")
}

func TestTimesAsOneLikesThem(t *testing.T) {
	h := up(t, "a.log", `{"time":"2026-01-02T10:00:00.25Z","msg":"x"}`)
	b := visit(t, h, "").live()
	b.count(1)
	shown := rows + `[0].querySelector('.time').textContent`
	for i, want := range []string{`^\d\d:\d\d:\d\d\.250$`, `^2026-01-0\d \d\d:\d\d:\d\d\.250$`, `^\d+ days?$`, `^2026-01-02T10:00:00\.250Z$`, `^\d\d:\d\d:\d\d\.250$`} {
		if i > 0 {
			b.key("t")
		}
		b.until(fmt.Sprintf(`/%s/.test(%s)`, want, shown))
	}
	b.click(button("How times are shown"))
	b.click(`[...document.querySelectorAll('.menu-item')].find((el) => el.textContent === 'UTC')`)
	b.until(shown + ` === '2026-01-02T10:00:00.250Z'`)
}

// pasted returns what the clipboard has, once it is not what it had before.
func pasted(b *tab, do func()) string {
	b.t.Helper()
	b.run(`navigator.clipboard.writeText('nothing was copied')`)
	do()
	b.until(`document.querySelector('#toast').textContent.includes('copied')`)
	b.run(`document.querySelector('#toast').textContent = ''`)
	return eval[string](b, `navigator.clipboard.readText()`)
}

// shell runs a command line that the page gave, as a person pastes it.
func shell(t *testing.T, command string) string {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil && strings.Contains(command, "curl") {
		t.Skip("needs curl")
	}
	cmd := exec.CommandContext(shortly(t), "sh", "-c", command)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("sh -c %q: %v", command, err)
	}
	return string(out)
}

// The only test that uses the clipboard, of which there is one for all.
func TestCopies(t *testing.T) {
	h := newHost(t)
	name := "it's $HOME & co/app.log"
	h.write(name, entry(0, "info", "first"), entry(1, "info", "it's 100% `quoted` \"so\"", "k", "v"), entry(2, "info", "third"))
	h.start()
	p := newPerson(t)
	p.allow("clipboard-read", "clipboard-write")
	b := p.open(h.url).live()
	b.count(3)
	b.click(row("quoted") + `.querySelector('.line')`)
	b.until(`document.querySelector('.row.open') !== null`)
	message := "it's 100% `quoted` \"so\""
	if got := pasted(b, func() { b.key("y") }); got != message {
		t.Errorf("the line is copied as %q, want %q", got, message)
	}
	var e struct{ Message, At, Source string }
	if got := pasted(b, func() { b.key("Y") }); json.Unmarshal([]byte(got), &e) != nil || e.Message != message || e.Source != h.path(name) {
		t.Errorf("the JSON is copied as %s, want that of the line", got)
	}
	at := e.At
	link := pasted(b, func() { b.key("l") })
	if !strings.HasPrefix(link, h.url+"#") || !strings.HasSuffix(link, "@"+at) {
		t.Errorf("the permalink is %q, want %s#NAME@%s", link, h.url, at)
	}
	other := p.open(link)
	other.until(row("quoted") + `?.matches('.target')`)
	curl := pasted(b, func() { b.key("u") })
	if out := shell(t, curl); json.Unmarshal([]byte(out), &e) != nil || e.At != at || e.Message != message || strings.Count(out, "\n") != 1 {
		t.Errorf("%s\nprints %q, want the line at %s alone", curl, out, at)
	}
	// Nothing is open: the command is for what is shown.
	b.key("\r")
	b.fill("input.include", "it's")
	b.count(1)
	b.do("leave the box", chromedp.KeyEvent("\x1b"))
	curl = pasted(b, func() { b.key("u") })
	if !strings.HasPrefix(curl, "curl -N ") {
		t.Errorf("the command for what is shown is %q, want curl -N", curl)
	}
	out := shell(t, regexp.MustCompile(`'$`).ReplaceAllString(strings.Replace(curl, "curl -N ", "curl -sN -m 2 ", 1), "&tail=10'")+" || true")
	if !strings.Contains(out, "quoted") || strings.Contains(out, "third") {
		t.Errorf("%s\nprints %q, want the line that is shown and no other", curl, out)
	}
	// Where there is no clipboard, as on plain http to another machine.
	b.run(`Object.defineProperty(window, 'isSecureContext', { value: false })`)
	b.click(row("quoted") + `.querySelector('.line')`)
	if got := pasted(b, func() { b.key("y") }); got != message {
		t.Errorf("without a clipboard the line is copied as %q, want %q", got, message)
	}
}

func TestWhatIsShownIsSaved(t *testing.T) {
	h := shop(t)
	p := newPerson(t)
	dir := t.TempDir()
	p.downloads(dir)
	b := p.open(h.url).live()
	b.shows(shopLines...)
	b.fill("input.include", "order")
	b.shows("order placed", "Order shipped")
	b.do("leave the box", chromedp.KeyEvent("\x1b"))
	b.key("d")
	if got, want := saved(t, dir, ".log"), "order placed\nOrder shipped\n"; got != want {
		t.Errorf("saved as text: %q, want %q", got, want)
	}
	b.click(button("More"))
	b.click(`[...document.querySelectorAll('.menu-item')].find((el) => el.textContent.includes('as JSON lines'))`)
	text := saved(t, dir, ".ndjson")
	var messages []string
	for l := range strings.Lines(text) {
		var e struct{ Message, At string }
		if err := json.Unmarshal([]byte(l), &e); err != nil || e.At == "" {
			t.Fatalf("saved as JSON: %v in %q", err, l)
		}
		messages = append(messages, e.Message)
	}
	if got := strings.Join(messages, "|"); got != "order placed|Order shipped" {
		t.Errorf("saved as JSON: messages %q, want the two that are shown", got)
	}
}

// saved returns the one file with this ending that a browser saved, when it is whole.
func saved(t *testing.T, dir, ending string) (text string) {
	t.Helper()
	until(t, "a file "+ending+" is saved", func() bool {
		found, _ := filepath.Glob(filepath.Join(dir, "*"+ending))
		if len(found) == 0 {
			return false
		}
		b, err := os.ReadFile(found[0])
		text = string(b)
		return err == nil && text != ""
	})
	return text
}

func TestTheRawFileIsSaved(t *testing.T) {
	h := newHost(t)
	raw := "plain\r\n\xff bytes\nno end"
	h.append("a.log", raw)
	h.start()
	p := newPerson(t)
	dir := t.TempDir()
	p.downloads(dir)
	b := p.open(h.url + "?view=sources")
	b.click(button("Download the raw file"))
	if got := saved(t, dir, "a.log"); got != raw {
		t.Errorf("saved %q, want the bytes of the file %q", got, raw)
	}
}
