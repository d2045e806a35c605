//go:build linux

package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"fairlead/replica"
)

// The limit does all the work: what it writes is what it was given, through seal and open.
func TestBothEnds(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 9))
	path := filepath.Join(t.TempDir(), "copy")
	dup, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer dup.Close()
	w, err := newBothEnds()
	if err != nil {
		t.Fatal(err)
	}
	var want []byte
	for _, n := range []int{replica.LeafSize, replica.LeafSize, 3*replica.MaxPiece + recordSize + 1} {
		leaf := make([]byte, n)
		for i := range leaf {
			leaf[i] = byte(rng.Uint32())
		}
		if err := w.leaf(dup, int64(len(want)), leaf); err != nil {
			t.Fatal(err)
		}
		want = append(want, leaf...)
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("the copy has %d bytes that are not the %d given, %v", len(got), len(want), err)
	}
	const records = 2*replica.LeafSize/recordSize + 3*replica.MaxPiece/recordSize + 2
	if w.records != records {
		t.Errorf("%d records were sealed, want %d", w.records, records)
	}
}
