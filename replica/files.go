package replica

import "fairlead/logfile"

// Acked is how much of a file is durable at the receiver; 0 if it is not being sent.
func (s *Source) Acked(gen logfile.GenID) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.byGen[gen]; c != nil {
		return c.acked
	}
	return 0
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
