package replica

import (
	"cmp"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fairlead/logfile"
)

// A Source sends files to one receiver, over one connection after the other.
// [Source.Take] is given the receiver's frames, [Source.Next] gives what is to be
// sent, and [Source.Prove] does the long work in between. Its fields are set before
// use.
type Source struct {
	Name     string   // what the sender calls itself
	Software string   // and its version, for people
	Instance [16]byte // of the state that it has: see Receiver
	Leaves   Leaves   // nil: none are remembered
	Zstd     bool     // it may compress

	Now    func() time.Time     // nil: time.Now; for retries, and for what is shown
	NewGen func() logfile.GenID // nil: logfile.NewGenID

	// Welcomed is told what the receiver calls itself, when it has let us in; nil:
	// nobody is. It must not call the Source.
	Welcomed func(peer string)

	once sync.Once
	wake chan struct{} // there may be something to send
	work chan struct{} // there is something to prove

	hints hints
	sent  atomic.Int64 // bytes

	mu       sync.Mutex // guards what follows
	up       bool       // connected, and welcomed
	byGen    map[logfile.GenID]*channel
	byCopy   map[logfile.GenID]*channel // by what the receiver knows them by
	byID     map[uint32]*channel
	lastID   uint32
	ready    queue[channel] // with bytes to send
	proofs   queue[task]
	resting  map[*channel]struct{} // until their time
	out      []byte
	over     error
	events   []Event
	z        *compressor
	compress bool // the connection is the limit
	features uint32
	peer     string
	total    int64 // bytes acknowledged

	resumes, divergences int64
}

func (s *Source) setup() {
	s.once.Do(func() {
		s.wake, s.work = make(chan struct{}, 1), make(chan struct{}, 1)
		s.byGen, s.byID = make(map[logfile.GenID]*channel), make(map[uint32]*channel)
		s.byCopy = make(map[logfile.GenID]*channel)
		s.resting = make(map[*channel]struct{})
		if s.Leaves == nil {
			s.Leaves = noLeaves{}
		}
		if s.Now == nil {
			s.Now = time.Now
		}
		if s.NewGen == nil {
			s.NewGen = logfile.NewGenID
		}
	})
}

// An Event is something that whoever runs a Source wants to tell people, or keep.
type Event struct {
	Kind EventKind
	File File
	Gen  logfile.GenID // what the receiver knows the file by
	Seal Seal          // of Done, Apart and Pending
	Err  error         // of Stuck
}

// An EventKind says what happened.
type EventKind uint8

// What happens to a file.
const (
	Done    EventKind = iota // sealed: the source has forgotten it
	Apart                    // the receiver's copy has other bytes, or more: it stays, and another begins
	Found                    // it was recognised by content; Gen is the copy's
	Stuck                    // the receiver does not take it at the moment
	Pending                  // a part of it is lost: Seal says which
	Called                   // the receiver knows it by another id than its own: see AddAs
)

// Add begins to send a file. It is known by its Gen; one that was added before is
// not added again.
func (s *Source) Add(f File) { s.AddAs(f, f.Gen()) }

// AddAs is Add for a file that the receiver knows by another id, as a Called of an
// earlier process said.
func (s *Source) AddAs(f File, gen logfile.GenID) {
	s.setup()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byGen[f.Gen()] != nil {
		return
	}
	s.lastID++
	c := &channel{file: f, id: s.lastID}
	s.byGen[f.Gen()], s.byID[c.id] = c, c
	if s.byCopy[gen] == nil {
		s.call(c, gen)
	} else { // another file was found to be what that copy is of
		c.orphan = true
		s.call(c, s.NewGen())
	}
	if s.up {
		s.hint(c)
	}
}

// Remove stops sending a file: another receiver is to have it. What this one has it
// keeps.
func (s *Source) Remove(gen logfile.GenID) {
	s.setup()
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.byGen[gen]; c != nil {
		c.reset(closed)
		delete(s.byGen, gen)
		delete(s.byID, c.id)
		delete(s.resting, c)
	}
}

// Changed says that there may be news of a file. It may be called from anywhere.
func (s *Source) Changed(gen logfile.GenID) {
	s.setup()
	s.hints.add(gen)
	tell(s.wake)
}

// Wake is sent to when Next may have something.
func (s *Source) Wake() <-chan struct{} { s.setup(); return s.wake }

// Work is sent to when Prove may have something.
func (s *Source) Work() <-chan struct{} { s.setup(); return s.work }

func tell(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// Connected begins a connection.
func (s *Source) Connected() {
	s.setup()
	s.Disconnected()
	s.mu.Lock()
	defer s.mu.Unlock()
	h := hello{version: Version, instance: s.Instance, name: s.Name, software: s.Software}
	if s.Zstd {
		h.optional |= FeatureZstd
	}
	s.out, s.over = appendFrame(s.out[:0], h.frame(TypeHello)), nil
	tell(s.wake)
}

// Disconnected ends a connection.
func (s *Source) Disconnected() {
	s.setup()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.up, s.out, s.compress = false, nil, false
	s.ready, s.proofs = queue[channel]{}, queue[task]{}
	clear(s.resting)
	for _, c := range s.byGen {
		c.reset(closed)
		c.listed, c.yields = false, false
		if c.trouble != nil {
			c.trouble.tries = 0
		}
	}
}

// Up says whether the receiver has welcomed us, and what it calls itself.
func (s *Source) Up() (peer string, up bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peer, s.up
}

// Limited says whether the connection is what limits us: then bytes are compressed.
func (s *Source) Limited(yes bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.compress = yes
}

// Ping asks the receiver for a sign of life.
func (s *Source) Ping() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.up {
		s.put(Frame{Type: TypePing})
	}
}

// Tick looks at what had to wait for its time. It returns when the next has come;
// zero: none waits.
func (s *Source) Tick() (next time.Time) {
	s.setup()
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.Now()
	resting := make([]*channel, 0, len(s.resting))
	for c := range s.resting {
		resting = append(resting, c)
	}
	for _, c := range inOrder(resting) {
		switch {
		case !now.Before(c.trouble.until):
			delete(s.resting, c)
			s.hint(c)
		case next.IsZero() || c.trouble.until.Before(next):
			next = c.trouble.until
		}
	}
	return next
}

// inOrder sorts channels: what is done must not depend on the order of a map.
func inOrder(list []*channel) []*channel {
	slices.SortFunc(list, func(a, b *channel) int { return cmp.Compare(a.id, b.id) })
	return list
}

// Events returns what has happened since it was called last.
func (s *Source) Events() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	events := s.events
	s.events = nil
	return events
}

// put sends a frame. s.mu is held.
func (s *Source) put(f Frame) {
	s.out = appendFrame(s.out, f)
	tell(s.wake)
}

// hint has a channel looked at. s.mu may be held.
func (s *Source) hint(c *channel) {
	s.hints.add(c.file.Gen())
	tell(s.wake)
}

// Take takes the receiver's next frame in. After an error the connection ends.
func (s *Source) Take(f Frame) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.take(f)
	if err != nil && s.over == nil {
		s.over = err
		var p *ProtocolError
		if errors.As(err, &p) {
			s.put(rejectFrame(0, p.Code, p.Text))
		}
		tell(s.wake)
	}
	return err
}

// why is the reason for which the connection ends.
func (s *Source) why() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.over
}

// ErrFenced is the end of a connection for which a newer one of the same sender
// stands.
var ErrFenced = errors.New("another connection of this sender took over")

func (s *Source) take(f Frame) error {
	if s.over != nil {
		return s.over
	}
	switch f.Type {
	case TypeFenced:
		return ErrFenced
	case TypePing:
		s.put(Frame{Type: TypePong, Payload: f.Payload[:min(len(f.Payload), 8)]})
		return nil
	case TypePong:
		return nil
	case TypeReject:
		code, text, err := parseReject(f)
		if c := s.byID[f.Channel]; err == nil && f.Channel != 0 {
			if c != nil {
				s.rejected(c, code, text)
			}
			return nil
		}
		return cmp.Or(err, error(&PeerError{code, text}))
	case TypeWelcome:
		return s.welcome(f)
	case TypeAck:
		return parseAck(f, s.acked)
	}
	if f.Type >= TypeOptional {
		return nil
	}
	if !s.up {
		return violation("a frame of type %d before the WELCOME", f.Type)
	}
	return s.answer(f)
}

func (s *Source) welcome(f Frame) error {
	h, err := parseHello(f)
	switch {
	case err != nil:
		return err
	case s.up:
		return violation("a second WELCOME")
	case h.version != Version || h.critical != 0:
		return &ProtocolError{CodeVersion, "the receiver wants a version, or features, that this sender does not have: update it"}
	}
	s.up, s.peer, s.features = true, h.name, h.optional
	if s.Welcomed != nil {
		s.Welcomed(h.name)
	}
	all := make([]*channel, 0, len(s.byID))
	for _, c := range s.byID {
		all = append(all, c)
	}
	for _, c := range inOrder(all) {
		s.hint(c)
	}
	return nil
}

// answer takes what is said of a channel.
func (s *Source) answer(f Frame) error {
	c := s.byID[f.Channel]
	switch f.Type {
	case TypeAt:
		proof, err := parseAt(f)
		if err == nil && c != nil && c.state == opening {
			s.at(c, f.Offset, proof, f.Flags&flagSealed != 0)
		}
		return err
	case TypeKnown:
		list, err := parseKnown(f)
		if err == nil && c != nil && c.state == opening {
			s.prove(c, &task{kind: tryKnown, list: list})
		}
		return err
	case TypeSealed:
		if c != nil && c.state == sealing {
			s.sealed(c)
		}
		return nil
	case TypeBusy:
		retry, why, err := parseBusy(f)
		if err == nil && c != nil && c.state != closed {
			s.rest(c, max(retry, time.Second), &BusyError{Why: why})
		}
		return err
	}
	return violation("a frame of type %d, which a sender is not sent", f.Type)
}

// Peers' hints come while the Log that gives them is locked, so they have a lock of
// their own, under which nothing is called.
type hints struct {
	mu   sync.Mutex // guards what follows
	gens map[logfile.GenID]struct{}
	list []logfile.GenID
}

func (h *hints) add(gen logfile.GenID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.gens == nil {
		h.gens = make(map[logfile.GenID]struct{})
	}
	if _, ok := h.gens[gen]; !ok {
		h.gens[gen] = struct{}{}
		h.list = append(h.list, gen)
	}
}

// take returns at most n.
func (h *hints) take(n int) []logfile.GenID {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := h.list[:min(n, len(h.list))]
	if h.list = h.list[len(list):]; len(h.list) == 0 {
		h.list = nil
	}
	for _, gen := range list {
		delete(h.gens, gen)
	}
	if len(h.gens) == 0 && len(list) == lookAt {
		h.gens = nil // a map that was large stays so
	}
	return list
}
