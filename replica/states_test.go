package replica_test

import (
	"bytes"
	"testing"
	"time"

	"fairlead/logfile"
	"fairlead/replica"
)

// said is a frame by name.
type said struct {
	name  string
	bytes []byte
}

var aLine = []byte("a line\n")

// TestSourceStates says each frame in each state of a channel of the sender.
func TestSourceStates(t *testing.T) {
	frames := []said{
		{"AT", at(1, aLine[:3])}, {"AT of other bytes", at(1, []byte("abc"))}, {"AT of more", at(1, []byte("a line\nmore"))},
		{"AT sealed", again(at(1, aLine), func(b []byte) { b[1] = 1 })},
		{"KNOWN none", frame(5, 0, 1, 0, 0)}, {"KNOWN", frame(5, 0, 1, 0, 1, []byte("generation-00002"), uint64(3), proofOf(aLine[:3]))},
		{"SEALED", frame(9, 0, 1, 7)}, {"ACK", ack(1, 7)}, {"ACK of too much", ack(1, 8)},
		{"BUSY", frame(13, 0, 1, 0, uint32(1000), str("full"))}, {"REJECT", rejects(1, 5, "no")},
	}
	// How a state is come to, and what becomes of it with each of frames.
	table := []struct {
		state string
		come  [][]byte
		final bool
		want  []string
	}{
		{"opening", nil, false, []string{"flowing", "sealing", "sealing", "flowing", "opening", "opening", "opening", "opening", "opening", "busy", "busy"}},
		{"flowing", [][]byte{at(1, nil)}, false,
			[]string{"flowing", "flowing", "flowing", "flowing", "flowing", "flowing", "flowing", "flowing", "flowing", "busy", "busy"}},
		{"sealing", [][]byte{at(1, nil), ack(1, 7)}, true,
			[]string{"sealing", "sealing", "sealing", "sealing", "sealing", "sealing", "gone", "sealing", "sealing", "busy", "busy"}},
		{"busy", [][]byte{frame(13, 0, 1, 0, uint32(1000), str("full"))}, false,
			[]string{"busy", "busy", "busy", "busy", "busy", "busy", "busy", "busy", "busy", "busy", "busy"}},
	}
	for _, row := range table {
		for i, want := range row.want {
			f := newText("a.log", aLine)
			f.gen = logfile.GenID(vectorGen)
			f.st.Final = row.final
			s := &replica.Source{Instance: [16]byte(vectorInst)}
			s.Add(f)
			s.Connected()
			hear := func(b []byte) {
				if err := takes(b, s.Take); err != nil {
					t.Fatalf("%s in state %s = %v", frames[i].name, row.state, err)
				}
				for s.Prove(t.Context()) {
				}
				s.Next(nil)
			}
			for _, b := range append([][]byte{welcome}, row.come...) {
				hear(b)
			}
			if got := stateOf(s); got != row.state {
				t.Fatalf("state is %s, want %s", got, row.state)
			}
			if hear(frames[i].bytes); stateOf(s) != want {
				t.Errorf("%s in state %s: %s, want %s", frames[i].name, row.state, stateOf(s), want)
			}
		}
	}
}

func stateOf(s *replica.Source) string {
	if all := s.Files(); len(all) > 0 {
		return all[0].State
	}
	return "gone"
}

// TestSinkStates says each sequence of four frames to a receiver, over the simulated
// disk, which wants all that the store is asked for to be in order. Nothing of it
// ends the connection, leaves anything held, or makes a copy of other bytes.
func TestSinkStates(t *testing.T) {
	other := []byte("generation-00002")
	leave := again(open(1, vectorGen, 7), func(b []byte) { b[1] = 1 })
	frames := []said{
		{"OPEN", open(1, vectorGen, 7)}, {"OPEN ended elsewhere", again(open(1, vectorGen, 7, "b.log"), func(b []byte) { b[1] = 1 })},
		{"OPEN on 2", open(2, vectorGen, 7)}, {"OPEN other", open(1, other, 9)}, {"OPEN tested", again(open(1, other, 9), func(b []byte) { b[1] = 2 })},
		{"DATA", data(1, 0, aLine[:3])}, {"DATA behind", data(1, 3, aLine[3:])}, {"DATA on 2", data(2, 3, aLine[3:])},
		{"SEAL", seal(1, aLine, 7, 1)}, {"SEAL of a part", seal(1, aLine[:3], 7, 2)}, {"SEAL diverged", frame(8, 1, 1, 0, make([]byte, 32), uint64(0), 6)},
		{"ENDED", frame(10, 0, 1, 0, uint64(1))}, {"OPEN left", leave}, {"commit", nil}, {"again", nil},
	}
	depth := 3
	if !testing.Short() {
		depth = 4
	}
	path := make([]int, depth)
	for n := 0; ; n++ {
		sequence(t, frames, path)
		i := depth - 1
		for ; i >= 0; i-- {
			if path[i]++; path[i] < len(frames) {
				break
			}
			path[i] = 0
		}
		if i < 0 {
			t.Logf("%d sequences", n+1)
			return
		}
	}
}

func sequence(t *testing.T, frames []said, path []int) {
	s := &sim{t: t, now: simStart()}
	s.history(aLine)
	s.disk = &simDisk{s: s, recs: make(map[replica.ID]*simRecord)}
	s.newReceiver()
	var sink *replica.Sink
	hear := func(b []byte) {
		if err := takes(b, sink.Take); err != nil {
			t.Fatalf("%v: %v", names(frames, path), err)
		}
	}
	connect := func() {
		sink = s.r.Sink(simSender)
		hear(sayHello)
	}
	connect()
	hear(frames[0].bytes)
	for _, i := range path {
		switch frames[i].name {
		case "commit":
			s.commit()
		case "again": // the newer connection ends the older
			connect()
			s.now = s.now.Add(time.Hour)
		default:
			hear(frames[i].bytes)
		}
	}
	sink.Close()
	s.commit()
	if st := s.r.Stats(); st.Copies != 0 || st.Connections != 0 {
		t.Fatalf("%v: %+v", names(frames, path), st)
	}
	for _, r := range s.disk.recs {
		if !bytes.HasPrefix(aLine, r.ino.dur[:r.rec.N]) {
			t.Fatalf("%v: %q", names(frames, path), r.ino.dur)
		}
	}
}

func names(frames []said, path []int) (list []string) {
	for _, i := range path {
		list = append(list, frames[i].name)
	}
	return list
}
