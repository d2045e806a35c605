package replica

import "testing"

// A sample is one leaf of a hundred, 16 at least, always with both ends, and each
// leaf once.
func TestSample(t *testing.T) {
	for _, tt := range []struct {
		sample  Sample
		n, want int64
	}{
		{Sample{}, 1, 1}, {Sample{}, 16, 16}, {Sample{}, 17, 16}, {Sample{}, 1600, 16}, {Sample{}, 1601, 17},
		{Sample{Seed: 9}, 100_000, 1000}, {Sample{Full: true}, 100_000, 100_000},
	} {
		list := tt.sample.of(tt.n)
		next, got := int64(0), int64(0)
		for _, part := range list {
			if part.first < next || part.count < 1 {
				t.Fatalf("%+v of %d leaves: %v is not behind %d", tt.sample, tt.n, part, next)
			}
			next, got = part.first+part.count, got+part.count
		}
		if got != tt.want || list[0].first != 0 || next != tt.n {
			t.Errorf("%+v of %d leaves: %d, up to %d, want %d with both ends", tt.sample, tt.n, got, next, tt.want)
		}
	}
}
