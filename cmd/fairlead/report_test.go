package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"fairlead/logfile"
)

// What is wrong with a watch decides the cure: only the kernel's limits are
// cured by raising them.
func TestStatusWatchCure(t *testing.T) {
	tests := map[string]struct {
		err        error
		what, cure string
	}{
		"limit":         {fmt.Errorf("watch /var/log: %w", logfile.ErrNoWatches), "7 directories are polled", "max_user_watches"},
		"no permission": {fmt.Errorf("watch /var/log/private: %w", fs.ErrPermission), "/var/log/private", "group adm"},
		"no inotify":    {errors.New("no inotify on this system"), "7 directories are polled", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := processReport{Counters: map[string]int64{}}
			r.countSet(logfile.Stats{PolledDirs: 7, WatchErr: tt.err})
			if len(r.Problems) != 1 {
				t.Fatalf("problems %+v, want 1", r.Problems)
			}
			p := r.Problems[0]
			if !strings.Contains(p.What, tt.what) || !strings.Contains(p.Cure, tt.cure) || (p.Cure == "") != (tt.cure == "") {
				t.Errorf("problem %+v, want %q, cure %q", p, tt.what, tt.cure)
			}
			if limits := errors.Is(tt.err, logfile.ErrNoWatches); strings.Contains(p.What+p.Cure, "inotify.max") != limits {
				t.Errorf("problem %+v, speaks of inotify's limits: want %v", p, limits)
			}
		})
	}
}
