//go:build unix

package page_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// shop has a log of few lines with fields.
func shop(t *testing.T) *host {
	return up(t, "shop.log",
		entry(0, "debug", "cache warm", "status", "200"),
		entry(1, "info", "order placed", "status", "200", "user", "ann"),
		entry(2, "warn", "slow query", "status", "200", "user", "bob"),
		entry(3, "error", "payment refused", "status", "502", "user", "ann"),
		entry(4, "info", "Order shipped", "status", "200", "user", "eve"),
		entry(5, "fatal", "out of memory"))
}

var shopLines = []string{"cache warm", "order placed", "slow query", "payment refused", "Order shipped", "out of memory"}

func TestFilterByTextAndByRegularExpression(t *testing.T) {
	h := shop(t)
	b := visit(t, h, "").live()
	b.shows(shopLines...)
	for _, c := range []struct {
		box, typed string
		want       []string
	}{
		{".include", "order", []string{"order placed", "Order shipped"}},
		{".include", "/order/", []string{"order placed"}},
		{".include", "/ORDER/i", []string{"order placed", "Order shipped"}},
		{".include", "/^(slow|out)/", []string{"slow query", "out of memory"}},
		{".include", "ann", []string{"order placed", "payment refused"}}, // in a field
		{".include", "a.b", nil},
		{".include", "", shopLines},
		{".exclude", "order", []string{"cache warm", "slow query", "payment refused", "out of memory"}},
		{".exclude", "/o[fr]/", []string{"cache warm", "slow query", "payment refused", "Order shipped"}},
		{".exclude", "", shopLines},
	} {
		b.fill("input"+c.box, c.typed)
		b.shows(c.want...)
	}
	b.fill("input.include", "o")
	b.fill("input.exclude", "order")
	b.shows("slow query", "out of memory")
	h.write("shop.log", entry(6, "info", "another order"), entry(7, "info", "tomorrow"))
	b.shows("slow query", "out of memory", "tomorrow")
}

func TestInvalidRegularExpressionIsSaidAndChangesNothing(t *testing.T) {
	b := visit(t, shop(t), "").live()
	b.fill("input.include", "/order/i")
	b.shows("order placed", "Order shipped")
	b.fill("input.include", "/order(/")
	b.until(`document.querySelector('#include-error').textContent !== ''`)
	b.until(`document.querySelector('input.include').getAttribute('aria-invalid') === 'true'`)
	b.shows("order placed", "Order shipped")
	b.fill("input.exclude", "/[/")
	b.until(`document.querySelector('#exclude-error').textContent !== ''`)
	b.fill("input.include", "/order/")
	b.until(`document.querySelector('#include-error').textContent === ''`)
	b.shows("order placed")
	b.fill("input.highlight", "/*/")
	b.fill("input.highlight", "/*x/")
	b.until(`document.querySelector('#highlight-error').textContent !== ''`)
}

func TestHighlightLeavesNothingOutAndIsWalkedThrough(t *testing.T) {
	b := visit(t, shop(t), "").live()
	b.fill("input.highlight", "order")
	b.until(`document.querySelectorAll('.row mark').length === 2`)
	b.shows(shopLines...)
	b.do("leave the box", chromedp.KeyEvent("\x1b"))
	current := func() string {
		return eval[string](b, `document.querySelector('.row.current .message')?.firstChild.parentNode.textContent ?? ''`)
	}
	for i, step := range []struct{ key, want string }{{"N", "Order shipped"}, {"N", "order placed"}, {"n", "Order shipped"}} {
		b.key(step.key)
		b.until(fmt.Sprintf(`document.querySelector('.row.current .message')?.textContent.startsWith(%q)`, step.want))
		if got := current(); !strings.HasPrefix(got, step.want) {
			t.Errorf("step %d, %s: at %q, want %q", i, step.key, got, step.want)
		}
	}
	b.until(`document.querySelector('.found').textContent === '2 of 2'`)
	b.click(button("Previous match"))
	b.until(`document.querySelector('.found').textContent === '1 of 2'`)
	b.fill("input.highlight", "")
	b.fill("input.include", "memory")
	b.until(`document.querySelectorAll('.row mark').length === 1`) // what is filtered for is marked, too
}

func TestLeastLevel(t *testing.T) {
	b := visit(t, shop(t), "").live()
	b.shows(shopLines...)
	for _, c := range []struct {
		key  string
		want []string
	}{
		{"2", shopLines}, {"3", shopLines[1:]}, {"4", []string{"slow query", "payment refused", "out of memory"}},
		{"5", []string{"payment refused", "out of memory"}}, {"1", shopLines},
	} {
		b.key(c.key)
		b.shows(c.want...)
	}
	b.run(`(() => { const el = document.querySelector('select[aria-label="Least level"]'); el.value = 'fatal'; el.dispatchEvent(new Event('change', { bubbles: true })); })()`)
	b.shows("out of memory")
	if got := eval[string](b, rows+`[0].querySelector('.level').textContent`); got != "F" {
		t.Errorf("the level of a fatal line is %q, want F", got)
	}
}

func chip(message, text string) string {
	return fmt.Sprintf(`[...%s.querySelectorAll('.chip')].find((c) => c.textContent === %q)`, row(message), text)
}

func TestFieldsAreClickedToFilter(t *testing.T) {
	h := shop(t)
	b := visit(t, h, "").live()
	b.click(chip("order placed", "user=ann"))
	b.shows("order placed", "payment refused")
	b.click(chip("payment refused", "status=502"))
	b.shows("payment refused")
	b.click(button("Remove status = 502"))
	b.shows("order placed", "payment refused")
	b.click(button("Remove user = ann"))
	b.shows(shopLines...)
	b.click(chip("order placed", "status=200"), chromedp.ButtonModifiers(chromedp.ModifierAlt))
	b.shows("payment refused", "out of memory")
	b.click(button("Remove status \u2260 200"))
	b.click(chip("order placed", "status=200"), chromedp.ButtonModifiers(chromedp.ModifierShift))
	b.shows("payment refused", "out of memory")
	b.key("G") // a click pauses
	h.write("shop.log", entry(9, "info", "fine", "status", "200"), entry(9, "info", "teapot", "status", "418"))
	b.shows("payment refused", "out of memory", "teapot")
}

func TestFieldsAsColumns(t *testing.T) {
	b := visit(t, shop(t), "").live()
	b.click(row("payment refused") + `.querySelector('.line')`)
	b.click(`[...document.querySelectorAll('.detail tr')].find((tr) => tr.textContent.includes('user')).querySelector('button[data-what=column]')`)
	b.until(row("payment refused") + `.querySelector('.column')?.textContent === 'ann'`)
	b.until(row("out of memory") + `.querySelector('.column').textContent === ''`)
	if n := eval[int](b, `[...document.querySelectorAll('.chip')].filter((c) => c.textContent.startsWith('user=')).length`); n != 0 {
		t.Errorf("%d chips show the field that has a column, want none", n)
	}
	b.shot("columns")
	b.click(button("Remove column user"))
	b.until(`document.querySelectorAll('.column').length === 0`)
}

func TestSourcesAreChosen(t *testing.T) {
	h := newHost(t)
	h.write("a.log", entry(0, "info", "of a"))
	h.write("b.log", entry(1, "info", "of b"))
	h.write("c.log", entry(2, "info", "of c"))
	b := visit(t, h.start(), "").live()
	b.shows("of a", "of b", "of c")
	b.key("s")
	b.click(`[...document.querySelectorAll('.picker-row label')].find((l) => l.textContent.includes('b.log'))`)
	b.shows("of b")
	b.click(`[...document.querySelectorAll('.picker-row label')].find((l) => l.textContent.includes('c.log'))`)
	b.shows("of b", "of c")
	b.fill(".picker input[type=search]", "a.l")
	b.until(`document.querySelectorAll('.picker-row').length === 1`)
	b.run(`document.querySelector('.picker-row button').click()`)
	b.shows("of a")
	b.key("\x1b")
	b.until(`document.querySelector('.picker') === null`)
	if got := eval[string](b, `document.querySelector('.picker-button').textContent`); got != "a.log" {
		t.Errorf("with one source chosen the button says %q, want its name", got)
	}
}
