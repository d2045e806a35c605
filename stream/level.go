package stream

// A levelWord says a level where it stands as [WORD] or WORD: and, if free, as
// a word between two blanks; in any letter case.
type levelWord struct {
	word string
	rank uint8
	free bool
}

// levelWords are LogWisp's. The first in rank that stands anywhere in a line
// is its level.
var levelWords = []levelWord{
	{"ERROR", 1, true}, {"ERR", 1, false}, {"FATAL", 1, false},
	{"WARN", 2, true}, {"WARNING", 2, false},
	{"INFO", 3, true}, {"INF", 3, false},
	{"DEBUG", 4, true}, {"DBG", 4, false},
	{"TRACE", 5, true},
}

// levelNames are the levels by rank.
var levelNames = [...][]byte{nil, []byte("ERROR"), []byte("WARN"), []byte("INFO"), []byte("DEBUG"), []byte("TRACE")}

// wordsEnding are the words by their last letter, upper case and lower;
// behindWord are the bytes that can follow one.
var (
	wordsEnding = wordsByEnd()
	behindWord  = [256]bool{':': true, ']': true, ' ': true}
)

func wordsByEnd() (t [256][]levelWord) {
	for _, w := range levelWords {
		c := w.word[len(w.word)-1]
		t[c] = append(t[c], w)
		t[c|0x20] = t[c]
	}
	return t
}

// levelOf returns the level that LogWisp's table gives a line, nil if none.
// It is one pass: a look back from each byte that can follow a word.
func levelOf(p []byte) []byte {
	best := uint8(len(levelNames))
	for i := 3; i < len(p); i++ {
		if !behindWord[p[i]] {
			continue
		}
		if rank := levelBefore(p, i); rank > 0 && rank < best {
			best = rank
			if rank == 1 {
				break
			}
		}
	}
	if int(best) == len(levelNames) {
		return nil
	}
	return levelNames[best]
}

// levelBefore returns the rank of the word that ends before p[i], 0 if it is
// none of the table or does not stand as it must.
func levelBefore(p []byte, i int) uint8 {
	if p[i] == ' ' && !(i >= 5 && p[i-5] == ' ' || i >= 6 && p[i-6] == ' ') {
		return 0 // the free words have four letters or five
	}
	for _, w := range wordsEnding[p[i-1]] {
		at := i - len(w.word)
		if at < 0 || !foldEqual(p[at:i], w.word) {
			continue
		}
		switch {
		case p[i] == ':',
			p[i] == ']' && at > 0 && p[at-1] == '[',
			p[i] == ' ' && w.free && at > 0 && p[at-1] == ' ':
			return w.rank
		}
	}
	return 0
}

// foldEqual says that p is upper, a word of ASCII capitals as long as p, in any
// letter case.
func foldEqual(p []byte, upper string) bool {
	for i := range p {
		if p[i]&^0x20 != upper[i] {
			return false
		}
	}
	return true
}
