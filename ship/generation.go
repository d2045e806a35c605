package ship

import (
	"context"
	"path/filepath"
	"strings"
	"sync"

	"fairlead/logfile"
	"fairlead/replica"
)

// A generation is one as replica sends it. Its file may have been at the paths of
// several logs, each of which has a part of it.
type generation struct {
	id logfile.GenID

	mu    sync.Mutex // guards what follows
	logs  []*logfile.Log
	last  *logfile.Gen // that was newest
	named *logfile.Log // that path is the name of
	path  []string
}

func (g *generation) Gen() logfile.GenID { return g.id }

// part notes that a log has a part of it.
func (g *generation) part(l *logfile.Log) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, known := range g.logs {
		if known == l {
			return
		}
	}
	g.logs = append(g.logs, l)
}

// newest returns the log that has the last part, and that.
func (g *generation) newest() (log *logfile.Log, part *logfile.Gen, current bool) {
	g.mu.Lock()
	logs := g.logs
	g.mu.Unlock()
	for _, l := range logs {
		st := l.Stat()
		p := st.Find(g.id)
		if p == nil {
			continue
		}
		is := p == st.Current
		if part == nil || is || !current && p.From > part.From {
			log, part, current = l, p, is
		}
	}
	return log, part, current
}

// Stat returns what is known now. One that no log knows any more is as it was last,
// and over.
func (g *generation) Stat() replica.FileStat {
	log, part, current := g.newest()
	g.mu.Lock()
	defer g.mu.Unlock()
	over := part == nil
	if over {
		if part = g.last; part == nil {
			return replica.FileStat{Path: g.path, Ended: true, Final: true}
		}
	} else if g.last = part; g.named != log {
		g.named, g.path = log, names(log.Name())
	}
	st := replica.FileStat{
		Path: g.path, Size: part.Size, Modified: part.Modified,
		Ended: !current, Final: part.Final || over, Readable: part.Readable && !over, Adopted: part.Adopted,
	}
	if part.End != nil {
		st.Reason = reasons[part.End.Reason]
	}
	return st
}

// reasons are what logfile's are on the wire.
var reasons = map[logfile.Reason]replica.Reason{
	logfile.Rotated:   replica.Rotated,
	logfile.Truncated: replica.Truncated,
	logfile.Deleted:   replica.Deleted,
	logfile.Forgotten: replica.Lost,
}

func (g *generation) ReadAt(p []byte, off int64) (int, error) {
	log, part, _ := g.newest()
	if part == nil {
		return 0, &logfile.Ended{Gen: g.id, Reason: logfile.Forgotten}
	}
	return log.ReadAt(context.Background(), p, logfile.Pos{Gen: g.id, Off: off})
}

// names splits an absolute path.
func names(path string) []string {
	return strings.Split(strings.Trim(filepath.ToSlash(path), "/"), "/")
}
