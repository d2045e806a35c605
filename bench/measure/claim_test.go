//go:build linux

package measure

import (
	"context"
	"errors"
	"testing"
)

// caseOf is a case in which Fairlead and the C loop measured these.
func caseOf(ours, theirs []float64) Result {
	r := Result{Name: "case", Outcomes: []Outcome{{Peer: Fairlead}, {Peer: "C epoll"}}}
	for i, values := range [][]float64{ours, theirs} {
		for _, v := range values {
			r.Outcomes[i].Samples = append(r.Outcomes[i].Samples, Sample{P50: v})
		}
	}
	return r
}

func TestClaims(t *testing.T) {
	failed := caseOf([]float64{1}, []float64{1})
	failed.Outcomes[0].Err, failed.Outcomes[0].Samples = errors.New("gone"), nil
	tests := []struct {
		name                string
		got                 Claim
		wantMeasured, wants string
	}{
		{"within the ratio", caseOf([]float64{3, 1.2, 1.4}, []float64{2, 1, 1}).Ratio(P50, "C epoll", AtMost(1.5)), "1.40 (1.20–1.50)", "met"},
		{"above the ratio", caseOf([]float64{1.6}, []float64{1}).Ratio(P50, "C epoll", AtMost(1.5)), "1.60", "**not met**"},
		{"above the ratio, by less than the slack", caseOf([]float64{0.09}, []float64{0.05}).Ratio(P50, "C epoll", AtMost(1.5).OrMore(0.05, "ms")), "1.80", "met"},
		{"above both", caseOf([]float64{0.2}, []float64{0.05}).Ratio(P50, "C epoll", AtMost(1.5).OrMore(0.05, "ms")), "4.00", "**not met**"},
		{"below the least", caseOf([]float64{0.94}, []float64{1}).Ratio(P50, "C epoll", AtLeast(0.95)), "0.94", "**not met**"},
		{"no target", caseOf([]float64{2}, []float64{1}).Ratio(P50, "C epoll", NoTarget), "2.00", "no target"},
		{"nobody to compare with", caseOf([]float64{2}, nil).Ratio(P50, "C epoll", AtMost(1)), "–", "not measured"},
		{"a value", caseOf([]float64{3, 1, 2}, nil).Value(P50, AtMost(2)), "2.00 (1.00–3.00)", "met"},
		{"a sum: the median would hide it", caseOf([]float64{0, 0, 1}, nil).Total(AtMost(0), P50), "1", "**not met**"},
		{"a sum of nothing wrong", caseOf([]float64{0, 0, 0}, nil).Total(AtMost(0), P50), "0", "met"},
		{"a sum of nothing measured", caseOf(nil, nil).Total(AtMost(0), P50), "–", "not measured"},
		{"failed", failed.Ratio(P50, "C epoll", NoTarget), "failed", "**not met**"},
	}
	for _, tt := range tests {
		if tt.got.measured != tt.wantMeasured || tt.got.met != tt.wants {
			t.Errorf("%s: measured %q, %q, want %q, %q", tt.name, tt.got.measured, tt.got.met, tt.wantMeasured, tt.wants)
		}
	}
}

// A figure that a peer does not have is no number.
func TestCell(t *testing.T) {
	o := caseOf([]float64{1, 3}, nil).Of(Fairlead)
	for f, want := range map[Figure]string{P50: "2.0 (1.0–3.0)", P99: "–"} {
		if got := o.cell(f.To(1)); got != want {
			t.Errorf("cell(%s) = %q, want %q", f, got, want)
		}
	}
}

// A peer that fails in one turn has no figures and is not tried again; the others go on.
func TestInTurns(t *testing.T) {
	tried := map[string]int{}
	var first []string
	r, err := InTurns(context.Background(), "case", []Peer{{Name: "a"}, {Name: "b"}, {Name: "c"}}, 3, func(p Peer) (Sample, error) {
		tried[p.Name]++
		if tried[p.Name] > len(first) {
			first = append(first, p.Name)
		}
		if p.Name == "b" && tried["b"] == 2 {
			return nil, errors.New("crashed")
		}
		return Sample{P50: float64(tried[p.Name])}, nil
	})
	if err != nil {
		t.Fatalf("inTurns = %v", err)
	}
	if tried["a"] != 3 || tried["b"] != 2 || tried["c"] != 3 {
		t.Errorf("tried = %v, want a 3, b 2, c 3 times", tried)
	}
	if got := r.Of("b"); got.Err == nil || len(got.Samples) != 0 {
		t.Errorf("of(b) = %+v, want an error and no samples", got)
	}
	if got := SpreadOf(r.Of("c").Values(P50)); got != (Spread{2, 1, 3}) {
		t.Errorf("values of c = %v, want 2 (1–3)", got)
	}
	if len(first) != 3 || first[0] != "a" || first[1] != "b" || first[2] != "c" {
		t.Errorf("the turns began with %v, want a, b, c", first)
	}
}
