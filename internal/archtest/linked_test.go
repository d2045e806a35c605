package archtest

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write deps.txt anew")

const depsHead = `# What is linked into fairlead beside Go's own packages (linux/amd64), as MODULE@VERSION PACKAGE.
# Written by: go test ./internal/archtest -run TestLinked -update
`

// TestLinked compares the packages in the binary with the committed list, so
// that a change shows a new one as a line of its diff.
func TestLinked(t *testing.T) {
	const file = "../../deps.txt"
	got := depsHead + strings.Join(dependencies(t, "./cmd/fairlead",
		"{{with .Module}}{{if not .Main}}{{.Path}}@{{.Version}} {{$.ImportPath}}{{end}}{{end}}"), "\n") + "\n"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	in := func(text, line string) bool { return slices.Contains(strings.Split(text, "\n"), line) }
	for line := range strings.Lines(got) {
		if line = strings.TrimSuffix(line, "\n"); !in(string(want), line) {
			t.Errorf("newly linked: %s", line)
		}
	}
	for line := range strings.Lines(string(want)) {
		if line = strings.TrimSuffix(line, "\n"); !in(got, line) {
			t.Errorf("no longer linked: %s", line)
		}
	}
	t.Errorf("deps.txt is not what is linked; if that is meant: go test ./internal/archtest -run TestLinked -update")
}

// TestLogfileLinks looks through what logfile imports at what those import:
// neither net nor log nor json comes in by the back door.
func TestLogfileLinks(t *testing.T) {
	for _, pkg := range dependencies(t, "./logfile", "{{.ImportPath}}") {
		if slices.Contains([]string{"net", "log", "log/slog", "encoding/json"}, pkg) {
			t.Errorf("logfile links %s, by way of what it imports: facts about a file need no net, no log and no format", pkg)
		}
	}
}

// dependencies lists, sorted, what pkg is linked from on linux/amd64.
func dependencies(t *testing.T, pkg, format string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", format, pkg)
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, &stderr)
	}
	list := slices.DeleteFunc(strings.Split(string(out), "\n"), func(line string) bool { return line == "" })
	slices.Sort(list)
	return list
}
