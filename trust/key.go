package trust

import (
	"bytes"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"

	"github.com/nats-io/nkeys"

	"fairlead/internal/durable"
)

// A PublicKey is what a machine is known by: an Ed25519 key. Two are the same if
// they are equal. Its text is that of a NATS user's nkey: U and 55 letters and
// digits.
type PublicKey [ed25519.PublicKeySize]byte

// ParsePublicKey reads a key from its text, which there is one of.
func ParsePublicKey(s string) (k PublicKey, err error) {
	raw, err := nkeys.Decode(nkeys.PrefixByteUser, []byte(s))
	if err != nil || copy(k[:], raw) != len(raw) || len(raw) != len(k) || k.String() != s {
		if _, _, secret := nkeys.DecodeSeed([]byte(s)); secret == nil {
			return PublicKey{}, errors.New("that is a secret key, which nobody is to be shown: the public one begins with U, and `fairlead key` prints it")
		}
		return PublicKey{}, fmt.Errorf("%q is no public key of a machine: that is U and 55 letters and digits, as `fairlead key` prints it", clip(s))
	}
	return k, nil
}

// clip keeps what is quoted from growing with what came.
func clip(s string) string { return s[:min(len(s), 100)] }

func (k PublicKey) String() string {
	text, err := nkeys.Encode(nkeys.PrefixByteUser, k[:])
	if err != nil {
		panic("bug: a public key has no text: " + err.Error())
	}
	return string(text)
}

// MarshalText is String.
func (k PublicKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText is [ParsePublicKey].
func (k *PublicKey) UnmarshalText(text []byte) (err error) {
	*k, err = ParsePublicKey(string(text))
	return err
}

// Verify says whether the machine with this key has signed data.
func (k PublicKey) Verify(data, sig []byte) bool { return ed25519.Verify(k[:], data, sig) }

// A Key is what a machine proves with that it is itself: to NATS, in TLS, and in
// what it signs.
type Key struct {
	private     ed25519.PrivateKey
	certificate tls.Certificate
}

// OpenKey returns the key in a file, and makes both where there is no file. All
// who do that at once get the same key. A file that others can read is refused,
// with the cure.
func OpenKey(path string) (*Key, error) {
	k, err := readKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	err = durable.Create(path, func(f *os.File) error {
		pair, err := nkeys.CreateUser()
		if err != nil {
			return err
		}
		seed, err := pair.Seed()
		if err != nil {
			return err
		}
		if _, err := f.Write(append(seed, '\n')); err != nil {
			return err
		}
		return giveToOwner(path, f)
	})
	if err != nil && !errors.Is(err, fs.ErrExist) { // another process may have been faster
		return nil, fmt.Errorf("make the key %s: %w", path, err)
	}
	return readKey(path)
}

// maxKey is more than the file of a key can have, in bytes.
const maxKey = 256

func readKey(path string) (*Key, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|openAsIs, 0)
	if err != nil {
		if fi, failed := os.Lstat(path); failed == nil && !fi.Mode().IsRegular() {
			return nil, notRegular(path)
		}
		return nil, fmt.Errorf("read the key of this machine: %w", err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := safeKey(path, fi); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKey))
	if err != nil {
		return nil, fmt.Errorf("read the key of this machine: %w", err)
	}
	kind, seed, err := nkeys.DecodeSeed(bytes.TrimSpace(text))
	if err != nil || kind != nkeys.PrefixByteUser || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("%s holds no key of a machine: bring it back from a backup, or move it away; "+
			"then a new key is made, and other machines have to be told of it", path)
	}
	k := &Key{private: ed25519.NewKeyFromSeed(seed)}
	k.certificate, err = selfSigned(k.private)
	return k, err
}

// safeKey says why a file is no place for a secret.
func safeKey(path string, fi fs.FileInfo) error {
	switch {
	case !fi.Mode().IsRegular():
		return notRegular(path)
	case !ownedByUs(path, fi):
		return fmt.Errorf("%s belongs to another user: run this as that user, or as root", path)
	case fi.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows":
		return fmt.Errorf("%s can be read by others (mode %#o): `chmod 600 %[1]s`; if one of them may have read it, "+
			"move it away instead, so that a new key is made, and remove the old one from `trusted` on the other machines",
			path, fi.Mode().Perm())
	}
	return nil
}

// Public is the key that others know this machine by.
func (k *Key) Public() (public PublicKey) {
	copy(public[:], k.private[ed25519.SeedSize:])
	return public
}

// Sign returns the signature of data, 64 bytes, which [PublicKey.Verify] checks.
func (k *Key) Sign(data []byte) []byte { return ed25519.Sign(k.private, data) }
