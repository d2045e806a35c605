package serve_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"fairlead/serve"
)

// askAs runs a client as another user and returns what it got.
func askAs(t *testing.T, uid uint32, addr string, args ...string) string {
	t.Helper()
	cmd := command(t, "ask", addr, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// T33, as far as it is ours: any local account reaches loopback. It gets what it
// could read itself.
func TestT33OtherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to be another user for a moment")
	}
	const nobody = 65534
	dir, err := os.MkdirTemp("", "serve")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o755)
	mkdir := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		os.Mkdir(path, 0o755)
		os.Chmod(path, mode)
		return path
	}
	open, closed := mkdir("open", 0o755), mkdir("closed", 0o750)
	file := func(path string, mode os.FileMode) string {
		write(t, path, filepath.Base(path)+"\n")
		os.Chmod(path, mode)
		return path
	}
	public := file(filepath.Join(open, "public.log"), 0o644)
	secret := file(filepath.Join(open, "secret.log"), 0o640)
	hidden := file(filepath.Join(closed, "hidden.log"), 0o644)
	link := filepath.Join(open, "link.log")
	os.Symlink(hidden, link)

	for _, share := range []bool{false, true} {
		t.Run(fmt.Sprintf("share local %v", share), func(t *testing.T) {
			r := start(t, &serve.Server{ShareLocal: share}, public, secret, hidden, link).web()
			unix := filepath.Join(open, "socket")
			ln, err := net.Listen("unix", unix)
			if err != nil {
				t.Fatal(err)
			}
			os.Chmod(unix, 0o666)
			also := startOn(t, &serve.Server{ShareLocal: share, Files: newSet()}, ln)
			for _, path := range []string{public, secret, hidden, link} {
				if err := also.srv.Files.Add(path); err != nil {
					t.Fatal(err)
				}
			}
			web := strings.TrimPrefix(r.http, "http://")
			for _, path := range []string{public, secret, hidden, link} {
				name := filepath.Base(path)
				text := map[bool]string{true: name + "\n"}
				if path == link {
					text[true] = "hidden.log\n"
				}
				gets := share || path == public
				for _, addr := range []string{r.addr, unix} {
					if got := askAs(t, nobody, addr, path, "0"); got != text[gets] {
						t.Errorf("share %v: nobody asks %s for %s and gets %q, want %q", share, addr, name, got, text[gets])
					}
					if got := askAs(t, 0, addr, path, "0"); got != text[true] {
						t.Errorf("share %v: root asks %s for %s and gets %q, want %q", share, addr, name, got, text[true])
					}
				}
				for _, query := range []string{"", "?offset=100", "?from=start"} {
					got := askAs(t, nobody, web, "http:/logs"+path+query)
					if refused := strings.HasPrefix(got, "HTTP/1.0 403") || strings.HasPrefix(got, "HTTP/1.1 403"); refused == gets {
						t.Errorf("share %v: nobody GETs %s%s: %q, want refused %v", share, name, query, got, !gets)
					}
					if !gets && (!strings.Contains(got, "--share-local") || strings.Contains(strings.ToLower(got), "etag")) {
						t.Errorf("share %v: nobody GETs %s%s: %q, want the cure, and no ETag", share, name, query, got)
					}
				}
			}
			if got := r.resets("refused"); (got == 0) != share {
				t.Errorf("share %v: Resets[refused] = %d", share, got)
			}
			wantListed(t, askAs(t, nobody, web, "http:/logs"), map[bool]int{false: 1, true: 4}[share])
			wantListed(t, askAs(t, 0, web, "http:/logs"), 4)
		})
	}
}

func wantListed(t *testing.T, response string, n int) {
	t.Helper()
	_, body, _ := strings.Cut(response, "\r\n\r\n")
	var list []struct{ Name string }
	if err := json.Unmarshal([]byte(body), &list); err != nil || len(list) != n {
		t.Errorf("GET /logs = %q, %v, want %d entries", body, err, n)
	}
}

// A copy of another machine's log is for those who may read its file in the store.
func TestT33Told(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to be another user for a moment")
	}
	const nobody = 65534
	for mode, gets := range map[os.FileMode]bool{0o600: false, 0o644: true} {
		t.Run(mode.String(), func(t *testing.T) {
			dir, err := os.MkdirTemp("", "serve")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(dir) })
			os.Chmod(dir, 0o755)
			srv := &serve.Server{Files: newSet()}
			c := &receiver{t: t, dir: dir, told: srv.Files.Told(toldName)}
			g := c.begin("one\n")
			os.Chmod(g.Path, mode)
			r := start(t, srv).web()
			if got := askAs(t, nobody, r.addr, toldName, "0"); got != map[bool]string{true: "one\n"}[gets] {
				t.Errorf("nobody asks and gets %q", got)
			}
			wantListed(t, askAs(t, nobody, strings.TrimPrefix(r.http, "http://"), "http:/logs"), map[bool]int{true: 1}[gets])
		})
	}
}

// A stranger who waits for a file is refused when it comes and is not for him,
// and one who follows when the next generation is not.
func TestT33LaterGenerations(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to be another user for a moment")
	}
	const nobody = 65534
	dir, err := os.MkdirTemp("", "serve")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o755)
	path := filepath.Join(dir, "app.log")
	r := start(t, &serve.Server{AtEnd: serve.AtEndFollow}, path)
	got := make(chan string)
	go func() { got <- askAs(t, nobody, r.addr, "0") }()
	r.clients(1)
	write(t, path+".new", "secret\n")
	os.Chmod(path+".new", 0o600)
	rename(t, path+".new", path)
	if s := <-got; s != "" {
		t.Errorf("nobody waited and got %q, want nothing", s)
	}
	if n := r.resets("refused"); n != 1 {
		t.Errorf("Resets[refused] = %d, want 1", n)
	}
}
