package main

import (
	"strings"
	"testing"
	"time"
)

// What was found to differ is a problem until a full verification finds it equal.
func TestFindings(t *testing.T) {
	to := verifyQuestion{to: "vault"}
	full := verifyQuestion{to: "vault", full: true}
	one := verifyQuestion{to: "vault", full: true, of: []string{"/a"}}
	differs := verifiedFile{Path: "/a", Generation: "1", Outcome: "differs", Mismatches: []mismatch{{7, "other bytes"}}}
	equal := verifiedFile{Path: "/a", Generation: "1", Outcome: "equal"}
	other := verifiedFile{Path: "/b", Generation: "2", Outcome: "equal"}
	for name, tt := range map[string]struct {
		q    verifyQuestion
		file verifiedFile
		want int
	}{
		"nothing more":                       {q: one, file: other, want: 1},
		"a sample finds it equal":            {q: to, file: equal, want: 1},
		"every byte is equal":                {q: one, file: equal},
		"it is gone":                         {q: to, file: verifiedFile{Path: "/a", Generation: "1", Outcome: "gone"}},
		"another receiver's copy is equal":   {q: verifyQuestion{to: "other", full: true}, file: equal, want: 1},
		"all is equal, and it is not listed": {q: full, file: other},
	} {
		t.Run(name, func(t *testing.T) {
			var f findings
			f.take(to, differs)
			f.take(tt.q, tt.file)
			f.end(tt.q, time.Now().Add(time.Hour))
			r := processReport{Counters: map[string]int64{}}
			f.count(&r)
			if len(r.Problems) != tt.want || r.Counters["verify_mismatches_total"] != 1 {
				t.Fatalf("problems = %v, %v, want %d", r.Problems, r.Counters, tt.want)
			}
			for _, p := range r.Problems {
				if !strings.Contains(p.What, "/a, generation 1, differs from its copy at vault: MiB 7 (other bytes)") {
					t.Errorf("problem %q", p.What)
				}
			}
		})
	}
}

// The name of a copy is SENDER:PATH, and nothing else is.
func TestSenderIn(t *testing.T) {
	for name, want := range map[string]string{
		"web1:/var/log/a.log": "web1", "/var/log/a.log": "", "a.log": "", "a:b": "", "/a:/b": "", "./a:/b": "", ":/b": "", "": "",
	} {
		if got := senderIn(name); got != want {
			t.Errorf("senderIn(%q) = %q, want %q", name, got, want)
		}
	}
}
