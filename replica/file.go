package replica

import (
	"time"

	"fairlead/logfile"
)

// A File is one generation at its source. Its methods are called by several
// goroutines, and without any lock of ours held.
type File interface {
	// Gen is the id that the generation has at its source.
	Gen() logfile.GenID

	// Stat returns what is known of it now.
	Stat() FileStat

	// ReadAt reads bytes that were checked, after they were read, to belong to the
	// generation. It returns at least one, or io.EOF if there is none yet, or what
	// errors.Is says is logfile.ErrEnded if there never will be, or another error:
	// try again later.
	ReadAt(p []byte, off int64) (int, error)
}

// A FileStat is what is known of a file at one moment.
type FileStat struct {
	Path     []string // names from the root on
	Size     int64
	Modified time.Time
	Ended    bool   // it is not at its path any more
	Final    bool   // no byte will be added
	Readable bool   // its bytes can still be read
	Adopted  bool   // they are read from a copy that was found beside it
	Reason   Reason // why it is final
}

// Leaves remember the hashes of what was once read, so that a new process need not
// read it again to prove what it has. They are a cache: what is wrong of them costs
// a second look, and nothing else.
type Leaves interface {
	// Load returns the hashes of the first leaves.
	Load(gen logfile.GenID) []Hash
	// Keep remembers those from the leaf first on.
	Keep(gen logfile.GenID, first int, leaves []Hash)
	// Drop forgets a generation.
	Drop(gen logfile.GenID)
}

// noLeaves remember nothing.
type noLeaves struct{}

func (noLeaves) Load(logfile.GenID) []Hash       { return nil }
func (noLeaves) Keep(logfile.GenID, int, []Hash) {}
func (noLeaves) Drop(logfile.GenID)              {}
