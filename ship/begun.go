package ship

import (
	"encoding/binary"
	"os"
	"sync"
	"time"

	"fairlead/logfile"
)

// A begun is which generations are being sent, from when they are first until all
// receivers have them and they are gone: so the next process knows which of those
// that are gone were not sent to their end. It is a file to which records are added:
// the id, and the day, as 4 bytes, big end first, on which that was; day 0 takes the
// id off. It is a cache: nothing waits for the disk, and no error matters.
type begun struct {
	path string

	mu    sync.Mutex // guards what follows
	days  map[logfile.GenID]uint32
	added []byte // that is not written yet
}

const (
	begunSize = len(logfile.GenID{}) + 4
	// begunDays is how long one that no log knows is kept.
	begunDays = 30
)

func dayOf(t time.Time) uint32 { return uint32(t.Unix() / (24 * 60 * 60)) }

// open reads what is there, and writes it anew without what does not count any more.
func (b *begun) open(path string, now time.Time) {
	b.path, b.days = path, make(map[logfile.GenID]uint32)
	old, _ := os.ReadFile(path)
	for ; len(old) >= begunSize; old = old[begunSize:] {
		id := logfile.GenID(old[:len(logfile.GenID{})])
		if day := binary.BigEndian.Uint32(old[len(id):]); day+begunDays >= dayOf(now) {
			b.days[id] = day
		} else {
			delete(b.days, id)
		}
	}
	var all []byte
	for id, day := range b.days {
		all = appendBegun(all, id, day)
	}
	if os.WriteFile(path+".new", all, 0o600) == nil {
		os.Rename(path+".new", path)
	}
}

func appendBegun(b []byte, id logfile.GenID, day uint32) []byte {
	return binary.BigEndian.AppendUint32(append(b, id[:]...), day)
}

// has says that a generation was begun.
func (b *begun) has(id logfile.GenID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, ok := b.days[id]
	return ok
}

// add notes that a generation is being sent, as of now.
func (b *begun) add(id logfile.GenID, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if day := dayOf(now); b.days[id] != day {
		b.days[id] = day
		b.added = appendBegun(b.added, id, day)
	}
}

// drop forgets one.
func (b *begun) drop(id logfile.GenID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.days, id)
	b.added = appendBegun(b.added, id, 0)
}

// write writes what was noted.
func (b *begun) write() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.added) == 0 {
		return
	}
	if f, err := os.OpenFile(b.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600); err == nil {
		f.Write(b.added)
		f.Close()
	}
	b.added = nil
}
