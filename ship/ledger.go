package ship

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"fairlead/logfile"
)

// A Lost is bytes of a file that could not be sent: they were gone before they could
// be read.
type Lost struct {
	Time   time.Time
	Path   string
	Gen    logfile.GenID
	From   int64
	To     int64
	Reason string
}

// maxLedger is how large the ledger gets before it is begun anew; the one before is
// kept as lost.1.
const maxLedger = 1 << 20

// A ledger is the list of what was lost, one line each:
//
//	TIME GEN FROM-TO REASON "PATH"
type ledger struct {
	path string

	mu    sync.Mutex // guards what follows
	known map[Lost]bool
	bytes int64
	list  []Lost // the newest
}

// maxKnown is how many losses are told from new ones.
const maxKnown = 10_000

// keptLost is how many losses are kept in memory, to be shown.
const keptLost = 100

// open reads what is there. A line that says nothing we understand is passed over.
func (l *ledger) open() error {
	l.known = make(map[Lost]bool)
	f, err := os.Open(l.path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	for in := bufio.NewReader(f); ; {
		line, err := in.ReadString('\n')
		if e, ok := parseLost(strings.TrimSuffix(line, "\n")); ok {
			l.remember(e)
		}
		if err != nil {
			return nil
		}
	}
}

func parseLost(line string) (e Lost, ok bool) {
	f := strings.SplitN(line, " ", 5)
	if len(f) != 5 {
		return e, false
	}
	var errs [4]error
	e.Time, errs[0] = time.Parse(time.RFC3339, f[0])
	e.Gen, errs[1] = logfile.ParseGenID(f[1])
	_, errs[2] = fmt.Sscanf(f[2], "%d-%d", &e.From, &e.To)
	e.Reason = f[3]
	e.Path, errs[3] = strconv.Unquote(f[4])
	return e, errs == [4]error{}
}

// remember counts a loss, once. l.mu is held, or nobody else knows l.
func (l *ledger) remember(e Lost) (first bool) {
	key := e
	key.Time = time.Time{}
	if l.known[key] {
		return false
	}
	if len(l.known) == maxKnown {
		clear(l.known)
	}
	l.known[key] = true
	l.bytes += e.To - e.From
	if l.list = append(l.list, e); len(l.list) > keptLost {
		l.list = l.list[1:]
	}
	return true
}

// add writes a loss down, durably. One that was known, as another receiver was told
// of it, is not written again.
func (l *ledger) add(e Lost) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.Time = e.Time.UTC().Truncate(time.Second)
	if !l.remember(e) {
		return nil
	}
	if fi, err := os.Stat(l.path); err == nil && fi.Size() > maxLedger {
		if err := os.Rename(l.path, l.path+".1"); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("write down a loss: %w", err)
	}
	defer f.Close()
	line := fmt.Sprintf("%s %s %d-%d %s %q\n", e.Time.Format(time.RFC3339), e.Gen, e.From, e.To, e.Reason, filepath.ToSlash(e.Path))
	if _, err := f.WriteString(line); err != nil {
		return fmt.Errorf("write down a loss: %w", err)
	}
	return f.Sync()
}

// all returns the newest, and how many bytes were lost in all.
func (l *ledger) all() (list []Lost, bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Lost(nil), l.list...), l.bytes
}
