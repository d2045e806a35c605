package replica_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"fairlead/logfile"
	"fairlead/replica"
)

// A desk is a receiver whose connections are spoken to by hand.
type desk struct {
	t     *testing.T
	store *shelf
	r     *replica.Receiver
}

func newDesk(t *testing.T) *desk {
	store := newShelf()
	return &desk{t, store, &replica.Receiver{Store: store, Name: "vault", Software: "test"}}
}

// sink is a connection that has said HELLO, as an instance.
func (d *desk) sink(instance byte) *replica.Sink {
	s := d.r.Sink("web1")
	id := append(bytes.Clone(vectorInst[1:]), instance)
	d.say(s, frame(1, 0, 0, 0, uint16(1), uint32(0), uint32(0), id, str("web1"), str("test")))
	s.Next(nil)
	return s
}

func (d *desk) say(s *replica.Sink, b ...[]byte) {
	d.t.Helper()
	if err := takes(bytes.Join(b, nil), s.Take); err != nil {
		d.t.Fatalf("Take = %v", err)
	}
}

// begin opens what there may be no copy of yet: that is answered with the next commit.
func (d *desk) begin(s *replica.Sink, open []byte) {
	d.t.Helper()
	d.say(s, open)
	d.commit()
}

// types are those of the frames that a sink answers with.
func (d *desk) types(s *replica.Sink) (list []replica.Type) {
	b, _ := s.Next(nil)
	takes(b, func(f replica.Frame) error { list = append(list, f.Type); return nil })
	return list
}

func (d *desk) want(s *replica.Sink, want ...replica.Type) {
	d.t.Helper()
	if got := d.types(s); !equalTypes(got, want) {
		d.t.Errorf("answers are %v, want %v", got, want)
	}
}

func equalTypes(a, b []replica.Type) bool { return bytes.Equal(asBytes(a), asBytes(b)) }

func asBytes(list []replica.Type) (b []byte) {
	for _, t := range list {
		b = append(b, byte(t))
	}
	return b
}

func (d *desk) commit() {
	d.t.Helper()
	if err := d.r.Commit(); err != nil {
		d.t.Fatal(err)
	}
}

// idle wants nothing to be left.
func (d *desk) idle() {
	d.t.Helper()
	if st := d.r.Stats(); st.Copies != 0 || st.Connections != 0 {
		d.t.Errorf("%d copies and %d connections are left", st.Copies, st.Connections)
	}
}

// One copy has one writer, whoever asks for it last; the others are told.
func TestT08Taken(t *testing.T) {
	d := newDesk(t)
	a, b := d.sink(1), d.sink(2)
	d.begin(a, open(1, vectorGen, 9))
	d.say(a, data(1, 0, []byte("one")))
	d.want(a, replica.TypeAt)
	d.say(b, open(7, vectorGen, 9)) // waits: what a wrote is not durable
	d.want(a, replica.TypeBusy)
	d.want(b)
	d.say(a, data(1, 3, []byte("two")), seal(1, []byte("onetwo"), 6, 1)) // passed over
	d.say(b, open(8, vectorGen, 9))                                      // on another channel
	d.want(b, replica.TypeBusy)
	d.say(a, open(1, vectorGen, 9)) // and back
	d.want(b, replica.TypeBusy)
	d.commit()
	d.want(a, replica.TypeAt)
	d.want(b)
	d.say(b, data(8, 3, []byte("six")))
	d.say(a, data(1, 3, []byte("two")))
	d.commit()
	d.want(a, replica.TypeAck)
	if !bytes.Equal(d.store.of("a.log")[0].bytes, []byte("onetwo")) {
		t.Errorf("the copy is %q", d.store.of("a.log")[0].bytes)
	}
	a.Close()
	b.Close()
	d.idle()
}

// A newer connection of an instance ends the older one, and too many park both.
func TestF38Fenced(t *testing.T) {
	d := newDesk(t)
	a := d.sink(1)
	d.begin(a, open(1, vectorGen, 9))
	d.want(a, replica.TypeAt)
	for range 5 {
		b := d.sink(1)
		if err := takes(data(1, 0, []byte("late")), a.Take); err == nil {
			t.Fatal("a fenced connection goes on")
		}
		d.want(a, replica.TypeFenced)
		a = b
	}
	if st := d.r.Stats(); st.Copies != 0 || st.Fenced != 5 {
		t.Errorf("%d copies are held, and %d connections were fenced", st.Copies, st.Fenced)
	}
	b := d.r.Sink("web1")
	if err := takes(again(sayHello, func(p []byte) { copy(p[34:], append(vectorInst[1:], 1)) }), b.Take); code(err) != "6" {
		t.Errorf("the sixth takeover = %v", err)
	}
	d.want(a, replica.TypeReject)
	c := d.r.Sink("web1")
	if err := takes(again(sayHello, func(p []byte) { copy(p[34:], append(vectorInst[1:], 1)) }), c.Take); code(err) != "6" {
		t.Errorf("while it is parked = %v", err)
	}
	d.idle()
}

// F26: a write for which there is no room leaves nothing behind, also when the copy
// is not closed in between.
func TestF26ShortWrite(t *testing.T) {
	d := newDesk(t)
	s := d.sink(1)
	defer s.Close()
	d.begin(s, open(1, vectorGen, 9))
	d.say(s, data(1, 0, []byte("one")))
	d.store.writes = func(p []byte) (int, error) { return 2, &replica.BusyError{Why: "no space left on device"} }
	d.say(s, data(1, 3, []byte("two")))
	d.store.writes = nil
	d.want(s, replica.TypeAt, replica.TypeBusy)
	d.say(s, data(1, 6, []byte("xyz"))) // was on its way
	d.say(s, open(1, vectorGen, 9))
	d.commit()
	d.say(s, data(1, 3, []byte("TWO")))
	d.commit()
	d.want(s, replica.TypeAt, replica.TypeAck)
	if !bytes.Equal(d.store.of("a.log")[0].bytes, []byte("oneTWO")) {
		t.Errorf("the copy is %q", d.store.of("a.log")[0].bytes)
	}
}

// F27: three syncs in a row that fail stop the copy; none is tried again on the same
// file.
func TestF27SyncFails(t *testing.T) {
	d := newDesk(t)
	s := d.sink(1)
	defer s.Close()
	d.store.syncs = func() error { return errIO }
	for n := range 3 {
		d.begin(s, open(1, vectorGen, 9))
		d.say(s, data(1, 0, []byte("one")))
		d.commit()
		d.commit()
		if want := []replica.Type{replica.TypeBusy, replica.TypeBusy, replica.TypeReject}[n]; true {
			d.want(s, replica.TypeAt, want)
		}
	}
	if d.store.of("a.log")[0].rec.N != 0 {
		t.Error("something is said to be durable")
	}
}

// An error of the journal ends all connections.
func TestF27JournalFails(t *testing.T) {
	d := newDesk(t)
	s := d.sink(1)
	d.begin(s, open(1, vectorGen, 9))
	d.say(s, data(1, 0, []byte("one")))
	d.want(s, replica.TypeAt)
	d.store.commits = errIO
	if err := d.r.Commit(); !errors.Is(err, errIO) || !errors.Is(d.r.Commit(), errIO) || !errors.Is(d.r.Err(), errIO) {
		t.Errorf("Commit = %v", err)
	}
	d.want(s, replica.TypeReject)
	if err := takes(sayHello, d.r.Sink("web1").Take); code(err) != "7" {
		t.Errorf("the next connection = %v", err)
	}
}

// A channel that is opened for another copy gets no acknowledgement of the last one.
func TestStaleAck(t *testing.T) {
	d := newDesk(t)
	s := d.sink(1)
	defer s.Close()
	d.begin(s, open(1, vectorGen, 9))
	d.say(s, data(1, 0, []byte("one")))
	d.commit()
	d.begin(s, again(open(1, []byte("generation-00002"), 9), func(b []byte) { b[1] = 2 }))
	d.want(s, replica.TypeAt, replica.TypeAt)
}

// A file that says it has more than it gives is left alone for a while.
func TestShortFile(t *testing.T) {
	s := &replica.Source{Instance: [16]byte(vectorInst)}
	f := newText("a.log", []byte("a line\n"))
	f.gen = logfile.GenID(vectorGen)
	f.st.Size = 100
	s.Add(f)
	s.Connected()
	takes(welcome, s.Take)
	s.Next(nil)
	takes(at(1, nil), s.Take)
	s.Prove(t.Context())
	if b, err := s.Next(nil); err != nil || len(b) != 24+8+7 {
		t.Errorf("Next = %d bytes, %v", len(b), err)
	}
	if st := s.Files()[0]; st.State != "busy" || st.Err == nil {
		t.Errorf("it is %s: %v", st.State, st.Err)
	}
}

// A switched file is read from a copy that was found beside it from the moment on in
// which it is read.
type switched struct {
	*text
	to []byte
}

func (f *switched) ReadAt(p []byte, off int64) (int, error) {
	if off > 0 && f.to != nil {
		f.change(func(st *replica.FileStat) {
			st.Adopted, st.Final, st.Ended, st.Reason = true, true, true, replica.Truncated
		})
		f.bytes, f.to = f.to, nil
	}
	return f.text.ReadAt(p, off)
}

// Of a copy that is not that of what was sent nothing is sent, though it was read
// before anybody knew.
func TestF03AdoptedWhileRead(t *testing.T) {
	p := newPair(t)
	was := random(1, 400_000)
	other := append(bytes.Clone(was[:100]), random(2, 500_000)...)
	f := &switched{newText("a.log", was), other}
	p.s.Add(f)
	p.connect()
	p.until("the seal", func() bool { return len(p.s.Files()) == 0 })
	got := p.store.of("a.log")
	if len(got) != 1 || !bytes.HasPrefix(was, got[0].bytes) || got[0].rec.Seal.Size == got[0].rec.Seal.N {
		t.Errorf("%d copies, the first of %d bytes and sealed as %+v", len(got), len(got[0].bytes), got[0].rec.Seal)
	}
}

// T9: nothing is acknowledged before it, and then the journal that counts it, are synced.
func TestT9AckAfterSync(t *testing.T) {
	p := newPair(t)
	syncs, commits := make(chan bool), make(chan bool)
	p.r.Store = &patient{p.store, syncs, commits}
	f := newText("a.log", []byte("a line\n"))
	p.s.Add(f)
	p.connect()
	t.Cleanup(func() { close(syncs); close(commits) })
	for _, step := range []chan bool{syncs, commits} {
		if n := p.s.Acked(f.gen); n != 0 {
			t.Errorf("%d bytes are acknowledged already", n)
		}
		pass(t, step)
	}
	p.until("the acknowledgement", func() bool { return p.s.Acked(f.gen) == 7 })
}

// pass lets one go on that waits.
func pass(t *testing.T, step chan<- bool) {
	t.Helper()
	select {
	case step <- true:
	case <-time.After(patience):
		t.Fatal("nobody comes here")
	}
}

// patient is a store that syncs and commits when it is let.
type patient struct {
	*shelf
	syncs, commits chan bool
}

func (s *patient) Sync(copies []replica.Copy) []error {
	errs := s.shelf.Sync(copies)
	<-s.syncs
	return errs
}

func (s *patient) Commit(u []replica.Update) error {
	written := slices.ContainsFunc(u, func(u replica.Update) bool { return u.N > 0 })
	if written {
		<-s.commits
	}
	return s.shelf.Commit(u)
}
