package measure

import (
	"math"
	"math/bits"
	"slices"
)

// Spread is what several turns gave: the median is quoted, the rest shows how far to trust it.
type Spread struct{ Median, Min, Max float64 }

// SpreadOf is the spread of what was measured; NaN of nothing.
func SpreadOf(xs []float64) Spread {
	if len(xs) == 0 {
		return Spread{math.NaN(), math.NaN(), math.NaN()}
	}
	s := slices.Sorted(slices.Values(xs))
	mid := len(s) / 2
	median := s[mid]
	if len(s)%2 == 0 {
		median = (s[mid-1] + s[mid]) / 2
	}
	return Spread{median, s[0], s[len(s)-1]}
}

// ratios pairs a and b turn by turn: the two of one turn ran next to each other, so a machine
// that drifts between turns moves both.
func ratios(a, b []float64) []float64 {
	var rs []float64
	for i := range min(len(a), len(b)) {
		if b[i] != 0 {
			rs = append(rs, a[i]/b[i])
		}
	}
	return rs
}

// subBuckets is the number of buckets for each power of two: a value is known to 1 in 128.
const subBuckets = 128

// Histogram counts values of any size in little memory: ten million latencies a second must cost
// next to nothing. Below subBuckets it is exact, above it within 1 %.
type Histogram struct {
	counts [(64 - 7 + 1) * subBuckets]int64
	n, Max int64
}

// Add counts v; a negative one (no clock is that bad) counts as 0.
func (h *Histogram) Add(v int64) {
	v = max(v, 0)
	h.counts[bucket(v)]++
	h.n++
	h.Max = max(h.Max, v)
}

// Join adds what another counted.
func (h *Histogram) Join(other *Histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.n += other.n
	h.Max = max(h.Max, other.Max)
}

// Quantile is the least value that at least q of all values do not exceed, never above the
// largest; 0 of nothing.
func (h *Histogram) Quantile(q float64) int64 {
	rank := int64(math.Ceil(q * float64(h.n)))
	var seen int64
	for i, n := range h.counts {
		seen += n
		if n > 0 && seen >= rank {
			return min(bucketTop(i), h.Max)
		}
	}
	return 0
}

// bucket: the first subBuckets values have one each; then each power of two is cut into subBuckets.
func bucket(v int64) int {
	if v < subBuckets {
		return int(v)
	}
	shift := bits.Len64(uint64(v)) - 8
	return shift*subBuckets + int(v>>shift)
}

// bucketTop is the largest value in bucket i.
func bucketTop(i int) int64 {
	if i < 2*subBuckets {
		return int64(i)
	}
	shift := i/subBuckets - 1
	return int64(i-shift*subBuckets+1)<<shift - 1
}
