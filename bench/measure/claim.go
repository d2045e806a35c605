//go:build linux

package measure

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Claim is one row of what was to be reached.
type Claim struct{ name, what, target, measured, met string }

// Target is a bound of a claim. The zero value is none: the figure is shown, nothing is judged.
type Target struct {
	text   string
	passes func(float64) bool
	// more, if not 0, is what Fairlead may be above the other in absolute terms, whatever the ratio.
	more float64
}

// NoTarget bounds nothing.
var NoTarget Target

// AtLeast is met from the bound on.
func AtLeast(bound float64) Target {
	return Target{text: "≥ " + number(bound), passes: func(v float64) bool { return v >= bound }}
}

// AtMost is met up to the bound.
func AtMost(bound float64) Target {
	return Target{text: "≤ " + number(bound), passes: func(v float64) bool { return v <= bound }}
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// OrMore is also met by what is no more than the difference above the other.
func (t Target) OrMore(difference float64, unit string) Target {
	t.text += fmt.Sprintf(" or + %v %s", difference, unit)
	t.more = difference
	return t
}

func (t Target) judge(v float64) string {
	switch {
	case math.IsNaN(v):
		return "not measured"
	case t.passes == nil:
		return "no target"
	case t.passes(v):
		return "met"
	}
	return "**not met**"
}

// Ratio claims something of Fairlead's figure divided by a peer's, turn by turn.
func (r Result) Ratio(f Figure, to string, t Target) Claim { return r.RatioOf(Fairlead, f, to, t) }

// RatioOf is Ratio for another way of ours than [Fairlead]; its name is in the claim.
func (r Result) RatioOf(way string, f Figure, to string, t Target) Claim {
	ours, theirs := r.Of(way).Values(f), r.Of(to).Values(f)
	ratio := SpreadOf(ratios(ours, theirs))
	what := string(f)
	if way != Fairlead {
		what = way + ": " + what
	}
	c := Claim{r.Name, what + " ÷ " + to, t.text, ratio.text(2), t.judge(ratio.Median)}
	if t.more > 0 && SpreadOf(ours).Median <= SpreadOf(theirs).Median+t.more {
		c.met = "met"
	}
	return r.checked(way, c, ratio.Median)
}

// Value claims something of Fairlead's figure itself.
func (r Result) Value(f Figure, t Target) Claim {
	v := SpreadOf(r.Of(Fairlead).Values(f))
	decimals := 2
	if v.Median >= 100 {
		decimals = 0
	}
	return r.checked(Fairlead, Claim{r.Name, string(f), t.text, v.text(decimals), t.judge(v.Median)}, v.Median)
}

// Total claims something of the sum of figures over all turns: one lost line in three turns is
// one too many.
func (r Result) Total(t Target, figures ...Figure) Claim {
	sum, names := math.NaN(), make([]string, len(figures))
	for i, f := range figures {
		names[i] = string(f)
		for _, v := range r.Of(Fairlead).Values(f) {
			sum = v + zeroOfNaN(sum)
		}
	}
	return r.checked(Fairlead, Claim{r.Name, strings.Join(names, " + "), t.text, fmt.Sprint(sum), t.judge(sum)}, sum)
}

func zeroOfNaN(v float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return v
}

// checked says why there is nothing to claim.
func (r Result) checked(way string, c Claim, v float64) Claim {
	if math.IsNaN(v) {
		c.measured = "–"
	}
	if r.Of(way).Err != nil {
		c.measured, c.met = "failed", "**not met**"
	}
	return c
}
