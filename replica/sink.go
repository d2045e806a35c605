package replica

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// maxUnread is how many bytes of answers a sender may leave unread.
const maxUnread = 32 << 20

// A Sink answers one connection: [Sink.Take] is given its frames, and [Sink.Next]
// gives what is to be sent.
type Sink struct {
	r        *Receiver
	sender   string
	instance instance // since its HELLO
	began    bool
	z        expander

	ended atomic.Bool // it writes nothing any more

	mu       sync.Mutex // guards what follows; taken behind a held's
	wake     chan struct{}
	channels map[uint32]*held
	out      []byte
	acks     map[uint32]int64
	over     error // why the connection ends once out is sent
}

// errEnded is what a sink says after its end.
var errEnded = errors.New("the connection was ended")

// Take takes the next frame in. After an error the connection ends, when what Next
// gives has been sent.
func (s *Sink) Take(f Frame) error {
	err := s.take(f)
	var peer *PeerError
	switch {
	case errors.As(err, &peer):
		s.stop(err) // it knows why
	case err != nil && !errors.Is(err, errEnded):
		s.reject(err)
	}
	return err
}

func (s *Sink) take(f Frame) error {
	switch {
	case s.ended.Load():
		return errEnded
	case !s.began:
		return s.hello(f)
	}
	switch f.Type {
	case TypeOpen:
		return s.open(f)
	case TypeData:
		return s.data(f)
	case TypeSeal:
		seal, err := parseSeal(f)
		if h := s.channel(f.Channel); err == nil && h != nil {
			h.ask(s, f.Channel, seal, f.Flags&flagDiverged != 0)
		}
		return err
	case TypeEnded:
		at, err := parseEnded(f)
		if h := s.channel(f.Channel); err == nil && h != nil {
			h.left(s, f.Channel, at)
		}
		return err
	case TypeCheck:
		return s.check(f)
	case TypePing:
		s.put(Frame{Type: TypePong, Payload: f.Payload[:min(len(f.Payload), 8)]})
	case TypePong:
	case TypeReject:
		code, text, err := parseReject(f)
		return cmp.Or(err, error(&PeerError{code, text}))
	default:
		if f.Type < TypeOptional {
			return violation("a frame of type %d, which a receiver is not sent", f.Type)
		}
	}
	return s.unread()
}

func (s *Sink) hello(f Frame) error {
	if f.Type != TypeHello {
		return violation("a frame of type %d before the HELLO", f.Type)
	}
	h, err := parseHello(f)
	switch {
	case err != nil:
		return err
	case h.version < 1:
		return &ProtocolError{CodeVersion, "version 0 is none"}
	case h.critical != 0:
		return &ProtocolError{CodeVersion, "the sender needs features that this receiver does not have: update it"}
	}
	if err := s.r.admit(s, h.instance); err != nil {
		return err
	}
	s.began = true
	s.put(hello{version: min(h.version, Version), optional: h.optional & FeatureZstd, name: s.r.Name, software: s.r.Software}.frame(TypeWelcome))
	return nil
}

func (s *Sink) channel(ch uint32) *held {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.channels[ch]
}

func (s *Sink) open(f Frame) error {
	o, err := parseOpen(f)
	if err != nil {
		return err
	}
	if f.Channel == 0 {
		return violation("an OPEN of channel 0")
	}
	id := ID{s.sender, o.gen}
	if before := s.channel(f.Channel); before != nil && before.id != id {
		before.leave(s, f.Channel)
	}
	h := s.r.hold(id)
	defer h.mu.Unlock()
	if !s.use(f.Channel, h) {
		h.release()
		return violation("more than %d channels", s.r.maxChannels())
	}
	h.open(request{sink: s, ch: f.Channel, offer: o, ended: f.Flags&flagEnded != 0, tested: f.Flags&flagTested != 0})
	return s.unread()
}

// use makes a channel that of a copy, if there may be one more.
func (s *Sink) use(ch uint32, h *held) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.channels[ch] == nil && len(s.channels) >= s.r.maxChannels() {
		return false
	}
	s.channels[ch] = h
	delete(s.acks, ch) // of what it was before
	return true
}

func (s *Sink) data(f Frame) error {
	p, err := parseData(f, &s.z)
	if h := s.channel(f.Channel); err == nil && h != nil {
		h.write(s, f.Channel, f.Offset, p)
	}
	return err
}

// check answers a CHECK.
func (s *Sink) check(f Frame) error {
	c, err := parseCheck(f)
	if err != nil {
		return err
	}
	id := ID{s.sender, c.gen}
	rec, _, ok, err := s.r.Store.Find(id)
	if err == nil && !ok {
		s.put(leavesFrame(c.gen, flagNone, f.Offset, Record{}, nil))
		return s.unread()
	}
	if err != nil {
		return &ProtocolError{CodeFailed, err.Error()}
	}
	var leaves []Hash
	if rec.State != Pruned && f.Offset <= rec.N/LeafSize {
		// What cannot be read is missing in the answer, which tells: the others, and
		// other copies, can be compared all the same.
		leaves, _ = s.r.Store.Rehash(id, f.Offset, int(c.count))
	}
	s.put(leavesFrame(c.gen, 0, f.Offset, rec, leaves))
	return s.unread()
}

// put sends a frame, if the connection has not ended.
func (s *Sink) put(f Frame) {
	s.mu.Lock()
	if s.over == nil {
		s.out = appendFrame(s.out, f)
	}
	s.mu.Unlock()
	s.tell()
}

func (s *Sink) tell() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// ack says how much of a channel's copy is durable.
func (s *Sink) ack(ch uint32, n int64) {
	s.mu.Lock()
	s.acks[ch] = n
	s.mu.Unlock()
	s.tell()
}

// sealed ends a channel.
func (s *Sink) sealed(ch uint32, n int64) {
	s.mu.Lock()
	delete(s.channels, ch)
	s.mu.Unlock()
	s.put(Frame{Type: TypeSealed, Channel: ch, Offset: n})
}

// reject ends the connection, and says why.
func (s *Sink) reject(err error) {
	code := CodeProtocol
	var p *ProtocolError
	if errors.As(err, &p) {
		code = p.Code
	}
	s.end(rejectFrame(0, code, err.Error()), err)
}

// fence ends the connection in favour of a newer one.
func (s *Sink) fence() {
	s.r.count.fenced.Add(1)
	s.end(Frame{Type: TypeFenced}, errEnded)
}

func (s *Sink) end(last Frame, err error) {
	s.put(last)
	s.stop(err)
}

// stop ends the connection once out is sent.
func (s *Sink) stop(err error) {
	s.mu.Lock()
	if s.over == nil {
		s.over = err
	}
	s.mu.Unlock()
	s.tell()
}

// unread is the error of a sender that does not read our answers.
func (s *Sink) unread() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.out) > maxUnread {
		return violation("%d bytes of answers are not read", len(s.out))
	}
	return nil
}

// Wake is sent to when there is something to send.
func (s *Sink) Wake() <-chan struct{} { return s.wake }

// Next appends what is to be sent to b. An error says that the connection ends
// behind it.
func (s *Sink) Next(b []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b = append(b, s.out...)
	if s.out = s.out[:0]; cap(s.out) > 64<<10 {
		s.out = nil
	}
	acks := make(packer, 0, ackSize*min(len(s.acks), maxAcks))
	for _, ch := range slices.Sorted(maps.Keys(s.acks)) {
		acks.u32(ch)
		acks.u64(s.acks[ch])
		if len(acks) == ackSize*maxAcks {
			b, acks = appendFrame(b, Frame{Type: TypeAck, Payload: acks}), acks[:0]
		}
	}
	if len(acks) > 0 {
		b = appendFrame(b, Frame{Type: TypeAck, Payload: acks})
	}
	clear(s.acks)
	return b, s.over
}

// why is the reason for which the connection ends.
func (s *Sink) why() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.over
}

// Close ends the sink: it writes nothing after it has returned.
func (s *Sink) Close() {
	if s.ended.Swap(true) {
		return
	}
	s.r.forget(s)
	s.mu.Lock()
	channels := s.channels
	s.channels = make(map[uint32]*held)
	s.mu.Unlock()
	for ch, h := range channels {
		h.leave(s, ch)
	}
}

// leave takes a copy from a sink's channel.
func (h *held) leave(s *Sink, ch uint32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.owner == s && h.ch == ch {
		h.owner = nil
	}
	if q := h.waiting; q != nil && q.sink == s && q.ch == ch {
		h.waiting = nil
	}
	h.release()
}

// A PeerError is what the other side says is wrong.
type PeerError struct {
	Code Code
	Text string
}

func (e *PeerError) Error() string { return "the other side: " + e.Text }
