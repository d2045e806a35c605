package replica_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"fairlead/logfile"
	"fairlead/replica"
)

// seedVectors begins with what is in testdata/vectors: all that one end says.
func seedVectors(f *testing.F, who string) {
	files, _ := filepath.Glob(filepath.Join("testdata", "vectors", "*.txt"))
	if len(files) == 0 {
		f.Fatal(os.ErrNotExist)
	}
	for _, name := range files {
		var all []byte
		for _, l := range readVector(f, name) {
			if l.who == who {
				all = append(all, l.bytes...)
			}
		}
		if len(all) < 64<<10 {
			f.Add(all)
		}
	}
}

// mended gives frames the checksums that they would have, so that what is behind the
// check is reached.
func mended(b []byte) []byte {
	b = bytes.Clone(b)
	for at := 0; at+24 <= len(b); {
		n := int(binary.BigEndian.Uint32(b[at+16:]))
		if n > len(b)-at-24 {
			n = len(b) - at - 24
			binary.BigEndian.PutUint32(b[at+16:], uint32(n))
		}
		binary.BigEndian.PutUint32(b[at+20:], crc(b[at:at+20], b[at+24:at+24+n]))
		at += 24 + n
	}
	return b
}

// FuzzFrame reads frames: never a panic, never more memory than the largest frame
// takes, and what was read is what was there.
func FuzzFrame(f *testing.F) {
	seedVectors(f, "S")
	seedVectors(f, "R")
	f.Fuzz(func(t *testing.T, b []byte) {
		in := replica.Reader{R: bytes.NewReader(b)}
		at := 0
		for {
			fr, err := in.Next()
			var p *replica.ProtocolError
			switch {
			case err == io.EOF && at != len(b), err != nil && err != io.EOF && err != io.ErrUnexpectedEOF && !errors.As(err, &p):
				t.Fatalf("Next = %v at %d of %d", err, at, len(b))
			case err != nil:
				return
			}
			if whole := 24 + len(fr.Payload); b[at] != byte(fr.Type) || !bytes.Equal(b[at+24:at+whole], fr.Payload) {
				t.Fatalf("a frame at %d is another", at)
			} else {
				at += whole
			}
		}
	})
}

// FuzzSink says anything to a receiver over the simulated disk, which fails the test
// where what the store is asked for must not be. Copies have to be what was sent.
func FuzzSink(f *testing.F) {
	seedVectors(f, "S")
	f.Fuzz(func(t *testing.T, b []byte) {
		s := &sim{t: t, now: simStart(), anything: true}
		s.disk = &simDisk{s: s, recs: make(map[replica.ID]*simRecord)}
		s.newReceiver()
		sink := s.r.Sink(simSender)
		n := 0
		err := takes(mended(b), func(f replica.Frame) error {
			if n++; n%3 == 0 {
				s.commit()
			}
			return sink.Take(f)
		})
		out, over := sink.Next(nil)
		if err != nil && over == nil && !errors.As(err, new(*replica.ProtocolError)) && err != io.ErrUnexpectedEOF {
			t.Errorf("Take = %v, and the connection goes on", err)
		}
		if len(out) > 64<<10+8*len(b) {
			t.Errorf("%d bytes are answered to %d", len(out), len(b))
		}
		if err := takes(out, func(replica.Frame) error { return nil }); err != nil {
			t.Errorf("the answers are no frames: %v", err)
		}
		sink.Close()
		s.commit()
		if st := s.r.Stats(); st.Copies != 0 || st.Connections != 0 {
			t.Errorf("%d copies and %d connections are left", st.Copies, st.Connections)
		}
	})
}

// FuzzSourceTake says anything to a sender: it sends nothing but its file, and takes
// no more memory for it.
func FuzzSourceTake(f *testing.F) {
	seedVectors(f, "R")
	f.Fuzz(func(t *testing.T, b []byte) {
		file := newText("a.log", []byte("a line\n"))
		file.gen = logfile.GenID(vectorGen)
		s := &replica.Source{Instance: [16]byte(vectorInst)}
		s.Add(file)
		s.Connected()
		var out []byte
		for round := range 2 {
			err := takes(mended(b), func(f replica.Frame) error {
				err := s.Take(f)
				for s.Prove(context.Background()) {
				}
				out, _ = s.Next(out)
				return err
			})
			if out, _ = s.Next(out); err != nil && round == 0 {
				s.Connected()
			}
		}
		err := takes(out, func(f replica.Frame) error {
			if f.Type == replica.TypeData && !bytes.HasSuffix(file.bytes, f.Payload[8:]) {
				t.Errorf("%q is sent", f.Payload[8:])
			}
			return nil
		})
		if err != nil {
			t.Errorf("what is said is no frames: %v", err)
		}
		if st := s.Files(); len(st) == 1 && st[0].Acked > 7 && st[0].State == "flowing" {
			t.Errorf("it is %+v", st[0])
		}
	})
}

// FuzzChecker answers anything to one that compares: it ends, knows no more leaves than
// its file has, and no more of a copy than was said.
func FuzzChecker(f *testing.F) {
	seedVectors(f, "R")
	f.Fuzz(func(t *testing.T, b []byte) {
		here, there := net.Pipe()
		ended := make(chan struct{}, 2)
		go func() {
			io.Copy(io.Discard, there)
			ended <- struct{}{}
		}()
		go func() {
			there.Write(mended(b))
			there.Close()
			ended <- struct{}{}
		}()
		file := newText("a.log", []byte("a line\n"))
		file.gen = logfile.GenID(vectorGen)
		c, err := replica.NewChecker(t.Context(), here, "web1", "test")
		if err == nil {
			var got replica.Comparison
			got, err = c.Compare(t.Context(), file, file.gen, replica.Sample{Full: true}, nil)
			if got.Leaves+got.Moving > 1 || len(got.Differs) > 2 || got.State > replica.Pruned || got.N < 0 {
				t.Errorf("Compare = %+v, %v", got, err)
			}
			c.Close()
		}
		here.Close()
		<-ended
		<-ended
	})
}
