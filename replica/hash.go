package replica

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
)

// LeafSize is how many bytes have a hash of their own.
const LeafSize = 1 << 20

// A Hash is a SHA-256.
type Hash [sha256.Size]byte

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

func sum(p []byte) Hash { return sha256.Sum256(p) }

// emptyHash is the SHA-256 of nothing.
var emptyHash = sum(nil)

// Proof is H(n): SHA-256 over the hashes of all full leaves, the SHA-256 of the
// rest, and n as 64 bits, big end first. There are n / [LeafSize] leaves.
func Proof(leaves []Hash, rest Hash, n int64) Hash {
	sum := sha256.New()
	for i := range leaves {
		sum.Write(leaves[i][:])
	}
	sum.Write(rest[:])
	var end [8]byte
	binary.BigEndian.PutUint64(end[:], uint64(n))
	sum.Write(end[:])
	return Hash(sum.Sum(nil))
}

// A Tree hashes bytes as they are appended. The zero Tree has none.
type Tree struct {
	leaves []Hash
	rest   hash.Hash // of what is behind the last full leaf; nil: nothing is
	n      int64
}

// NewTree returns the tree of leaves and what is behind the last of them, less
// than a leaf.
func NewTree(leaves []Hash, rest []byte) *Tree {
	t := &Tree{leaves: leaves, n: int64(len(leaves)) * LeafSize}
	t.Write(rest)
	return t
}

// N returns the number of bytes.
func (t *Tree) N() int64 { return t.n }

// Leaves returns the hashes of all full leaves; they are not to be changed.
func (t *Tree) Leaves() []Hash { return t.leaves }

// Room is how many bytes are missing to the end of the leaf: 1 to LeafSize.
func (t *Tree) Room() int64 { return LeafSize - t.n%LeafSize }

// Write appends bytes. It never fails.
func (t *Tree) Write(p []byte) (int, error) {
	written := len(p)
	for len(p) > 0 {
		if t.rest == nil {
			t.rest = sha256.New()
		}
		part := p[:min(int64(len(p)), t.Room())]
		t.rest.Write(part)
		p, t.n = p[len(part):], t.n+int64(len(part))
		if t.n%LeafSize == 0 {
			t.leaves = append(t.leaves, Hash(t.rest.Sum(nil)))
			t.rest.Reset()
		}
	}
	return written, nil
}

// Rest returns the SHA-256 of what is behind the last full leaf.
func (t *Tree) Rest() Hash {
	if t.n%LeafSize == 0 {
		return emptyHash
	}
	return Hash(t.rest.Sum(nil))
}

// Proof returns H(n) of all that was written.
func (t *Tree) Proof() Hash { return Proof(t.leaves, t.Rest(), t.n) }
