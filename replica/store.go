package replica

import (
	"errors"
	"time"

	"fairlead/logfile"
)

// An ID names a copy: one generation of one sender.
type ID struct {
	Sender string // the name that the sender's key has here
	Gen    logfile.GenID
}

// A State is what has become of a copy.
type State uint8

// The states.
const (
	Open     State = iota // it may grow
	Sealed                // it is complete: as long as its source was, or as could be had of it
	Diverged              // its source has other bytes: it stays as it is, and never grows
	Pruned                // its bytes were removed to keep within a limit; the record stays
)

func (s State) String() string {
	switch s {
	case Open:
		return "open"
	case Sealed:
		return "sealed"
	case Diverged:
		return "diverged"
	case Pruned:
		return "pruned"
	}
	return "unknown"
}

// A Record is what is durably known of a copy.
type Record struct {
	ID
	Path  []string // names of the file at the source, from the root on
	N     int64    // bytes that are durable
	Rest  Hash     // SHA-256 of those behind the last full leaf
	State State
	Ended time.Time // when its file left the path at the source; zero: it has not
	Seal  Seal      // once it is sealed or diverged
}

// A Seal ends a copy.
type Seal struct {
	N      int64  // bytes of the copy
	Proof  Hash   // H(N)
	Size   int64  // bytes that the source had; those from N on are lost
	Reason Reason // why no byte will be added
}

// A Reason says why a generation ended at its source. The numbers are those of the
// wire.
type Reason uint8

// The reasons.
const (
	_         Reason = iota
	Rotated          // renamed, and complete
	Truncated        // cut or overwritten in place
	Deleted          // unlinked
	Lost             // its bytes can no longer be read, and nobody knows why
	Regressed        // the source is shorter than the copy
	Changed          // the source has other bytes than the copy
)

// A Head is the beginning of a file: what it takes to see that most other files
// are not this one.
type Head struct {
	N    int64 // bytes, at most HeadSize; 0 says nothing
	Hash Hash
}

// HeadSize is how much of a file a Head covers, if there is so much.
const HeadSize = 4 << 10

// An Update is what has become durable of a copy since its record was committed,
// or is to become so with it.
type Update struct {
	ID
	N      int64
	Leaves []Hash // those that were completed since: they end at the last full leaf of N
	Rest   Hash
	State  State
	Seal   Seal
}

// A Copy is the file of one copy. One goroutine writes to it at a time; others may
// sync it meanwhile.
type Copy interface {
	ReadAt(p []byte, off int64) (int, error)
	// WriteAt writes at the end of what was written before. A *BusyError says
	// that there is no room: what was written of p is cut off again by Truncate.
	WriteAt(p []byte, off int64) (int, error)
	Truncate(n int64) error
	// Close lets go of it: it is not used any more. What was not synced may be lost.
	Close() error
}

// A New is a copy that is to be begun.
type New struct {
	ID
	Path  []string
	Ended time.Time // when its file left the path at the source; zero: it has not
}

// ErrStopped is what errors.Is finds in the errors of a store that cannot go on.
var ErrStopped = errors.New("the store has stopped")

// A Store keeps copies and their records. It is used by several goroutines. An
// error of Find, Under, Begin, End, Rehash or Commit that is no *BusyError, to errors.As,
// stops the receiver, and so does every one that is ErrStopped: it is not known then
// what is durable. Others of Open, Sync or a [Copy] are that copy's alone.
type Store interface {
	// Find returns the record of a copy, and the hashes of its full leaves below
	// N; ok is false if there is none.
	Find(id ID) (rec Record, leaves []Hash, ok bool, err error)

	// Under returns the records of a sender's copies of a path that are not
	// diverged nor pruned, at most max, the newest first. A copy that begins with
	// other bytes than head is left out; one that is shorter than head is not, and a
	// head of 0 bytes leaves out none.
	Under(sender string, path []string, head Head, max int) ([]Record, error)

	// Open opens the file of a copy for writing, and creates it, with its record,
	// if there is none. The file then has exactly the N bytes of the record: what
	// is behind them was never acknowledged, and is cut off. If it has not, or
	// they are not those that the record says, the store keeps the damaged file
	// beside, and the record it returns is of what is good of it. The path is that
	// of the source now: if the record has another one it takes this one. ended is
	// when the file left it, zero if it has not: a copy that begins only now then
	// does not take the place of the current one. A *RefusedError says that there
	// will never be such a copy.
	Open(id ID, path []string, ended time.Time) (c Copy, rec Record, leaves []Hash, err error)

	// Begin begins copies as Open would, but all of them with one commit. What it
	// cannot it leaves to Open, and says nothing of it.
	Begin(list []New) error

	// End says that the file of a copy has left its path at the source: the next
	// generation has begun, or will. The file in the store is renamed, once.
	End(id ID, at time.Time) error

	// Sync makes durable what was written to the copies, and that they exist, or
	// leaves it to Commit: what it returned nil for is durable once a Commit that
	// names it has returned nil. It returns one error for each. After an error, a
	// *BusyError too, the copy is closed and never synced again; what it has is that
	// of its record.
	Sync(copies []Copy) []error

	// Rehash reads the full leaves of a copy from the first on, at most count, and
	// returns their hashes as they are now.
	Rehash(id ID, first int64, count int) ([]Hash, error)

	// Commit makes records durable, and the bytes that they name: when it returns
	// nil they are. Every copy named was synced before, up to N at least, and is named once. A *BusyError says that
	// nothing of it was committed.
	Commit(updates []Update) error
}

// A BusyError says that a copy cannot be taken at the moment: the disk is full, a
// quota is used up. Other copies may be.
type BusyError struct {
	Why   string
	Retry time.Duration // when to ask again; 0: the receiver decides
}

func (e *BusyError) Error() string { return e.Why }

// A RefusedError says that a copy will never be taken: its path cannot be one here,
// or something else is at it.
type RefusedError struct{ Why string }

func (e *RefusedError) Error() string { return e.Why }
