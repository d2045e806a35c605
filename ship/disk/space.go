package disk

import "time"

// A Space is how much a file system has, in bytes.
type Space struct{ Used, Total int64 }

// Filled is the part of the file system that is used, 0 to 1, and 0 where that cannot
// be known.
func (s Space) Filled() float64 {
	if s.Total == 0 {
		return 0
	}
	return float64(s.Used) / float64(s.Total)
}

// Space is what there is now. The system is asked at most every second.
func (d *Dir) Space(now time.Time) Space {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now.Sub(d.looked).Abs() >= time.Second {
		sp, err := spaceOf(d.Self)
		if err != nil {
			return d.space // it cannot be known here
		}
		d.looked, d.space = now, sp
	}
	return d.space
}

// Looked is what Space said last.
func (d *Dir) Looked() Space {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.space
}
