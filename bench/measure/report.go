//go:build linux

package measure

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// Table is one measurement: what every peer did in every case, and what is claimed of it.
type Table struct {
	Title, Note string
	Columns     []Column
	Results     []Result
	Claims      []Claim
}

// Column is a figure in a table.
type Column struct {
	Figure   Figure
	Decimals int
}

// markdown is all that a run found.
func markdown(title string, about []string, tables []Table) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s: results\n\n", title)
	for _, line := range about {
		b.WriteString("- " + line + "\n")
	}
	b.WriteString("\nMedians over the turns, least and most in brackets. Absolute figures show the scale; what is claimed\n" +
		"are ratios, each the median of the ratios within a turn.\n")
	for _, t := range tables {
		fmt.Fprintf(&b, "\n## %s\n%s\n\n", t.Title, t.Note)
		writeRows(&b, t.rows())
		b.WriteString("\n" + t.failures())
		writeRows(&b, claimRows(t.Claims))
	}
	return b.String()
}

// rows are a head and one row for each case and peer.
func (t Table) rows() [][]string {
	head := []string{"case", "server"}
	for _, c := range t.Columns {
		head = append(head, string(c.Figure))
	}
	rows := [][]string{head}
	for _, r := range t.Results {
		for _, o := range r.Outcomes {
			row := []string{r.Name, o.Peer}
			for _, c := range t.Columns {
				row = append(row, o.cell(c))
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// failures are a line for each peer that could not do a case.
func (t Table) failures() string {
	var b strings.Builder
	for _, r := range t.Results {
		for _, o := range r.Outcomes {
			if o.Err != nil {
				fmt.Fprintf(&b, "%s, %s, failed: %v.\n\n", o.Peer, r.Name, o.Err)
			}
		}
	}
	return b.String()
}

func (o Outcome) cell(c Column) string {
	if o.Err != nil {
		return "failed"
	}
	return SpreadOf(o.Values(c.Figure)).text(c.Decimals)
}

func (s Spread) text(decimals int) string {
	if math.IsNaN(s.Median) {
		return "–" // it was not measured
	}
	if s.Min == s.Max {
		return fmt.Sprintf("%.*f", decimals, s.Median)
	}
	return fmt.Sprintf("%.*f (%.*f–%.*f)", decimals, s.Median, decimals, s.Min, decimals, s.Max)
}

func claimRows(claims []Claim) [][]string {
	rows := [][]string{{"case", "Fairlead's", "target", "measured", "met"}}
	for _, c := range claims {
		rows = append(rows, []string{c.name, c.what, c.target, c.measured, c.met})
	}
	return rows
}

// writeRows writes a Markdown table that can be read as it is: columns are padded.
func writeRows(b *strings.Builder, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for n, row := range rows {
		for i, cell := range row {
			fmt.Fprintf(b, "| %-*s ", widths[i], cell)
		}
		b.WriteString("|\n")
		if n > 0 {
			continue
		}
		for _, w := range widths {
			b.WriteString("|" + strings.Repeat("-", w+2))
		}
		b.WriteString("|\n")
	}
}

// Clients is a number of clients in words.
func Clients(n int) string {
	if n == 1 {
		return "1 client"
	}
	return Thousands(n) + " clients"
}

// Thousands writes 10000 as 10,000.
func Thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", Thousands(n/1000), n%1000)
}

// Size is a number of bytes in words.
func Size(n int64) string {
	if n >= 1<<30 {
		return fmt.Sprintf("%d GiB", n>>30)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}
