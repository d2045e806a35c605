package serve

import (
	"errors"
	"fmt"
)

// AtEnd says what happens when a generation ends: its file was renamed, deleted
// or truncated. A truncated one can be carried on by AtEndFollow alone: under
// the others its clients' connections end, and new ones get what comes next.
type AtEnd uint8

const (
	AtEndClose  AtEnd = iota // close its clients; new ones get the next generation
	AtEndFollow              // carry on into the next generation, as tail -F does
	AtEndLinger              // renamed or deleted, it is served on, to old and new clients
	AtEndExit                // renamed or deleted, it is served to its end, and Serve returns ErrFileGone
)

var atEndNames = [...]string{"close", "follow", "linger", "exit"}

func (a AtEnd) String() string {
	if int(a) < len(atEndNames) {
		return atEndNames[a]
	}
	return fmt.Sprintf("AtEnd(%d)", uint8(a))
}

// ParseAtEnd reads what String wrote.
func ParseAtEnd(s string) (AtEnd, error) {
	for a, name := range atEndNames {
		if s == name {
			return AtEnd(a), nil
		}
	}
	return 0, fmt.Errorf("parse at-end %q: want close, follow, linger or exit", s)
}

// ErrFileGone is why Serve ends under AtEndExit.
var ErrFileGone = errors.New("the file is gone: renamed or deleted")
