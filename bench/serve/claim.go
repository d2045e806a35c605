//go:build linux

package main

import (
	"fmt"
	"math"
	"strings"
)

// claim is one row of what was to be reached.
type claim struct{ name, what, target, measured, met string }

// target is a bound of a claim. The zero value is none: the figure is shown, nothing is judged.
type target struct {
	text   string
	passes func(float64) bool
	// more, if not 0, is what Fairlead may be above the other in absolute terms, whatever the ratio.
	more float64
}

var noTarget target

func atLeast(bound float64) target {
	return target{text: fmt.Sprintf("≥ %v", bound), passes: func(v float64) bool { return v >= bound }}
}

func atMost(bound float64) target {
	return target{text: fmt.Sprintf("≤ %v", bound), passes: func(v float64) bool { return v <= bound }}
}

func (t target) orMore(difference float64, unit string) target {
	t.text += fmt.Sprintf(" or + %v %s", difference, unit)
	t.more = difference
	return t
}

func (t target) judge(v float64) string {
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

// ratio claims something of Fairlead's figure divided by a peer's, turn by turn.
func (r result) ratio(f figure, to string, t target) claim {
	ours, theirs := r.of(fairlead).values(f), r.of(to).values(f)
	ratio := spreadOf(ratios(ours, theirs))
	c := claim{r.name, string(f) + " ÷ " + to, t.text, ratio.text(2), t.judge(ratio.median)}
	if t.more > 0 && spreadOf(ours).median <= spreadOf(theirs).median+t.more {
		c.met = "met"
	}
	return r.checked(c, ratio.median)
}

// value claims something of Fairlead's figure itself.
func (r result) value(f figure, t target) claim {
	v := spreadOf(r.of(fairlead).values(f))
	decimals := 2
	if v.median >= 100 {
		decimals = 0
	}
	return r.checked(claim{r.name, string(f), t.text, v.text(decimals), t.judge(v.median)}, v.median)
}

// total claims something of the sum of figures over all turns: one lost line in three turns is
// one too many.
func (r result) total(t target, figures ...figure) claim {
	sum, names := math.NaN(), make([]string, len(figures))
	for i, f := range figures {
		names[i] = string(f)
		for _, v := range r.of(fairlead).values(f) {
			sum = v + zeroOfNaN(sum)
		}
	}
	return r.checked(claim{r.name, strings.Join(names, " + "), t.text, fmt.Sprint(sum), t.judge(sum)}, sum)
}

func zeroOfNaN(v float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return v
}

// checked says why there is nothing to claim.
func (r result) checked(c claim, v float64) claim {
	if math.IsNaN(v) {
		c.measured = "–"
	}
	if r.of(fairlead).err != nil {
		c.measured, c.met = "failed", "**not met**"
	}
	return c
}
