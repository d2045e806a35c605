package page

import (
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// get asks a server of the page.
func get(t *testing.T, method, path string) (*http.Response, string) {
	t.Helper()
	srv := httptest.NewServer(Handler())
	defer srv.Close()
	req, err := http.NewRequestWithContext(t.Context(), method, srv.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// headerText is all that an answer says about itself, aside from its date.
func headerText(h http.Header) string {
	h = h.Clone()
	h.Del("Date")
	h.Del("Content-Length")
	var b strings.Builder
	h.Write(&b)
	return strings.ReplaceAll(b.String(), "\r\n", "\n")
}

const safe = `Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'
`

func TestHeaders(t *testing.T) {
	for _, c := range []struct {
		method, path string
		status       int
		want         string
	}{
		{"GET", "/", 200, "Cache-Control: no-store\n" + safe + "Content-Type: text/html; charset=utf-8\nReferrer-Policy: no-referrer\nVary: Accept-Encoding\nX-Content-Type-Options: nosniff\n"},
		{"GET", "/?view=sources&q=x", 200, "Cache-Control: no-store\n" + safe + "Content-Type: text/html; charset=utf-8\nReferrer-Policy: no-referrer\nVary: Accept-Encoding\nX-Content-Type-Options: nosniff\n"},
		{"GET", "/page/" + Version() + "/main.js", 200, "Cache-Control: public, max-age=31536000, immutable\n" + safe + "Content-Type: text/javascript; charset=utf-8\nReferrer-Policy: no-referrer\nVary: Accept-Encoding\nX-Content-Type-Options: nosniff\n"},
		{"GET", "/page/" + Version() + "/style.css", 200, "Cache-Control: public, max-age=31536000, immutable\n" + safe + "Content-Type: text/css; charset=utf-8\nReferrer-Policy: no-referrer\nVary: Accept-Encoding\nX-Content-Type-Options: nosniff\n"},
		{"GET", "/page/" + Version() + "/icon.png", 200, "Cache-Control: public, max-age=31536000, immutable\n" + safe + "Content-Type: image/png\nReferrer-Policy: no-referrer\nVary: Accept-Encoding\nX-Content-Type-Options: nosniff\n"},
		{"GET", "/nothing", 404, "Cache-Control: no-store\n" + safe + "Content-Type: text/plain; charset=utf-8\nReferrer-Policy: no-referrer\nX-Content-Type-Options: nosniff\n"},
		{"POST", "/", 405, "Allow: GET, HEAD\nCache-Control: no-store\n" + safe + "Content-Type: text/plain; charset=utf-8\nReferrer-Policy: no-referrer\nX-Content-Type-Options: nosniff\n"},
	} {
		resp, _ := get(t, c.method, c.path)
		if got := headerText(resp.Header); resp.StatusCode != c.status || got != c.want {
			t.Errorf("%s %s = %d\n%s, want %d\n%s", c.method, c.path, resp.StatusCode, got, c.status, c.want)
		}
	}
}

func TestWhatIsNotThere(t *testing.T) {
	for _, p := range []string{
		"/index.html", "/main.js", "/page/", "/page/main.js", "/page/000000000000/main.js", "/page/" + Version(),
		"/page/" + Version() + "/", "/page/" + Version() + "/index.html", "/page/" + Version() + "/../page.go", "/page/" + Version() + "/none.js",
	} {
		if resp, _ := get(t, "GET", p); resp.StatusCode != http.StatusNotFound {
			t.Errorf("GET %s = %d, want 404", p, resp.StatusCode)
		}
	}
}

func TestHead(t *testing.T) {
	for _, p := range []string{"/", "/page/" + Version() + "/main.js"} {
		_, want := get(t, "GET", p)
		resp, body := get(t, "HEAD", p)
		if resp.StatusCode != 200 || body != "" || resp.ContentLength != int64(len(want)) {
			t.Errorf("HEAD %s = %d, %d bytes of body, length %d, want 200, none, %d", p, resp.StatusCode, len(body), resp.ContentLength, len(want))
		}
	}
}

func TestVersion(t *testing.T) {
	if v := Version(); !regexp.MustCompile(`^[0-9a-f]{12}$`).MatchString(v) {
		t.Errorf("Version() = %q, want 12 hexadecimal digits", v)
	}
	_, index := get(t, "GET", "/")
	if strings.Contains(index, placeholder) || !strings.Contains(index, "page/"+Version()+"/main.js") {
		t.Errorf("index.html does not name version %s:\n%s", Version(), index)
	}
	one := func(name, content string) string {
		a, err := read(fstest.MapFS{"app/index.html": {Data: []byte("x")}, "app/" + name: {Data: []byte(content)}})
		if err != nil {
			t.Fatal(err)
		}
		return a.version
	}
	if one("a.js", "1") == one("a.js", "2") || one("a.js", "1") == one("b.js", "1") {
		t.Error("another content or another name has the same version")
	}
	if _, err := read(fstest.MapFS{"app/x.exe": {Data: []byte("x")}}); err == nil {
		t.Error("read takes a file without a content type")
	}
}

// eachAsset calls fn with each file of the page.
func eachAsset(t *testing.T, fn func(name, content string)) {
	t.Helper()
	err := fs.WalkDir(files, "app", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, name)
		fn(strings.TrimPrefix(name, "app/"), string(content))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// forbidden makes HTML or code of text, is refused by our own policy, or asks
// another machine.
var forbidden = regexp.MustCompile(`(?i)innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|\bstyle=|\bon[a-z]+=|https?://`)

func TestAssetsAreHarmless(t *testing.T) {
	eachAsset(t, func(name, content string) {
		if path.Ext(name) == ".png" {
			return
		}
		if found := forbidden.FindString(content); found != "" {
			t.Errorf("%s contains %q", name, found)
		}
	})
	for _, bad := range []string{`el.innerHTML = x`, `<p style="x">`, `<p onclick="x">`, `eval(x)`, `fetch("https://x")`} {
		if !forbidden.MatchString(bad) {
			t.Errorf("forbidden does not match %q", bad)
		}
	}
}

func TestModulesAreSmall(t *testing.T) {
	eachAsset(t, func(name, content string) {
		if n := strings.Count(content, "\n"); path.Ext(name) == ".js" && n > 500 {
			t.Errorf("%s has %d lines, want at most 500", name, n)
		}
	})
}

// links are what a file names that is to be loaded.
func links(name, content string) (all []string) {
	var re *regexp.Regexp
	switch path.Ext(name) {
	case ".js":
		re = regexp.MustCompile(`(?m)^(?:import|export) .*?from '([^']+)'|new URL\('([^']+\.js)'|import\('([^']+)'\)`)
	case ".html":
		re = regexp.MustCompile(`(?:src|href)="([^"]+)"`)
	case ".css":
		re = regexp.MustCompile(`url\(([^)]+)\)|@import "([^"]+)"`)
	default:
		return nil
	}
	for _, m := range re.FindAllStringSubmatch(content, -1) {
		all = append(all, strings.Join(m[1:], ""))
	}
	return all
}

func TestLinksLead(t *testing.T) {
	linked := map[string]bool{"index.html": true}
	eachAsset(t, func(name, content string) {
		for _, link := range links(name, content) {
			to, relative := strings.CutPrefix(link, "./")
			if path.Ext(name) == ".html" {
				to, relative = strings.CutPrefix(link, "page/"+placeholder+"/")
			}
			if _, err := fs.Stat(files, "app/"+to); !relative || err != nil {
				t.Errorf("%s names %q, want a relative name of a file (%v)", name, link, err)
			}
			linked[to] = true
		}
	})
	eachAsset(t, func(name, _ string) {
		if !linked[name] {
			t.Errorf("%s is loaded by nothing", name)
		}
	})
}

// What the page may have in bytes: on its way to a browser, and as files.
const budget, sourceBudget = 150_000, 205_000

func TestSize(t *testing.T) {
	sent, total, all := len(load().index.zipped), 0, []string{}
	for _, file := range load().named {
		sent += len(file.zipped)
	}
	eachAsset(t, func(name, content string) {
		total += len(content)
		all = append(all, fmt.Sprintf("%7d %s", len(content), name))
	})
	if slices.Sort(all); sent > budget || total > sourceBudget {
		t.Errorf("the page is sent in %d bytes and has %d, want at most %d and %d:\n%s", sent, total, budget, sourceBudget, strings.Join(all, "\n"))
	}
	t.Logf("sent in %d bytes, of %d", sent, total)
}

func TestGzip(t *testing.T) {
	srv := httptest.NewServer(Handler())
	defer srv.Close()
	for _, p := range []string{"/", "/page/" + Version() + "/main.js"} {
		_, want := get(t, "GET", p)
		for accept, encoding := range map[string]string{"gzip": "gzip", "deflate, gzip, br": "gzip", "br": "", "": "", "gzip;q=0": ""} {
			req, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL+p, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Accept-Encoding", accept)
			resp, err := srv.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body := io.Reader(resp.Body)
			if got := resp.Header.Get("Content-Encoding"); got != encoding {
				t.Errorf("GET %s, accepting %q: encoding %q, want %q", p, accept, got, encoding)
			} else if got == "gzip" {
				if body, err = gzip.NewReader(resp.Body); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := io.ReadAll(body); err != nil || string(got) != want {
				t.Errorf("GET %s, accepting %q = %d bytes, %v, want %d", p, accept, len(got), err, len(want))
			}
			resp.Body.Close()
		}
	}
}

func Example() {
	srv := httptest.NewServer(Handler())
	defer srv.Close()
	resp, err := http.Get(srv.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status, resp.Header.Get("Content-Type"))
	// Output: 200 OK text/html; charset=utf-8
}
