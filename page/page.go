package page

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
)

//go:embed app
var files embed.FS

// In index.html these stand for the version, and for links to all modules, so that a
// browser fetches them at once and not one import after the other.
const (
	placeholder = "{{version}}"
	preloads    = "{{modules}}"
)

// policy lets the page load what is ours and run nothing that came in a log.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
	"frame-ancestors 'none'; base-uri 'none'"

// contentTypes are those of the files, by their ending.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".png":  "image/png",
}

// assets are the files of the page.
type assets struct {
	version string
	index   asset
	named   map[string]asset // by their names below /page/VERSION/
}

// An asset is a file as it is, and as it is sent to whoever takes gzip.
type asset struct{ plain, zipped []byte }

func newAsset(plain []byte) asset {
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	zip.Write(plain) // into memory, as Close does
	zip.Close()
	return asset{plain, b.Bytes()}
}

var load = sync.OnceValue(func() assets {
	a, err := read(files)
	if err != nil {
		panic("bug: the page is not embedded as a whole: " + err.Error())
	}
	return a
})

// read takes the files in order of name, which is what the version is of.
func read(from fs.FS) (assets, error) {
	a := assets{named: make(map[string]asset)}
	var index []byte
	sum := sha256.New()
	err := fs.WalkDir(from, "app", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(from, name)
		if err != nil {
			return err
		}
		if contentTypes[path.Ext(name)] == "" {
			return fmt.Errorf("%s has no content type", name)
		}
		name = strings.TrimPrefix(name, "app/")
		fmt.Fprintf(sum, "%s %d\n", name, len(content))
		sum.Write(content)
		if name == "index.html" {
			index = content
		} else {
			a.named[name] = newAsset(content)
		}
		return nil
	})
	a.version = hex.EncodeToString(sum.Sum(nil))[:12]
	var links strings.Builder
	for _, name := range slices.Sorted(maps.Keys(a.named)) {
		if path.Ext(name) == ".js" {
			fmt.Fprintf(&links, "<link rel=\"modulepreload\" href=\"page/%s/%s\">\n", placeholder, name)
		}
	}
	text := strings.Replace(string(index), preloads, links.String(), 1)
	a.index = newAsset([]byte(strings.ReplaceAll(text, placeholder, a.version)))
	return a, err
}

// Version names the page that Handler serves: 12 hexadecimal digits of its
// content.
func Version() string { return load().version }

// Handler serves the page: GET / and GET /page/VERSION/FILE.
func Handler() http.Handler { return http.HandlerFunc(load().serve) }

func (a assets) serve(w http.ResponseWriter, r *http.Request) {
	header(w.Header())
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, r.Method+" is not for the page: use GET or HEAD", http.StatusMethodNotAllowed)
		return
	}
	name, file := "index.html", a.index
	if r.URL.Path != "/" {
		name = strings.TrimPrefix(r.URL.Path, "/page/"+a.version+"/")
		file = a.named[name]
	}
	if file.plain == nil {
		http.Error(w, "the page has no such file; it begins at /", http.StatusNotFound)
		return
	}
	h := w.Header()
	if r.URL.Path != "/" {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	h.Set("Content-Type", contentTypes[path.Ext(name)])
	h.Set("Vary", "Accept-Encoding")
	content := file.plain
	if takesGzip(r) {
		content = file.zipped
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Length", fmt.Sprint(len(content)))
	if r.Method == http.MethodGet {
		io.Copy(w, bytes.NewReader(content))
	}
}

// takesGzip reads Accept-Encoding as browsers write it.
func takesGzip(r *http.Request) bool {
	for word := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		if strings.TrimSpace(word) == "gzip" {
			return true
		}
	}
	return false
}

// header sets what every answer has, also one that refuses.
func header(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
}
