package trust_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"fairlead/trust"
)

const testALPN = "fairlead-test/1"

// within bounds what a test waits for.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// tlsServer answers TLS 1.3 with the certificates in turn, and says what became of
// each connection: the client's first byte, or an error.
func tlsServer(t *testing.T, config *tls.Config) (addr string, ends <-chan error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	results := make(chan error, 10)
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			c := tls.Server(conn, config)
			c.SetDeadline(time.Now().Add(10 * time.Second))
			_, err = io.ReadFull(c, make([]byte, 1))
			results <- err
			c.Close()
		}
	}()
	return ln.Addr().String(), results
}

// certificateOf makes a certificate for a key that is signed by signer, whose name
// it bears.
func certificateOf(t *testing.T, public any, signer any, edit func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	if edit != nil {
		edit(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, signer)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: signer}
}

func publicOf(key ed25519.PublicKey) (k trust.PublicKey) {
	copy(k[:], key)
	return k
}

// The pin is the key: names and dates say nothing, and what is not signed by the
// key itself, or is another kind of key, is refused.
func TestDialPins(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	otherPublic, other, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	nist, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := certificateOf(t, public, private, nil)
	dated := func(from, to time.Time) tls.Certificate {
		return certificateOf(t, public, private, func(c *x509.Certificate) { c.NotBefore, c.NotAfter = from, to })
	}
	foreign := certificateOf(t, otherPublic, private, nil) // names a key that did not sign it
	foreign.PrivateKey = other
	chain := good
	chain.Certificate = append([][]byte{good.Certificate[0]}, foreign.Certificate[0])
	for name, tt := range map[string]struct {
		shown tls.Certificate
		want  ed25519.PublicKey
		alpn  []string
		max   uint16
		err   string
	}{
		"the key":                   {good, public, []string{testALPN}, 0, ""},
		"F43 expired in 1970":       {dated(time.Unix(0, 0), time.Unix(1, 0)), public, []string{testALPN}, 0, ""},
		"F43 not before 2100":       {dated(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2101, 1, 1, 0, 0, 0, 0, time.UTC)), public, []string{testALPN}, 0, ""},
		"another key":               {certificateOf(t, otherPublic, other, nil), public, []string{testALPN}, 0, "has the key"},
		"signed by another":         {foreign, otherPublic, []string{testALPN}, 0, "not signed by its own key"},
		"another kind of key":       {certificateOf(t, nist.Public(), nist, nil), public, []string{testALPN}, 0, "no Ed25519 key"},
		"two certificates":          {chain, public, []string{testALPN}, 0, "2 certificates"},
		"TLS 1.2":                   {good, public, []string{testALPN}, tls.VersionTLS12, "protocol version"},
		"another protocol":          {good, public, []string{"h2"}, 0, "no application protocol"},
		"a server without protocol": {good, public, nil, 0, "does not speak " + testALPN},
	} {
		t.Run(name, func(t *testing.T) {
			addr, ends := tlsServer(t, &tls.Config{Certificates: []tls.Certificate{tt.shown}, NextProtos: tt.alpn, MaxVersion: tt.max})
			conn, err := newKey(t).Dial(within(t), "tcp", addr, publicOf(tt.want), testALPN)
			if err == nil {
				if key, ok := trust.PeerKey(conn); !ok || key != publicOf(tt.want) {
					t.Errorf("PeerKey = %v, %v, want %v", key, ok, publicOf(tt.want))
				}
				conn.Write([]byte("x"))
				conn.Close()
			}
			if got := <-ends; (got == nil) != (tt.err == "") {
				t.Errorf("the server got %v", got)
			}
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("Dial = %v, want %q", err, tt.err)
			}
			if wrong := (*trust.WrongKeyError)(nil); errors.As(err, &wrong) != (name == "another key") {
				t.Errorf("Dial = %v: is it a WrongKeyError?", err)
			}
		})
	}
}

// A server that resumes sessions cannot have a wrong key taken for the right one:
// each connection is pinned, also the second.
func TestDialAgainIsPinnedAgain(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	addr, ends := tlsServer(t, &tls.Config{
		Certificates: []tls.Certificate{certificateOf(t, public, private, nil)}, NextProtos: []string{testALPN},
	}) // with session tickets
	key := newKey(t)
	for range 3 {
		conn, err := key.Dial(within(t), "tcp", addr, publicOf(public), testALPN)
		if err != nil {
			t.Fatal(err)
		}
		if conn.ConnectionState().DidResume {
			t.Error("a session was resumed")
		}
		conn.Write([]byte("x"))
		<-ends
		conn.Close()
		if _, err := key.Dial(within(t), "tcp", addr, key.Public(), testALPN); err == nil {
			t.Error("Dial for another key = nil after a good connection, want an error")
		}
		<-ends
	}
}

// A server that says nothing, or too much, is given up.
func TestDialEnds(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ctx, cancel := context.WithCancel(within(t))
	go func() {
		conn, err := ln.Accept()
		if err == nil {
			defer conn.Close()
			io.ReadFull(conn, make([]byte, 1)) // the ClientHello: it waits for us now
		}
		cancel()
		<-within(t).Done()
	}()
	if _, err := newKey(t).Dial(ctx, "tcp", ln.Addr().String(), trust.PublicKey{}, testALPN); !errors.Is(err, context.Canceled) {
		t.Errorf("Dial of a silent server = %v, want %v", err, context.Canceled)
	}
}

func TestPeerKeyOfOthers(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if key, ok := trust.PeerKey(a); ok {
		t.Errorf("PeerKey of a pipe = %v", key)
	}
	if key, ok := trust.PeerKey(tls.Client(a, &tls.Config{InsecureSkipVerify: true})); ok {
		t.Errorf("PeerKey before the handshake = %v", key)
	}
}
