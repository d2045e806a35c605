package plain

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// F1, F30: a file that is appended to, renamed and deleted at random, while either side
// comes and goes: each generation is there once, whole, and nothing else.
func TestF01Storm(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 9))
			to := newStation(t)
			s := newShip(t, to.addr)
			quick := func(s *Sender) { s.Idle = time.Duration(1+random.IntN(30)) * time.Millisecond }
			var want []string
			text, rotated := "", 0
			s.up(quick)
			for i := range 120 {
				more := lines(i*10_000, 1+random.IntN(3000))
				s.append("a.log", more)
				text += more
				switch random.IntN(12) {
				case 0:
					eventually(t, func() string { // it is known, or nobody could tell it from the next
						if log, err := s.Files.Lookup(s.path("a.log")); err != nil || log.Stat().Current == nil || log.Stat().Current.Size < int64(len(text)) {
							return "the set does not know of it"
						}
						return ""
					})
					rotated++
					must(t, os.Rename(s.path("a.log"), s.path(fmt.Sprintf("a.log.%d", rotated))))
					want, text = append(want, text), ""
				case 1:
					to.stop()
					to.up()
				case 2:
					s.stop()
					s.up(quick)
				}
			}
			if text != "" {
				want = append(want, text)
			}
			slices.Sort(want)
			eventually(t, func() string {
				names, err := filepath.Glob(to.stored("a.log") + "*")
				must(t, err)
				var got []string
				for _, name := range names {
					b, err := os.ReadFile(name)
					must(t, err)
					got = append(got, string(b))
				}
				slices.Sort(got)
				if !slices.Equal(got, want) {
					return fmt.Sprintf("%d generations of %d are there, %v, want %v", len(got), len(want), sizes(got), sizes(want))
				}
				return ""
			})
		})
	}
}

func sizes(texts []string) (n []int) {
	for _, s := range texts {
		n = append(n, len(s))
	}
	return n
}
