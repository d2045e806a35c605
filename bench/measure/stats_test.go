package measure

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSpreadOf(t *testing.T) {
	tests := []struct {
		xs   []float64
		want Spread
	}{
		{[]float64{3}, Spread{3, 3, 3}},
		{[]float64{9, 1, 2}, Spread{2, 1, 9}},
		{[]float64{4, 1, 2, 9}, Spread{3, 1, 9}},
	}
	for _, tt := range tests {
		in := slices.Clone(tt.xs)
		if got := SpreadOf(tt.xs); got != tt.want {
			t.Errorf("spreadOf(%v) = %v, want %v", tt.xs, got, tt.want)
		}
		if !slices.Equal(in, tt.xs) {
			t.Errorf("spreadOf(%v) left its argument as %v", in, tt.xs)
		}
	}
	if got := SpreadOf(nil); !math.IsNaN(got.Median) {
		t.Errorf("spreadOf(nil) = %v, want NaN", got)
	}
}

// A machine twice as fast in the second turn must not show in the ratio.
func TestRatiosPairTurns(t *testing.T) {
	got := SpreadOf(ratios([]float64{90, 180, 95}, []float64{100, 200, 100}))
	if want := (Spread{0.9, 0.9, 0.95}); got != want {
		t.Errorf("spreadOf(ratios) = %v, want %v", got, want)
	}
	if got := ratios([]float64{1, 2}, []float64{0, 4}); !slices.Equal(got, []float64{0.5}) {
		t.Errorf("ratios over a zero = %v, want [0.5]", got)
	}
}

func TestHistogramAgainstSorting(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var h Histogram
	var all []int64
	for range 20_000 {
		v := int64(math.Exp(rng.Float64() * 30)) // 1 ns to 3 hours, evenly over the magnitudes
		h.Add(v)
		all = append(all, v)
	}
	slices.Sort(all)
	for _, q := range []float64{0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 1} {
		want := all[int(math.Ceil(q*float64(len(all))))-1]
		got := h.Quantile(q)
		if got < want || float64(got) > float64(want)*1.01 {
			t.Errorf("quantile(%v) = %v, want %v to 1 %% more", q, got, want)
		}
	}
	if got, want := h.Max, all[len(all)-1]; got != want {
		t.Errorf("max = %v, want %v", got, want)
	}
}

func TestHistogramSmall(t *testing.T) {
	var h Histogram
	if got := h.Quantile(0.5); got != 0 {
		t.Errorf("quantile(0.5) of nothing = %v, want 0", got)
	}
	for _, v := range []int64{7, 7, 7, 130} {
		h.Add(v)
	}
	for q, want := range map[float64]int64{0.5: 7, 0.75: 7, 0.76: 130, 0.99: 130} {
		if got := h.Quantile(q); got != want {
			t.Errorf("quantile(%v) = %v, want %v", q, got, want)
		}
	}
}

// Every value lies in the bucket that bucket gives, and the one below it ends before.
func TestBucketsJoin(t *testing.T) {
	for _, v := range []int64{0, 1, 127, 128, 129, 255, 256, 257, 511, 512, 1 << 20, 1<<40 + 12345, math.MaxInt64} {
		i := bucket(v)
		if top := bucketTop(i); top < v {
			t.Errorf("bucketTop(bucket(%v)) = %v, want at least %v", v, top, v)
		}
		if i > 0 && bucketTop(i-1) >= v {
			t.Errorf("bucketTop(bucket(%v)-1) = %v, want less than %v", v, bucketTop(i-1), v)
		}
	}
}
