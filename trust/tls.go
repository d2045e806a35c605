package trust

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"

	"fairlead/internal/tcp"
)

// A WrongKeyError says that another machine answers than the one that was meant.
type WrongKeyError struct{ Want, Got PublicKey }

func (e *WrongKeyError) Error() string {
	return fmt.Sprintf("the machine there has the key %s, and not %s: it is another one, or somebody is in between", e.Got, e.Want)
}

// selfSigned wraps a key into the certificate that TLS needs. It says nothing but
// the key: no name, and no dates that a clock could disagree with.
func selfSigned(private ed25519.PrivateKey) (tls.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Unix(0, 0),
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), // RFC 5280: never
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}, nil
}

// keyOf returns the key of the machine at the other end. That it has the key
// the handshake proves, which is over only then; that the certificate says so is
// checked here, and nothing else in it counts.
func keyOf(state tls.ConnectionState) (key PublicKey, err error) {
	if len(state.PeerCertificates) != 1 {
		return key, fmt.Errorf("the peer shows %d certificates, want the one of its key", len(state.PeerCertificates))
	}
	c := state.PeerCertificates[0]
	public, ok := c.PublicKey.(ed25519.PublicKey)
	if !ok || copy(key[:], public) != len(key) {
		return PublicKey{}, errors.New("the peer's certificate has no Ed25519 key")
	}
	if c.SignatureAlgorithm != x509.PureEd25519 || !ed25519.Verify(public, c.RawTBSCertificate, c.Signature) {
		return PublicKey{}, errors.New("the peer's certificate is not signed by its own key")
	}
	return key, nil
}

// PeerKey returns the key of the machine at the other end of a connection that
// [Key.Dial] or a [Port] has made. ok is false for every other.
func PeerKey(conn net.Conn) (key PublicKey, ok bool) {
	c, isTLS := conn.(interface{ ConnectionState() tls.ConnectionState })
	if !isTLS {
		return key, false
	}
	state := c.ConnectionState()
	if !state.HandshakeComplete {
		return key, false
	}
	key, err := keyOf(state)
	return key, err == nil
}

// config is what both sides of a connection have in common: TLS 1.3, the
// machine's key, and check, which has the last word. No session is resumed, so
// that no key is taken for granted; check is asked all the same if one were.
func (k *Key) config(check func(tls.ConnectionState) error) *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		Certificates:           []tls.Certificate{k.certificate},
		InsecureSkipVerify:     true, // of chains, names and dates: keys are compared instead
		ClientAuth:             tls.RequireAnyClientCert,
		SessionTicketsDisabled: true,
		VerifyConnection:       check,
	}
}

// handshakeLimit is how long [Key.Dial] waits for a connection, and then for the
// other machine to prove its key: more than a server grants, because a link by
// satellite has both ways to go.
const handshakeLimit = 10 * time.Second

// Dial connects to the machine with the key want, for the protocol that alpn
// names, and returns when that machine has proved its key. Whether it accepts ours
// is known only with its first byte. One that vanishes later is noticed within a
// minute. Another machine's key is a [*WrongKeyError].
func (k *Key) Dial(ctx context.Context, network, addr string, want PublicKey, alpn string) (*tls.Conn, error) {
	dialer := net.Dialer{Timeout: handshakeLimit}
	conn, err := dialer.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	if c, ok := conn.(*net.TCPConn); ok {
		tcp.TunePeer(c)
	}
	config := k.config(func(state tls.ConnectionState) error {
		got, err := keyOf(state)
		if err == nil && got != want {
			err = &WrongKeyError{want, got}
		}
		return err
	})
	config.NextProtos = []string{alpn}
	secured := tls.Client(conn, config)
	limited, cancel := context.WithTimeout(ctx, handshakeLimit)
	defer cancel()
	err = secured.HandshakeContext(limited)
	if err == nil && secured.ConnectionState().NegotiatedProtocol != alpn {
		err = fmt.Errorf("it does not speak %s", alpn)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("connect to %s: %w", addr, cmp.Or(ctx.Err(), err))
	}
	return secured, nil
}
