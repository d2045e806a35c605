package plain

import "testing"

// A file is sent, what is added to it follows, and a restart of either side goes on.
func TestPair(t *testing.T) {
	to := newStation(t)
	s := newShip(t, to.addr)
	text := lines(0, 10_000)
	s.append("a.log", text)
	s.append("empty.log", "")
	s.up()
	eventually(t, has(to.stored("a.log"), text))
	eventually(t, has(to.stored("empty.log"), ""))
	for i := range 20 {
		more := lines(20_000+i, 1)
		s.append("a.log", more)
		text += more
		eventually(t, has(to.stored("a.log"), text))
	}
	to.stop()
	more := lines(30_000, 1000)
	s.append("a.log", more)
	text += more
	to.up()
	eventually(t, has(to.stored("a.log"), text))
	s.stop()
	more = lines(40_000, 1000)
	s.append("a.log", more)
	text += more
	s.up()
	eventually(t, has(to.stored("a.log"), text))
}

// With Once no connection stays: all is asked for, and it is known to be there.
func TestOnce(t *testing.T) {
	to := newStation(t)
	s := newShip(t, to.addr)
	text := lines(0, 100_000)
	s.append("a.log", text)
	s.append("b.log", "")
	s.up(func(s *Sender) { s.Once = true })
	s.settled()
	if wrong := has(to.stored("a.log"), text)(); wrong != "" {
		t.Error(wrong)
	}
	if n := to.Stats().Connections; n > 1 {
		t.Errorf("%d connections are there, want them closed", n)
	}
}
