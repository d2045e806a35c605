//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// table is one measurement: what every peer did in every case, and what is claimed of it.
type table struct {
	title, note string
	columns     []column
	results     []result
	claims      []claim
}

type column struct {
	figure   figure
	decimals int
}

// report is all that a run found.
type report struct {
	about   []string
	leftOut []string
	tables  []table
}

func (r report) markdown() string {
	var b strings.Builder
	b.WriteString("# bench/serve: results\n\n")
	for _, line := range append(r.about, r.leftOut...) {
		b.WriteString("- " + line + "\n")
	}
	b.WriteString("\nMedians over the turns, least and most in brackets. Absolute figures show the scale; what is claimed\n" +
		"are ratios, each the median of the ratios within a turn.\n")
	for _, t := range r.tables {
		fmt.Fprintf(&b, "\n## %s\n%s\n\n", t.title, t.note)
		writeRows(&b, t.rows())
		b.WriteString("\n" + t.failures())
		writeRows(&b, claimRows(t.claims))
	}
	return b.String()
}

// rows are a head and one row for each case and peer.
func (t table) rows() [][]string {
	head := []string{"case", "server"}
	for _, c := range t.columns {
		head = append(head, string(c.figure))
	}
	rows := [][]string{head}
	for _, r := range t.results {
		for _, o := range r.outcomes {
			row := []string{r.name, o.peer}
			for _, c := range t.columns {
				row = append(row, o.cell(c))
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// failures are a line for each peer that could not do a case.
func (t table) failures() string {
	var b strings.Builder
	for _, r := range t.results {
		for _, o := range r.outcomes {
			if o.err != nil {
				fmt.Fprintf(&b, "%s, %s, failed: %v.\n\n", o.peer, r.name, o.err)
			}
		}
	}
	return b.String()
}

func (o outcome) cell(c column) string {
	if o.err != nil {
		return "failed"
	}
	return spreadOf(o.values(c.figure)).text(c.decimals)
}

func (s spread) text(decimals int) string {
	if s.min == s.max {
		return fmt.Sprintf("%.*f", decimals, s.median)
	}
	return fmt.Sprintf("%.*f (%.*f–%.*f)", decimals, s.median, decimals, s.min, decimals, s.max)
}

func claimRows(claims []claim) [][]string {
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

// describe says when, where and how this run was made.
func describe(ctx context.Context, root string, o options, p plan) []string {
	var uts unix.Utsname
	kernel := "unknown"
	if unix.Uname(&uts) == nil {
		kernel = unix.ByteSliceToString(uts.Sysname[:]) + " " + unix.ByteSliceToString(uts.Release[:])
	}
	command := strings.Join(append([]string{"go run ./bench/serve"}, os.Args[1:]...), " ")
	if len(os.Args) == 1 {
		command = "make bench-serve"
	}
	load, _, _ := strings.Cut(readLine("/proc/loadavg"), " ")
	about := []string{
		time.Now().UTC().Format("2006-01-02 15:04 UTC") + ", commit " + commit(ctx, root),
		fmt.Sprintf("%s, %s, %d cores, %s; load before the run %s", kernel, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), load),
		fmt.Sprintf("`%s`, %d turns", command, p.turns),
	}
	if o.quick {
		about = append(about, "**-quick: a smoke; its figures mean nothing**")
	}
	return about
}

func readLine(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(text))
}

func commit(ctx context.Context, root string) string {
	cmd := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--exclude=*")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return "none"
	}
	return strings.TrimSpace(string(out))
}

func clients(n int) string {
	if n == 1 {
		return "1 client"
	}
	return thousands(n) + " clients"
}

// thousands writes 10000 as 10,000.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

func size(n int64) string {
	if n >= 1<<30 {
		return fmt.Sprintf("%d GiB", n>>30)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}
