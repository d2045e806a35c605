package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// findings are files that a verification found to differ from their copies: alarms,
// until a full one finds them equal, or gone.
type findings struct {
	mu    sync.Mutex // guards what follows
	files map[finding]found
	total int64 // MiB, since the start
}

// found is what was found, and when.
type found struct {
	verifiedFile
	at time.Time
}

type finding struct{ to, path, gen string }

// maxFindings is how many files are remembered.
const maxFindings = 1000

func (f *findings) take(q verifyQuestion, file verifiedFile) {
	key := finding{q.to, file.Path, file.Generation}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case file.count() > 0:
		f.total += file.count()
		if f.files == nil {
			f.files = make(map[finding]found)
		}
		if _, known := f.files[key]; known || len(f.files) < maxFindings {
			f.files[key] = found{file, time.Now()}
		}
	case q.full || file.Outcome == "gone" || file.Outcome == "pruned":
		delete(f.files, key)
	}
}

// end forgets what a full verification of all, that began at a time, did not find any
// more.
func (f *findings) end(q verifyQuestion, began time.Time) {
	if !q.full || len(q.of) > 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.DeleteFunc(f.files, func(key finding, what found) bool { return key.to == q.to && what.at.Before(began) })
}

// count adds them to a report.
func (f *findings) count(r *processReport) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := r.Counters
	c["verify_mismatches_total"] = f.total
	keys := slices.SortedFunc(maps.Keys(f.files), func(a, b finding) int {
		return cmp.Or(cmp.Compare(a.to, b.to), cmp.Compare(a.path, b.path), cmp.Compare(a.gen, b.gen))
	})
	for i, key := range keys {
		if i == maxListed {
			r.problemf("`fairlead verify` lists them", "%d more files differ", len(keys)-i)
			break
		}
		file := f.files[key].verifiedFile
		if key.to == "" {
			r.problemf("keep that file; on the sender `fairlead verify --to HOST --full` compares it with its source",
				"%s is not what was acknowledged: %s", file.Stored, mibText(file))
			continue
		}
		r.problemf(fmt.Sprintf("keep both; on %s `fairlead verify` tells whether the copy is what was acknowledged; it is not sent anew by itself", key.to),
			"%s, generation %.8s, differs from its copy at %s: %s", file.Path, key.gen, key.to, mibText(file))
	}
}
