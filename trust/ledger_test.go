package trust

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"
	"time"
)

func FuzzLedger(f *testing.F) {
	hash := fmt.Sprintf("%x", sha256.Sum256([]byte("fl_secret")))
	f.Add([]byte("token a view " + hash + " 2026-03-01T12:00:00Z never\n"))
	f.Add([]byte("token a act " + hash + " 2026-03-01T12:00:00Z 2026-03-01T12:00:00+01:00\nrevoke a 2026-03-01T12:00:00Z\n"))
	f.Add([]byte("token a act " + hash + " 0000-01-01T00:00:00+01:00 9999-12-31T23:59:59-01:00\n"))
	f.Add([]byte("token a act " + hash))
	f.Add([]byte("#\n\n\r\nrevoke"))
	f.Fuzz(func(t *testing.T, text []byte) {
		l := parseLedger(text)
		if l.lines > maxLines {
			return
		}
		for _, i := range l.tokens {
			if CheckName(i.Name) != nil || i.Role != RoleView && i.Role != RoleAct {
				t.Errorf("parseLedger: %+v is no token", i)
			}
			if !bytes.Contains(bytes.ToLower(text), fmt.Appendf(nil, "%x", i.hash)) {
				t.Errorf("parseLedger: the hash of %+v is not in the text", i)
			}
			line := i.line()
			again := parseLedger([]byte(line))
			if len(again.tokens) != 1 || again.tokens[0].line() != line || again.tokens[0].hash != i.hash || again.ignored != 0 {
				t.Errorf("parseLedger(%q) = %+v, want %+v", line, again, i)
			}
		}
		// Whatever is in the text, what is added to it holds until it is revoked,
		// and does nothing to the others.
		added := issued{Token{Name: "added", Role: RoleAct, Created: time.Unix(1e9, 0).UTC()}, sha256.Sum256(text)}
		if len(text) > 0 && text[len(text)-1] != '\n' {
			text = append(text, '\n')
		}
		others := slices.DeleteFunc(l.tokens, func(i issued) bool { return i.Name == "added" })
		text = append(text, added.line()...)
		if got := parseLedger(text).tokens; !slices.Contains(got, added) || len(got) != len(others)+1 {
			t.Errorf("parseLedger with a token added = %+v, want %+v and %+v", got, others, added)
		}
		text = append(text, revokeLine("added", time.Unix(1e9, 0))...)
		if got := parseLedger(text).tokens; len(got) != len(others) {
			t.Errorf("parseLedger with a token revoked = %+v, want %+v", got, others)
		}
	})
}
