package ship

import (
	"hash/fnv"
	"strings"
	"time"
)

// choose picks the receiver of a group that has a file: by rendezvous hash of its
// path, so that a receiver that leaves, or joins, moves no other files. One that
// could not be reached for long is passed over.
func choose(group []*link, path []string, failover time.Duration) (best *link) {
	now := time.Now()
	var most uint64
	for _, usable := range []bool{true, false} { // if none is, the one it would be
		for _, l := range group {
			if usable && l.downFor(now) > failover {
				continue
			}
			if w := weight(l.to.Name, path); best == nil || w > most {
				best, most = l, w
			}
		}
		if best != nil {
			break
		}
	}
	return best
}

func weight(name string, path []string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name + "\x00" + strings.Join(path, "/")))
	// FNV alone leaves names that end alike too much alike.
	x := h.Sum64()
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return x
}
