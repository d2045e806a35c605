package config

import (
	"strconv"
	"strings"
)

// Near returns the one of names that word may have been meant to be, or nothing.
func Near(word string, names []string) string {
	best, least := "", 2+min(len(word), 12)/3
	for _, name := range names {
		if d := distance(strings.ToLower(clip(word)), name); d < least && d < len(name) {
			best, least = name, d
		}
	}
	return best
}

const maxWord = 64

func clip(word string) string { return word[:min(len(word), maxWord)] }

// distance counts the letters to add, drop or replace to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0]++
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// meantSection says which section name may be meant to be, as the end of an error.
func meantSection(keys []Key, name string) string {
	if best := Near(name, sections(keys)); best != "" {
		return ": did you mean [" + best + "]?"
	}
	if of := owners(keys, name); of != "" {
		return ": it is a key of " + of
	}
	return ": there are " + words(sections(keys), "and", brackets)
}

// meantKey says which key of a section last may be meant to be.
func meantKey(keys []Key, section, last string) string {
	own := lasts(keys, section)
	if best := Near(last, own); best != "" {
		return ": did you mean " + strconv.Quote(best) + "?"
	}
	if of := owners(keys, last); of != "" {
		return ": it belongs to " + of
	}
	return ": there are " + words(own, "and", strconv.Quote)
}

// lasts returns the names of a section's keys, without the section's.
func lasts(keys []Key, section string) (names []string) {
	for _, k := range keys {
		if k.Section == section {
			names = append(names, k.Last)
		}
	}
	return names
}

// owners names the sections that have a key.
func owners(keys []Key, last string) string {
	var of []string
	for _, k := range keys {
		if k.Last == last {
			of = append(of, k.Section)
		}
	}
	return words(of, "or", brackets)
}

func brackets(name string) string { return "[" + name + "]" }

// words returns "a, b and c", each in the given dress.
func words(list []string, and string, dress func(string) string) string {
	var b strings.Builder
	for i, w := range list {
		switch {
		case i == 0:
		case i == len(list)-1:
			b.WriteString(" " + and + " ")
		default:
			b.WriteString(", ")
		}
		b.WriteString(dress(w))
	}
	return b.String()
}
