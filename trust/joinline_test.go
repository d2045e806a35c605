package trust

import (
	"bytes"
	"strings"
	"testing"
)

func FuzzJoinLine(f *testing.F) {
	f.Add([]byte(`{"secret":"a","name":"web","version":"1"}` + "\n"))
	f.Add([]byte("\n"))
	f.Add([]byte(strings.Repeat("[", joinLine+1)))
	f.Fuzz(func(t *testing.T, b []byte) {
		request, err := readJoin(bytes.NewReader(b))
		if err == nil && (CheckMachineName(request.Name) != nil || bytes.IndexByte(b, '\n') >= joinLine) {
			t.Errorf("readJoin(%q) = %+v", b, request)
		}
		if err != nil && len(err.Error()) > 1000 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	})
}

// FuzzInvited: whatever the file says, no invitation lets in more than it says, or
// without an end.
func FuzzInvited(f *testing.F) {
	hash := strings.Repeat("0a", 32)
	key := PublicKey{1}.String()
	f.Add([]byte("invite " + hash + " send,hub 2 2026-03-01T12:00:00Z 2026-03-01T13:00:00Z\nuse " + hash + " " + key + " 2026-03-01T12:00:00Z\n"))
	f.Add([]byte("in " + hash + " " + key + " 2026-03-01T12:00:00Z"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, i := range parseInvited(b).list {
			if CheckRoles(i.roles) != nil || i.uses < 1 || i.uses > MaxUses || i.expires.IsZero() {
				t.Errorf("parseInvited: %+v is no invitation", i)
			}
			if again := parseInvited([]byte(i.line())); len(again.list) != 1 || again.list[0].line() != i.line() {
				t.Errorf("parseInvited(%q) = %+v", i.line(), again)
			}
		}
	})
}
