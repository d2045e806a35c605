package measure

import (
	"math/rand/v2"
	"slices"
	"testing"
)

type counts struct{ lost, doubled, reordered, torn int64 }

// stream writes the lines with these numbers.
func stream(seqs ...int64) []byte {
	var b []byte
	for _, seq := range seqs {
		b = AppendLine(b, seq, seq*1000)
	}
	return b
}

func TestLineRoundTrip(t *testing.T) {
	for _, tt := range []struct{ seq, stamp int64 }{{0, 0}, {7, 1}, {12345678, 1234567890123456}, {99999999, 9999999999999999}} {
		line := AppendLine(nil, tt.seq, tt.stamp)
		seq, stamp, ok := ParseLine(line)
		if seq != tt.seq || stamp != tt.stamp || !ok || len(line) != LineLen {
			t.Errorf("parseLine(%q) = %v, %v, %v, want %v, %v, true", line, seq, stamp, ok, tt.seq, tt.stamp)
		}
	}
}

func TestParseLineRefuses(t *testing.T) {
	for _, at := range []int{0, 7, 8, stampAt, stampAt + 8, stampAt + stampLen, LineLen - 1} {
		for _, c := range []byte{'/', ':', 'x', 0, 0xff} {
			line := AppendLine(nil, 42, 43)
			line[at] = c
			if _, _, ok := ParseLine(line); ok {
				t.Errorf("parseLine(%q) took a line with %q at %d", line, c, at)
			}
		}
	}
}

func TestLineCounterFindsPlantedFaults(t *testing.T) {
	whole := stream(0, 1, 2, 3, 4, 5)
	cut := slices.Delete(slices.Clone(whole), LineLen+10, LineLen+30)      // 20 bytes of line 1 are gone
	grown := slices.Insert(slices.Clone(whole), 2*LineLen+5, whole[:7]...) // 7 bytes doubled within line 2
	tests := []struct {
		name  string
		bytes []byte
		want  counts
	}{
		{"nothing wrong", whole, counts{}},
		{"one lost in the middle", stream(0, 1, 3, 4, 5), counts{lost: 1}},
		{"first lost", stream(1, 2, 3, 4, 5), counts{lost: 1}},
		{"last two lost", stream(0, 1, 2, 3), counts{lost: 2}},
		{"nothing came", nil, counts{lost: 6}},
		{"one doubled", stream(0, 1, 1, 2, 3, 4, 5), counts{doubled: 1}},
		{"a block doubled", stream(0, 1, 2, 0, 1, 2, 3, 4, 5), counts{doubled: 3}},
		{"two swapped", stream(0, 2, 1, 3, 4, 5), counts{reordered: 1}},
		{"first comes last", stream(1, 2, 3, 4, 5, 0), counts{reordered: 1}},
		{"passed over, then twice", stream(0, 2, 1, 1, 3, 4, 5), counts{doubled: 1, reordered: 1}},
		{"bytes lost within a line", cut, counts{lost: 1, torn: 1}},
		{"bytes doubled within a line", grown, counts{lost: 1, torn: 2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, size := range []int{len(tt.bytes) + 1, 1, 63, 64, 65, 100} {
				if got := countIn(tt.bytes, size); got != tt.want {
					t.Errorf("counts in pieces of %d = %+v, want %+v", size, got, tt.want)
				}
			}
		})
	}
}

// countIn feeds a stream of what should be six lines in pieces.
func countIn(b []byte, size int) counts {
	var c LineCounter
	for piece := range slices.Chunk(b, size) {
		c.Feed(piece, func(int64, int64) {})
	}
	return counts{c.Lost(6), c.Doubled, c.Reordered, c.Torn}
}

// Any cutting of the stream gives the same lines, each with its own stamp.
func TestLineCounterInRandomPieces(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var want []int64
	for seq := range int64(500) {
		want = append(want, seq)
	}
	b := stream(want...)
	var c LineCounter
	var got []int64
	for len(b) > 0 {
		n := min(1+rng.IntN(300), len(b))
		c.Feed(b[:n], func(seq, stamp int64) {
			if stamp != seq*1000 {
				t.Errorf("stamp of line %d = %v, want %v", seq, stamp, seq*1000)
			}
			got = append(got, seq)
		})
		b = b[n:]
	}
	if !slices.Equal(got, want) {
		t.Errorf("numbers = %v, want 0 to 499 in order", got)
	}
}
