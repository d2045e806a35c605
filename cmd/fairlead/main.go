package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	os.Exit(run(os.Args))
}

// run is the program: its arguments in, its exit code out.
func run(argv []string) int {
	// Without this a write to a closed stdout ends the process at once, before
	// a cursor is saved. With it the write fails with EPIPE.
	signal.Ignore(syscall.SIGPIPE)

	root := newRoot()
	args := argv[1:]
	if name := calledBy(argv[0]); isStandIn(root, name) {
		args = append([]string{name}, args...)
	}
	root.SetArgs(args)
	if err := checkWord(root, args); err != nil {
		return report(os.Stderr, err)
	}
	cmd, err := root.ExecuteContextC(context.Background())
	if err != nil && cmd != nil {
		err = withHint(cmd, err)
	}
	return report(os.Stderr, err)
}

func calledBy(argv0 string) string {
	name := strings.TrimSuffix(filepath.Base(argv0), ".exe")
	return strings.TrimSuffix(name, ".py") // as logship was
}

// isStandIn says that name is that of an older tool, so that a link of that
// name to this program is that tool.
func isStandIn(root *cobra.Command, name string) bool {
	for _, c := range root.Commands() {
		if c.Name() == name {
			return c.GroupID == groupOld
		}
	}
	return false
}

// checkWord answers a first word that is no command with what may be meant.
func checkWord(root *cobra.Command, args []string) error {
	if _, _, err := root.Find(args); err == nil {
		return nil
	}
	for _, word := range args {
		if strings.HasPrefix(word, cobra.ShellCompRequestCmd) {
			return nil // a shell asks; cobra adds that command later
		}
		if strings.HasPrefix(word, "-") {
			continue
		}
		if near := root.SuggestionsFor(word); len(near) > 0 {
			return usagef("there is no command %q: did you mean %s?", word, strings.Join(near, " or "))
		}
		return usagef("there is no command %q: `fairlead -h` lists them", word)
	}
	return nil
}

// withHint adds to a usage error where to look it up.
func withHint(cmd *cobra.Command, err error) error {
	var e *exitError
	if errors.As(err, &e) && e.code == exitUsage && e.err != nil && !strings.Contains(err.Error(), "`") {
		return &exitError{exitUsage, fmt.Errorf("%w (see `%s -h`)", err, cmd.CommandPath())}
	}
	return err
}
