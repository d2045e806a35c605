package logfile_test

import (
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// asChild makes this test binary another process: see fault_child_linux_test.go.
var asChild func() (ran bool)

func TestMain(m *testing.M) {
	if asChild != nil && asChild() {
		return
	}
	goleak.VerifyTestMain(m)
}

// patience bounds every wait of these tests; a machine under load may need it.
const patience = 15 * time.Second

// night returns all under FAIRLEAD_NIGHT=1, and few, which it prints, otherwise.
func night(t testing.TB, what string, few, all int) int {
	if os.Getenv("FAIRLEAD_NIGHT") != "" {
		return all
	}
	t.Logf("%s: %d, under FAIRLEAD_NIGHT=1 %d", what, few, all)
	return few
}

// eventually waits for what nobody tells of, as a counter.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	late := time.NewTimer(patience)
	defer late.Stop()
	for !holds() {
		select {
		case <-look.C:
		case <-t.Context().Done():
			t.Fatalf("%s: the test ended first", what)
		case <-late.C:
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
