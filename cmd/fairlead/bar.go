package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"fairlead/ship"
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

// A shipBar shows on a terminal how much receivers have of what there is. Lines of
// the log that are written to it appear above.
type shipBar struct {
	shown bool

	mu   sync.Mutex // guards what follows
	text string
}

func newShipBar(shown bool) *shipBar { return &shipBar{shown: shown} }

// at tells how things stand.
func (b *shipBar) at(status []ship.LinkStatus) {
	if !b.shown {
		return
	}
	var parts []string
	for _, l := range status {
		parts = append(parts, shipText(l))
	}
	text := fitting(strings.Join(parts, "; "), os.Stderr)
	b.mu.Lock()
	defer b.mu.Unlock()
	if text != b.text {
		b.text = text
		fmt.Fprint(os.Stderr, "\r\x1b[K", printable(text))
	}
}

func shipText(l ship.LinkStatus) string {
	r := newShipReport(l, time.Now())
	var size int64
	for _, f := range r.Files {
		size += f.Size
	}
	files := count(int64(len(r.Files)), "file")
	switch {
	case !r.Connected && l.Times == 0 && l.Err == nil:
		return r.To + ": connecting"
	case !r.Connected:
		return r.To + ": not connected"
	case r.Lag == 0:
		return fmt.Sprintf("%s has all of %s, %s", r.To, files, bytesText(size))
	}
	return fmt.Sprintf("%s has %d %% of %s, %s, %s/s%s", r.To, 100*(size-r.Lag)/size, files, bytesText(size), bytesText(int64(r.Rate)), etaText(r))
}

// Write writes a line of the log.
func (b *shipBar) Write(p []byte) (int, error) {
	if b.shown {
		b.mu.Lock()
		defer b.mu.Unlock()
		fmt.Fprint(os.Stderr, "\r\x1b[K")
		b.text = ""
	}
	return os.Stderr.Write(p)
}

// end leaves what was shown last.
func (b *shipBar) end() {
	if b.shown && b.text != "" {
		fmt.Fprintln(os.Stderr)
	}
}
