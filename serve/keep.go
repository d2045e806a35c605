package serve

import (
	"context"
	"sync"
	"time"

	"fairlead/logfile"
)

// keepers hold the files of AtEndLinger and AtEndExit open: one descriptor each,
// for as long as Serve runs.
type keepers struct {
	srv     *Server
	allGone func() // called once the last file is gone

	mu    sync.Mutex // guards byLog
	byLog map[*logfile.Log]*keeper
}

// of returns the keeper of a log, nil where none is needed.
func (ks *keepers) of(log *logfile.Log) *keeper {
	if ks.srv.AtEnd != AtEndLinger && ks.srv.AtEnd != AtEndExit {
		return nil
	}
	ks.mu.Lock()
	defer ks.mu.Unlock()
	k := ks.byLog[log]
	if k == nil {
		k = &keeper{srv: ks.srv, log: log, changed: make(chan struct{})}
		if ks.byLog == nil {
			ks.byLog = make(map[*logfile.Log]*keeper)
		}
		ks.byLog[log] = k
	}
	return k
}

// hold opens the files of the logs that are there now.
func (ks *keepers) hold() {
	for _, log := range ks.srv.Files.Logs() {
		ks.of(log).gone(log.Stat())
	}
}

// run keeps the files of all logs, also of those that are still to come.
func (ks *keepers) run(ctx context.Context) {
	defer ks.close()
	var wg sync.WaitGroup
	defer wg.Wait()
	runs := make(map[*logfile.Log]bool)
	gone := make(chan struct{})
	for left := 0; ; {
		joined := ks.srv.Files.Changed()
		for _, log := range ks.srv.Files.Logs() {
			if !runs[log] {
				runs[log] = true
				left++
				wg.Go(func() { ks.of(log).run(ctx, gone) })
			}
		}
		select {
		case <-joined:
		case <-gone:
			if left--; left == 0 && ks.srv.AtEnd == AtEndExit {
				ks.allGone()
			}
		case <-ctx.Done():
			return
		}
	}
}

func (ks *keepers) close() {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	for _, k := range ks.byLog {
		k.close()
	}
}

// A keeper holds one log's file open, by whatever name or none, until it is
// truncated: what it becomes then is the next generation of the same file.
type keeper struct {
	srv *Server
	log *logfile.Log

	mu      sync.Mutex // guards what follows
	handle  *logfile.Handle
	kept    logfile.GenID
	left    bool          // it is no longer at the log's path
	size    int64         // since it left
	changed chan struct{} // closed and replaced when size grows
}

// growEvery is how often a file that has no name is looked at.
const growEvery = time.Second

func (k *keeper) run(ctx context.Context, gone chan<- struct{}) {
	st := k.log.Stat()
	for ; !k.over(st); st = k.log.Stat() {
		if k.log.Wait(ctx, st.Seq) != nil {
			return
		}
	}
	select {
	case gone <- struct{}{}:
	case <-ctx.Done():
	}
	for ; ctx.Err() == nil; st = k.log.Stat() {
		k.look()
		wait, cancel := context.WithTimeout(ctx, growEvery)
		k.log.Wait(wait, st.Seq)
		cancel()
	}
}

// over says that the file has left its path and that the time for what is
// written to it late is over too.
func (k *keeper) over(st logfile.Stat) bool {
	kept, _, gone := k.gone(st)
	g := st.Find(kept)
	return gone && (g == nil || g.End != nil)
}

// gone says that the file that is held was renamed or deleted, and how far it
// reaches. One that no longer is what it was has been truncated, which is
// another matter: then what is at the path is held instead. Without a keeper
// nothing is gone.
func (k *keeper) gone(st logfile.Stat) (gen logfile.GenID, size int64, gone bool) {
	if k == nil {
		return logfile.GenID{}, 0, false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.left || k.handle != nil && st.Current != nil && st.Current.ID == k.kept {
		return k.kept, k.size, k.left
	}
	if k.handle != nil && k.handle.Check() == nil {
		size, err := k.handle.Size()
		if k.left = err == nil; k.left {
			k.size = size
		}
		return k.kept, k.size, k.left
	}
	k.hold(st.Current)
	return k.kept, k.size, false
}

// hold opens a generation in place of the one that is held.
func (k *keeper) hold(g *logfile.Gen) {
	if g == nil {
		return
	}
	h, err := k.log.Open(g.ID)
	if err != nil {
		k.srv.logger().Warn("file not held", "path", k.log.Name(), "err", err)
		return
	}
	if k.handle != nil {
		k.handle.Close()
	}
	k.handle, k.kept = &h, g.ID
}

// holds says that a generation has ended whose file is still here.
func (k *keeper) holds(end *logfile.Ended) bool {
	gen, _, gone := k.gone(k.log.Stat())
	return gone && gen == end.Gen
}

// file returns what is held since it left.
func (k *keeper) file() (logfile.Handle, logfile.GenID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return *k.handle, k.kept
}

// look takes in what was written to the file since it left.
func (k *keeper) look() {
	k.mu.Lock()
	defer k.mu.Unlock()
	size, err := k.handle.Size()
	if err != nil || size <= k.size || k.handle.Check() != nil {
		return
	}
	k.size = size
	close(k.changed)
	k.changed = make(chan struct{})
}

// grown waits until the file that has left is longer than off.
func (k *keeper) grown(ctx context.Context, off int64) (size int64, err error) {
	for {
		k.mu.Lock()
		size, changed := k.size, k.changed
		k.mu.Unlock()
		if size > off {
			return size, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return 0, whyOver(ctx)
		}
	}
}

func (k *keeper) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.handle != nil {
		k.handle.Close()
		k.handle = nil
	}
}
