//go:build linux

package measure

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Program is one benchmark: a command.
type Program struct {
	Name    string // the directory beside this one, and what make calls bench-NAME
	Results string // the file that a whole run writes, beside that directory
	Quick   string // what -quick leaves of it
	Dir     string // what needs room in -dir
	Parts   []string
	Roles   map[string]Role
	Prepare func(ctx context.Context, r Run) Plan
}

// Role is what a program does as a helper. It decodes its job, says Ready where the harness has to
// wait for it, and encodes its result.
type Role func(*json.Decoder, *json.Encoder) error

// Run is one run of a program.
type Run struct {
	Quick bool
	Dir   string // of this run; removed after it
	Root  string // of the module
}

// Plan is what a run measures.
type Plan struct {
	Turns   int
	LeftOut []string // a line for each peer that cannot be had
	Parts   []Part   // as Program.Parts names them
}

// Part is one of the measurements; one without peers that could take it returns no table.
type Part func(context.Context) ([]Table, error)

// Main is the whole life of a program's process.
func Main(p Program) {
	if len(os.Args) == 3 && os.Args[1] == "as" {
		p.exit(p.help(os.Args[2]))
	}
	names := strings.Join(p.Parts[:len(p.Parts)-1], ", ") + " or " + p.Parts[len(p.Parts)-1]
	quick := flag.Bool("quick", false, p.Quick+"; its figures mean nothing")
	only := flag.String("only", "", "run one part: "+names)
	out := flag.String("o", "", "write the results to this file (default: bench/"+p.Results+" for a whole run, else none)")
	dir := flag.String("dir", os.TempDir(), p.Dir)
	flag.Parse()
	switch {
	case flag.NArg() > 0:
		p.exit(fmt.Errorf("unknown argument %q: see -help", flag.Arg(0)))
	case *only != "" && !slices.Contains(p.Parts, *only):
		p.exit(fmt.Errorf("unknown part %q: -only takes %s", *only, names))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	p.exit(p.run(ctx, Run{Quick: *quick, Dir: *dir}, *only, *out))
}

func (p Program) exit(err error) {
	if err == nil {
		os.Exit(0)
	}
	if errors.Is(err, context.Canceled) {
		err = errors.New("interrupted: no results")
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", p.Name, err)
	os.Exit(1)
}

// help is the whole life of a helper.
func (p Program) help(role string) error {
	act, ok := p.Roles[role]
	if !ok {
		return fmt.Errorf("unknown role %q", role)
	}
	if err := act(json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)); err != nil {
		return fmt.Errorf("%s: %w", role, err)
	}
	return nil
}

func (p Program) run(ctx context.Context, r Run, only, out string) (err error) {
	raiseDescriptors()
	if r.Dir, err = os.MkdirTemp(r.Dir, "bench-"+p.Name+"-"); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	defer os.RemoveAll(r.Dir)
	if r.Root, err = moduleRoot(ctx); err != nil {
		return err
	}
	about, began := p.describe(ctx, r), time.Now()
	plan := p.Prepare(ctx, r)
	var tables []Table
	for i, measure := range plan.Parts {
		if only != "" && only != p.Parts[i] {
			continue
		}
		some, err := measure(ctx)
		if err != nil {
			return fmt.Errorf("measure %s: %w", p.Parts[i], err)
		}
		tables = append(tables, some...)
	}
	about = append(about, fmt.Sprintf("`%s`, %d turns, %v", p.command(), plan.Turns, time.Since(began).Round(time.Second)))
	if r.Quick {
		about = append(about, "**-quick: a smoke; its figures mean nothing**")
	}
	text := markdown("bench/"+p.Name, append(about, plan.LeftOut...), tables)
	fmt.Print("\n", text)
	if out == "" && only == "" && !r.Quick {
		out = filepath.Join(r.Root, "bench", p.Results)
	}
	if out == "" {
		return nil
	}
	if err := os.WriteFile(out, []byte(text), 0o644); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return nil
}

// describe says when and where a run begins.
func (p Program) describe(ctx context.Context, r Run) []string {
	var uts unix.Utsname
	kernel := "unknown"
	if unix.Uname(&uts) == nil {
		kernel = unix.ByteSliceToString(uts.Sysname[:]) + " " + unix.ByteSliceToString(uts.Release[:])
	}
	load, _, _ := strings.Cut(readLine("/proc/loadavg"), " ")
	return []string{
		time.Now().UTC().Format("2006-01-02 15:04 UTC") + ", commit " + commit(ctx, r.Root),
		fmt.Sprintf("%s, %s, %d cores, %s; load before the run %s", kernel, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), load),
	}
}

func (p Program) command() string {
	if len(os.Args) == 1 {
		return "make bench-" + p.Name
	}
	return strings.Join(append([]string{"go run ./bench/" + p.Name}, os.Args[1:]...), " ")
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

func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("find the module (run this inside the repository): %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}
