package logfile_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"fairlead/logfile"
)

// What Save writes is on disk before it has its name, and its name before Save
// returns. The kernel's view: strace.
func TestSaveIsDurable(t *testing.T) {
	const child = "FAIRLEAD_TEST_SAVE"
	if path := os.Getenv(child); path != "" {
		must(t, logfile.Cursor{Path: path}.Save(nil))
		return
	}
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("needs strace")
	}
	dir := t.TempDir()
	cmd := exec.Command(strace, "-f", "-y", "-qq", "-e", "signal=none", "-e", "trace=fsync,fdatasync,rename,renameat,renameat2", "-o", dir+"/trace",
		os.Args[0], "-test.run=^TestSaveIsDurable$")
	cmd.Env = append(os.Environ(), child+"="+filepath.Join(dir, "cursor"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	trace, err := os.ReadFile(dir + "/trace")
	must(t, err)
	rest := string(trace)
	for _, want := range []string{
		`fsync\(\d+<` + dir + `/\.cursor\.[^>]*>\) += 0`,
		`rename\w*\(.*/\.cursor\.\d+".*/cursor".*\) += 0`,
		`fsync\(\d+<` + dir + `>\) += 0`,
	} {
		at := regexp.MustCompile(want).FindStringIndex(rest)
		if at == nil {
			t.Fatalf("no %s, or not after what comes before it:\n%s", want, strings.TrimSpace(string(trace)))
		}
		rest = rest[at[1]:]
	}
}
