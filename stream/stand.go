package stream

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"fairlead/logfile"
)

// A stand is how far one generation of a log has been encoded.
type stand struct {
	name string      // of the log
	pos  logfile.Pos // the next entry begins here
	mark string      // text of a logfile.Mark in that generation; empty if there is none
	weak bool        // the mark is of so few bytes that the file is recognised only where it was
}

// strong is how many bytes make a mark that recognises a file wherever it is.
const strong = 64

// stands are those of one log: the last is where it goes on, the others are
// generations that were left but may still grow.
type stands []stand

// find returns the stand in a generation, or nil.
func (ps stands) find(gen logfile.GenID) *stand {
	for i := len(ps) - 1; i >= 0; i-- {
		if ps[i].pos.Gen == gen {
			return &ps[i]
		}
	}
	return nil
}

// from is where a follower goes on.
func (ps stands) from() (from logfile.From, late []logfile.Pos) {
	for _, p := range ps[:len(ps)-1] {
		late = append(late, p.pos)
	}
	return logfile.FromPos(ps[len(ps)-1].pos), late
}

// append writes a stand as a line, as doc/disk.md describes it.
func (p stand) append(b []byte) []byte {
	b = append(b, p.pos.String()...)
	b = strconv.AppendQuote(append(b, ' '), p.name)
	if p.mark != "" {
		b = append(append(b, ' '), p.mark...)
	}
	return append(b, '\n')
}

func parseStand(line string) (p stand, err error) {
	at, rest, _ := strings.Cut(line, " ")
	if p.pos, err = logfile.ParsePos(at); err != nil {
		return stand{}, err
	}
	quoted, err := strconv.QuotedPrefix(rest)
	if err == nil {
		p.name, err = strconv.Unquote(quoted)
	}
	if err != nil {
		return stand{}, fmt.Errorf("parse stand %.80q: name: %w", line, err)
	}
	p.mark = strings.TrimPrefix(rest[len(quoted):], " ")
	var m logfile.Mark
	p.weak = m.UnmarshalText([]byte(p.mark)) == nil && m.Pos.Off < strong
	return p, nil
}

// eachStand calls f for the stands of a text. Lines that cannot be read are left
// out, as if their logs had never been seen.
func eachStand(text []byte, f func(stand)) {
	for line := range bytes.Lines(text) {
		if p, err := parseStand(strings.TrimSuffix(string(line), "\n")); err == nil {
			f(p)
		}
	}
}

// A ledger is how far each of several logs has been encoded.
type ledger map[string]stands

// add notes a stand. What is said of a generation later goes further.
func (l ledger) add(p stand) {
	if known := l[p.name].find(p.pos.Gen); known != nil {
		known.pos.Off = max(known.pos.Off, p.pos.Off)
		if p.mark != "" {
			known.mark, known.weak = p.mark, p.weak
		}
		return
	}
	l[p.name] = append(l[p.name], p)
}

func (l ledger) addText(text []byte) { eachStand(text, l.add) }

// addFirst keeps what is said of a generation first.
func (l ledger) addFirst(text []byte) {
	eachStand(text, func(p stand) {
		if l[p.name].find(p.pos.Gen) == nil {
			l[p.name] = append(l[p.name], p)
		}
	})
}

// index finds a generation in a ledger without going through it.
type index map[logfile.GenID]*stand

func (l ledger) index() index {
	ix := make(index)
	for _, ps := range l {
		for i := range ps {
			ix[ps[i].pos.Gen] = &ps[i]
		}
	}
	return ix
}

// read notes how far entries of the spool go. With exact, an entry that does not
// begin where the one before it ended, is the end of what can be believed, and
// read returns false.
func (ix index) read(entries []byte, exact bool) bool {
	for line := range bytes.Lines(entries) {
		pos, n, ok := entryPlace(line)
		if !ok {
			if exact && !isRecord(line) {
				return false
			}
			continue
		}
		p := ix[pos.Gen]
		switch {
		case exact && (p == nil || pos.Off > p.pos.Off):
			return false
		case p != nil:
			p.pos.Off = max(p.pos.Off, pos.Off+n)
		}
	}
	return true
}

var keyAt = []byte(`,"at":"`)

// entryPlace returns where the raw bytes of an entry are. What comes behind the
// key in an entry of ours holds no quoted text of others.
func entryPlace(line []byte) (pos logfile.Pos, n int64, ok bool) {
	i := bytes.LastIndex(line, keyAt)
	if i < 0 || isRecord(line) {
		return logfile.Pos{}, 0, false
	}
	at, rest, _ := bytes.Cut(line[i+len(keyAt):], []byte(`","len":`))
	pos, err := logfile.ParsePos(string(at))
	if err != nil {
		return logfile.Pos{}, 0, false
	}
	for _, c := range rest {
		if c < '0' || c > '9' || n > 1<<60 {
			break
		}
		n = 10*n + int64(c-'0')
	}
	return pos, n, true
}

// missing is what b has and a has not, as GEN:FROM-TO by log. first says where
// the generations begin that a does not know.
func missing(a, b, first ledger) map[string][]string {
	ranges := make(map[string][]string)
	for name, ps := range b {
		for _, p := range ps {
			var from int64
			if had := a[name].find(p.pos.Gen); had != nil {
				from = had.pos.Off
			} else if begun := first[name].find(p.pos.Gen); begun != nil {
				from = begun.pos.Off
			}
			if from < p.pos.Off {
				ranges[name] = append(ranges[name], rangeText(p.pos.Gen, from, p.pos.Off))
			}
		}
	}
	return ranges
}

// rangeText is GEN:FROM-TO.
func rangeText(gen logfile.GenID, from, to int64) string {
	return fmt.Sprintf("%s:%d-%d", gen, from, to)
}

// behindLast returns the stand behind the last of some entries.
func behindLast(entries []byte) (logfile.Pos, bool) {
	entries = bytes.TrimSuffix(entries, []byte{'\n'})
	pos, n, ok := entryPlace(entries[bytes.LastIndexByte(entries, '\n')+1:])
	return logfile.Pos{Gen: pos.Gen, Off: pos.Off + n}, ok
}
