package replica_test

import (
	"encoding/binary"
	"path/filepath"
	"testing"

	"fairlead/replica"
)

// F44: what a later version may say, frames that nobody knows between those that we
// do, more fields behind theirs, and features that may be passed over, changes nothing
// of what becomes of a recorded session.
func TestF44LaterVersion(t *testing.T) {
	lines := readVector(t, filepath.Join("testdata", "vectors", "session.txt"))
	for i, l := range lines {
		if l.who != "S" {
			continue
		}
		b := l.bytes
		switch b[0] {
		case 1:
			b = longer(b)
			b = again(b, func(b []byte) {
				binary.BigEndian.PutUint16(b[24:], 7)        // its version
				binary.BigEndian.PutUint32(b[30:], 0xfffffe) // optional features that are not ours
			})
		case 3, 8:
			b = longer(b)
		}
		unknown := frame(128+byte(i), 0xff, uint32(i), 77, []byte("of a later version"))
		if i == 0 {
			unknown = nil // HELLO is the first
		}
		lines[i].bytes = append(unknown, b...)
	}
	hearReceiver(t, lines)
}

// longer adds fields to a payload.
func longer(b []byte) []byte {
	b = append(b[:len(b):len(b)], "more fields"...)
	return again(b, func(b []byte) { binary.BigEndian.PutUint32(b[16:], uint32(len(b)-24)) })
}

// F44: who demands what the other does not have is told why, on both sides.
func TestF44Refused(t *testing.T) {
	for name, change := range map[string]func(b []byte){
		"critical feature": func(b []byte) { b[24+2] = 0x80 },
		"version":          func(b []byte) { b[24], b[25] = 0, 0 },
	} {
		t.Run(name, func(t *testing.T) {
			r := &replica.Receiver{Store: newShelf(), Name: "vault"}
			sink := r.Sink("web1")
			defer sink.Close()
			err := takes(again(sayHello, change), sink.Take)
			if code(err) != "3" {
				t.Errorf("a receiver says %v to it, want code 3", err)
			}
			out, _ := sink.Next(nil)
			var said []string
			if err := takes(out, func(f replica.Frame) error {
				if f.Type == replica.TypeReject && f.Channel == 0 && binary.BigEndian.Uint16(f.Payload) == 3 {
					said = append(said, string(f.Payload[4:]))
				}
				return nil
			}); err != nil || len(said) != 1 || len(said[0]) < 10 {
				t.Errorf("it says %q (%v), want one REJECT with the reason", said, err)
			}
			s := &replica.Source{Name: "web1"}
			s.Connected()
			s.Next(nil)
			if err := takes(again(welcome, change), s.Take); code(err) != "3" {
				t.Errorf("a sender says %v to it, want code 3", err)
			}
		})
	}
}
