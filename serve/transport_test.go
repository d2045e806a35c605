package serve_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fairlead/serve"
)

// The line protocol over anything that is a net.Listener.
func TestServeTransports(t *testing.T) {
	cert := selfSigned(t)
	for name, listen := range map[string]func(t *testing.T) (net.Listener, func() (net.Conn, error)){
		"unix": func(t *testing.T) (net.Listener, func() (net.Conn, error)) {
			ln := listenOn(t, "unix")
			return ln, func() (net.Conn, error) { return net.Dial("unix", ln.Addr().String()) }
		},
		"tls": func(t *testing.T) (net.Listener, func() (net.Conn, error)) {
			ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
			if err != nil {
				t.Fatal(err)
			}
			return ln, func() (net.Conn, error) {
				return tls.Dial("tcp", ln.Addr().String(), &tls.Config{InsecureSkipVerify: true})
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			leakFree(t)
			path := filepath.Join(t.TempDir(), "app.log")
			text := content(1, 0, 4<<20)
			if err := os.WriteFile(path, text, 0o644); err != nil {
				t.Fatal(err)
			}
			srv := &serve.Server{Files: newSet()}
			if err := srv.Files.Add(path); err != nil {
				t.Fatal(err)
			}
			ln, dial := listen(t)
			r := startOn(t, srv, ln, path)
			c, err := dial()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(patience))
			io.WriteString(c, "0\n")
			got := make([]byte, len(text))
			if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, text) {
				t.Fatalf("read %d bytes, %v, foreign from %d on, want the file", len(got), err, foreign(got))
			}
			appendTo(t, path, "more\n")
			want(t, c, "more\n")
			rename(t, path, path+".1")
			wantEnd(t, c)
			c.Close()
			r.clients(0)

			write(t, path, "next\n")
			gone, err := dial()
			if err != nil {
				t.Fatal(err)
			}
			defer gone.Close()
			io.WriteString(gone, "0\n")
			want(t, gone, "next\n")
			if tcp, ok := gone.(*tls.Conn); ok {
				tcp.NetConn().(*net.TCPConn).SetLinger(0)
				tcp.NetConn().Close()
			}
			gone.Close() // a unix socket is closed as seen at once
			r.clients(0)
		})
	}
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}
}
