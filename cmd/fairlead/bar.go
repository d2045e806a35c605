package main

import (
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// A bar shows on a terminal how far a copy is and how fast it grows, as long as
// it does. Lines of the log that are written to it appear above.
type bar struct {
	what string // the zero bar shows nothing

	mu     sync.Mutex               // guards what follows
	moving *progressbar.ProgressBar // nil while nothing comes
	quiet  *time.Timer
	size   int64
}

// newBar returns a bar that is shown if stderr is a terminal.
func newBar(what string, shown bool) *bar {
	if !shown {
		return &bar{}
	}
	return &bar{what: printable(what)}
}

// at tells how long the copy is now. The first time, and when it has begun
// anew, that is no growth.
func (b *bar) at(size int64) {
	if b.what == "" {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	grown := size - b.size
	b.size = size
	switch {
	case b.quiet == nil:
		b.quiet = time.AfterFunc(time.Second, b.stand)
		return
	case grown < 0:
		b.quiet.Reset(time.Second)
		return
	}
	if b.moving == nil {
		b.clear()
		b.moving = progressbar.NewOptions64(-1,
			progressbar.OptionSetWriter(os.Stderr),
			progressbar.OptionShowBytes(true),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionSetSpinnerChangeInterval(0), // it moves when bytes do
			progressbar.OptionSpinnerType(14),
			progressbar.OptionSetElapsedTime(false),
			progressbar.OptionUseANSICodes(true),
		)
	}
	b.moving.Describe(b.what + " " + bytesText(size))
	b.moving.Add64(grown)
	b.quiet.Reset(time.Second)
}

// stand shows the size alone: a rate of nothing would be that of a while ago.
func (b *bar) stand() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clear()
	b.moving = nil
	fmt.Fprintf(os.Stderr, "%s %s, nothing new", b.what, bytesText(b.size))
}

func (b *bar) clear() { fmt.Fprint(os.Stderr, "\r\x1b[K") }

// Write writes a line of the log.
func (b *bar) Write(p []byte) (int, error) {
	if b.what != "" {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.clear()
	}
	return os.Stderr.Write(p)
}

// end takes the bar away.
func (b *bar) end() {
	if b.what == "" {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.quiet != nil {
		b.quiet.Stop()
	}
	b.clear()
}
