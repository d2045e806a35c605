//go:build unix

package page_test

import (
	"fmt"
	"strings"
	"testing"
)

// outside is a host that no test needs: what asks for it was made to by a line.
const outside = "outside.example"

// hostile are lines that want to be more than text, each with what is to be seen of
// it in its row.
func hostile() (all []struct{ line, seen string }) {
	add := func(line, seen string) { all = append(all, struct{ line, seen string }{line, seen}) }
	same := func(lines ...string) {
		for _, l := range lines {
			add(l, l)
		}
	}
	same(
		`<script>window.pwned=1</script>`,
		`</script><script>window.pwned=2</script>`,
		`<img src=x onerror="window.pwned=3">`,
		`<img src="http://outside.example/img.png">`,
		`<svg onload=window.pwned=4><script>window.pwned=5</script></svg>`,
		`<iframe src="javascript:parent.pwned=6"></iframe>`,
		`<iframe srcdoc="<script>parent.pwned=7</script>"></iframe>`,
		`<a href="javascript:window.pwned=8" autofocus onfocus="window.pwned=9">link</a>`,
		`<style>@import url(http://outside.example/a.css); * { display: none }</style>`,
		`<link rel=stylesheet href=http://outside.example/b.css>`,
		`<meta http-equiv=refresh content="0;url=http://outside.example/">`,
		`<base href="http://outside.example/">`,
		`<form action=http://outside.example/><button autofocus>x</button></form>`,
		`<object data=http://outside.example/></object><embed src=http://outside.example/e>`,
		`<template shadowrootmode=open><script>window.pwned=10</script></template>`,
		`<details open ontoggle=window.pwned=11>`,
		`<video><source onerror=window.pwned=12></video>`,
		`" onmouseover="window.pwned=13" x="`,
		`' autofocus onfocus='window.pwned=14`,
		"`${window.pwned=15}`",
		`{{constructor.constructor('window.pwned=16')()}}`,
		`]]><script>window.pwned=17</script>`,
		`--><script>window.pwned=18</script><!--`,
		`&lt;script&gt;window.pwned=19&lt;/script&gt; &amp; &#60;`,
		`javascript:window.pwned=20//`,
		`http://outside.example/not-a-link-that-is-fetched`,
		`data: {"message":"forged"}`,
		`event: shutdown`,
		`id: 00000000-0`,
		`: a comment`,
		`%s%n%x %00 ${jndi:ldap://outside.example/a}`,
		`__proto__ constructor toString hasOwnProperty`,
	)
	add("\x1b[31mred\x1b[0m \x1b[1;4mloud\x1b[m end", "red loud end")
	add("\x1b]8;;http://outside.example/osc\x1b\\a link\x1b]8;;\x1b\\ after", "a link after")
	add("\x1b]0;pwned title\x07title", "title")
	add("\x1b]52;c;cHduZWQ=\x07clipboard", "clipboard")
	add("\x1b[2J\x1b[H\x1b[?1049hclear", "clear")
	add("bell\x07 back\b\b\bspace nul\x00 end", "bell\u2407 back\u2408\u2408\u2408space nul\u2400 end")
	add("safe\u202egnp.exe\u202c end", "safe<U+202E>gnp.exe<U+202C> end")
	add("zero\u200bwidth", "zero<U+200B>width")
	add("one\u2028two\u2029three", "one\u2028two\u2029three")
	add("not \xff\xfe utf \xc3", "not \ufffd\ufffd utf \ufffd")
	add("car\rriage", "car\u240driage")
	add("combining "+strings.Repeat("\u0301", 200)+" zalgo", "combining "+strings.Repeat("\u0301", 200)+" zalgo")
	add("long "+strings.Repeat("x", 100_000), "long "+strings.Repeat("x", 3000))
	add(`{"msg":"proto","__proto__":{"pwned":21},"constructor":{"prototype":{"pwned":22}}}`, "proto")
	add(`{"msg":"<b>bold</b>","<img src=x onerror=window.pwned=23>":"<i>v</i>"}`, "<b>bold</b>")
	add(`{"msg":"deep","d":`+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)+`}`, `{"msg":"deep","d":[[[`) // too deep for JSON, so it is text
	add(`{"msg":{"toString":"x"},"level":["error"],"time":{"$date":1}}`, "toString")
	add(`{"msg":"many",`+fieldsOf(1000)+`"last":1}`, "many")
	add(`{"level":"<script>window.pwned=24</script>","time":"<img src=x onerror=window.pwned=25>","msg":"odd"}`, "odd")
	return all
}

func fieldsOf(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"field%d":"value%d",`, i, i)
	}
	return b.String()
}

func TestNoLineIsMoreThanText(t *testing.T) {
	for _, where := range []string{"live", "file"} {
		t.Run(where, func(t *testing.T) {
			h := newHost(t)
			lines := hostile()
			var text []string
			for _, l := range lines {
				text = append(text, l.line)
			}
			h.append("a.log", "the first is plain\n") // a file of text, to whoever looks
			h.append(`<img src=x onerror=pwned=26>.log`, "of a file with a bad name\n")
			h.start()
			query := ""
			if where == "file" {
				h.write("a.log", text...)
				query = "#" + h.path("a.log")
			}
			b := newPerson(t).newTab(size(1280, 4000), before(`
				window.violations = [];
				addEventListener('securitypolicyviolation', (e) => violations.push(e.violatedDirective + ' ' + e.blockedURI), true);`))
			b.open(h.url + query)
			if where == "live" {
				b.live()
				b.count(2)
				h.write("a.log", text...)
			}
			b.until(drawn + `.some((text) => text === 'odd')`)
			title := eval[string](b, `document.title`)
			seen := b.texts()
			for _, l := range lines {
				found := false
				for _, s := range seen {
					found = found || s == l.seen || strings.HasPrefix(s, l.seen) && (strings.HasPrefix(l.line, "long ") || strings.HasPrefix(l.line, "{")) ||
						strings.HasPrefix(l.line, `{"msg":{`) && strings.Contains(s, l.seen)
				}
				if !found {
					t.Errorf("%.100q is not to be seen as %.100q", l.line, l.seen)
				}
			}
			// All their details, too, and under the mouse.
			n := eval[int](b, `(async () => {
				const all = `+rows+`.map((row) => row.dataset.at);
				const find = (at) => `+rows+`.find((row) => row.dataset.at === at);
				const frames = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
				let n = 0;
				for (const at of all) {
					for (const type of ['mouseover', 'mouseenter', 'pointerover']) for (const el of find(at)?.querySelectorAll('*') ?? []) el.dispatchEvent(new MouseEvent(type, { bubbles: true }));
					find(at)?.querySelector('.line').click();
					await frames();
					if (find(at)?.querySelector('.detail')) n++;
					find(at)?.querySelector('.line').click();
					await frames();
				}
				return n;
			})()`)
			if n < len(lines) {
				t.Errorf("%d rows were opened, want at least one for each of %d lines", n, len(lines))
			}
			if got := eval[string](b, `String(window.pwned)`); got != "undefined" {
				t.Errorf("a line ran: window.pwned is %s", got)
			}
			if got := eval[string](b, `String(({}).pwned)`); got != "undefined" {
				t.Errorf("a line changed what all objects have: %s", got)
			}
			if got := eval[[]string](b, `violations`); len(got) > 0 {
				t.Errorf("against the page's policy: %q", got)
			}
			if got := eval[int](b, `document.querySelectorAll('iframe, object, embed, base, style, script:not([src^="page/"]), main img, main a[href]:not([href^="#"])').length`); got != 0 {
				t.Errorf("%d elements came out of lines", got)
			}
			if got := eval[string](b, `document.title`); got != title {
				t.Errorf("a line has made the title %q", got)
			}
			b.mu.Lock()
			for _, url := range b.asked {
				if !strings.HasPrefix(url, h.url) && !strings.HasPrefix(url, "data:") && !strings.HasPrefix(url, "blob:"+h.url) {
					t.Errorf("the page asked for %s", url)
				}
			}
			b.mu.Unlock()
			if got := needBrowser(t).abroad.asked(outside); len(got) > 0 {
				t.Errorf("the browser asked elsewhere: %q", got)
			}
			b.shot(where)
		})
	}
}

// What is in the address is text as well.
func TestNoAddressIsMoreThanText(t *testing.T) {
	h := up(t, "a.log", "one")
	b := visit(t, h, `?q=<img src=x onerror=window.pwned=1>&exclude="><script>window.pwned=2</script>&highlight=/(((((/&source=<b>x</b>&col=<svg onload=window.pwned=3>&level=zzz&time=zzz&field=<i>=<u>&view=nowhere`).live()
	b.until(`document.querySelector('input.include').value.includes('onerror')`)
	b.open(h.url + "#<img src=x onerror=window.pwned=4>@zz:99999999999999999999")
	b.until(`document.body.dataset.view !== ''`)
	if got := eval[string](b, `String(window.pwned)`); got != "undefined" {
		t.Errorf("the address ran: window.pwned is %s", got)
	}
	b.person.forgive = true // there is no such file
}
