//go:build unix

package trust_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fairlead/trust"
)

// askEnv makes the test binary a client: for each line METHOD PATH [TOKEN] of its
// standard input it asks the server at this URL, and prints the status. A URL that
// begins with a slash is a unix socket.
const askEnv = "FAIRLEAD_TEST_ASK"

func askEach(base string) int {
	client := http.Client{Timeout: 20 * time.Second}
	if strings.HasPrefix(base, "/") {
		socket := base
		base = "http://localhost"
		client.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		}}
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := append(strings.Fields(lines.Text()), "")
		req, err := http.NewRequest(words[0], base+words[1], nil)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		if words[2] != "" {
			req.Header.Set("Authorization", "Bearer "+words[2])
		}
		resp, err := client.Do(req)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		resp.Body.Close()
		fmt.Println(resp.StatusCode)
	}
	return 0
}

// askAs has a process of that user ask, and returns the statuses.
func askAs(t *testing.T, uid uint32, base string, questions ...string) []string {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), askEnv+"="+base, "GORACE=atexit_sleep_ms=0")
	cmd.Dir = "/"
	cmd.Stdin = strings.NewReader(strings.Join(questions, "\n"))
	cmd.Stderr = os.Stderr
	if int(uid) != os.Getuid() {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

// T33: any local account reaches loopback. Without a token it gets nothing, on
// any route; ours and root may read, and nobody may act.
func TestT33OtherUser(t *testing.T) {
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		t.Skip("needs Linux and root, to be another user for a moment")
	}
	s := newSite(t)
	routes := []string{"/", "/stream", "/stream?tail=10", "/entries/app.log", "/logs", "/logs/app.log", "/status", "/why?path=x", "/metrics", "/no/such"}
	for _, tt := range []struct{ network, host string }{
		{"tcp4", "127.0.0.1"}, {"tcp6", "::1"}, {"tcp", "127.0.0.1"}, {"tcp", "::1"}, {"unix", ""},
	} {
		t.Run(strings.TrimSpace(tt.network+" "+tt.host), func(t *testing.T) {
			ln := listen(t, tt.network)
			base := ln.Addr().String()
			if port := s.serve(t, ln); port != 0 {
				base = "http://" + net.JoinHostPort(tt.host, strconv.Itoa(port))
			}
			for uid, reads := range map[uint32]string{stranger: "401", uint32(os.Getuid()): "200"} {
				var questions, want []string
				q := func(status, question string) {
					questions, want = append(questions, question), append(want, status)
				}
				for _, route := range routes {
					q(reads, "GET "+route)
					q(reads, "HEAD "+route)
					q("401", "POST "+route)
					q("401", "DELETE "+route)
					q("200", "GET "+route+" "+s.view)
					q("403", "POST "+route+" "+s.view)
					q("200", "POST "+route+" "+s.act)
					q("401", "GET "+route+" "+s.revoked)
				}
				q("200", "GET /healthz")
				q("401", "POST /healthz")
				got := askAs(t, uid, base, questions...)
				for i := range want {
					if i >= len(got) || got[i] != want[i] {
						t.Errorf("user %d asks %s: %s = %v, want %s", uid, base, questions[i], got[min(i, len(got)-1)], want[i])
					}
				}
			}
		})
	}
}

// The system is asked once per connection, and only if somebody wants to know.
func TestPeerIsOurs(t *testing.T) {
	if ours, known := trust.PeerIsOurs(t.Context()); ours || known {
		t.Errorf("PeerIsOurs(no connection) = %v, %v, want false, false", ours, known)
	}
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells who is at the other end")
	}
	ln := listen(t, "tcp4")
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	asked, late := trust.WithPeer(t.Context(), conn), trust.WithPeer(t.Context(), conn)
	if ours, known := trust.PeerIsOurs(asked); !ours || !known {
		t.Errorf("PeerIsOurs(ours) = %v, %v, want true, true", ours, known)
	}
	client.Close()
	conn.Read(make([]byte, 1)) // until its FIN is here
	if ours, known := trust.PeerIsOurs(asked); !ours || !known {
		t.Errorf("PeerIsOurs(ours, closed since) = %v, %v, want what was known", ours, known)
	}
	if ours, known := trust.PeerIsOurs(late); ours || known {
		t.Errorf("PeerIsOurs(closed before it was asked) = %v, %v, want false, false", ours, known)
	}
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if ours, known := trust.PeerIsOurs(trust.WithPeer(t.Context(), a)); ours || known {
		t.Errorf("PeerIsOurs(pipe) = %v, %v, want false, false", ours, known)
	}
}
