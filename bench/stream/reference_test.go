//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"testing"
)

// A client gets what is added after it came, whole and in order, over the ends of pieces.
func TestBroadcast(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	want := make([]byte, 5*pieceSize/2)
	for i := range want {
		want[i] = byte(rng.Uint32())
	}
	b := newBroadcast()
	b.add([]byte("of before"))
	began, all := make(chan struct{}), errors.New("all is there")
	var got []byte
	ended := make(chan error)
	go func() {
		ended <- b.send(func(p []byte) error {
			if len(got) == 0 {
				close(began)
			}
			if got = append(got, p...); len(got) >= len(want)+1 {
				return all
			}
			return nil
		})
	}()
	for waiting := true; waiting; { // until it is there
		b.add([]byte{'?'})
		select {
		case <-began:
			waiting = false
		default:
		}
	}
	for rest := want; len(rest) > 0; {
		n := min(1+rng.IntN(200_000), len(rest))
		b.add(rest[:n])
		rest = rest[n:]
	}
	b.add([]byte{'!'})
	if err := <-ended; err != all {
		t.Fatalf("send = %v, want %v", err, all)
	}
	got = bytes.TrimLeft(got, "?")
	if !bytes.HasPrefix(append(want, '!'), got) {
		t.Errorf("the client got %d bytes that are not those added", len(got))
	}
}

func TestReferenceEscapes(t *testing.T) {
	for _, line := range []string{"plain", `a "quote" and \ more`, "\x00\x1f\ttab", "é ≥ 日本"} {
		e := encoder{source: "a.log"}
		var got struct{ Message string }
		if err := json.Unmarshal(e.encode([]byte(line+"\n")), &got); err != nil || got.Message != line {
			t.Errorf("the entry of %q says %q, %v", line, got.Message, err)
		}
	}
}
