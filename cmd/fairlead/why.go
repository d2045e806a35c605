package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"fairlead/logfile"
)

func newWhy(c *common) *cobra.Command {
	var output, state string
	cmd := &cobra.Command{
		Use:   "why [-o json] PATH",
		Short: "why a file is, or is not, collected, and what to do about it",
		Example: `  fairlead why /var/log/syslog
  fairlead why /var/log/wtmp
  fairlead why web1:/var/log/syslog     a copy, where it is received`,
		Long: `Every running fairlead of this user, and the service, is asked. If none runs,
the answer is what would be if the file's directory were given as a target. Of
a file that is shipped it says how far each receiver has it; of a copy from whom
it comes, and where it is stored.

Exit codes: 0 the file is collected (or would be), 3 it is not.`,
		Args: wants(1, 1, "the path of a file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			asJSON, err := wantsJSON(output)
			if err != nil {
				return err
			}
			if err := c.check(); err != nil {
				return err
			}
			return why(cmd.Context(), stdout(false), state, args[0], asJSON)
		},
	}
	outputFlag(cmd.Flags(), &output)
	cmd.Flags().StringVar(&state, "state", "", "also ask processes whose state is in `DIR`")
	return cmd
}

// A whyAnswer is what one process says about a file; its JSON is documented as
// stable.
type whyAnswer struct {
	Process string `json:"process,omitempty"` // empty: none runs, this one has looked
	explanation
}

func why(ctx context.Context, out *output, state, path string, asJSON bool) error {
	path, copied, err := whyName(path)
	if err != nil {
		return err
	}
	answers, err := whyAll(ctx, state, path, copied)
	if err != nil {
		return err
	}
	collected := false
	for _, a := range answers {
		collected = collected || a.Collected
	}
	if asJSON {
		err = printJSON(out, answers)
	} else {
		for _, a := range answers {
			a.print(out)
		}
	}
	if err == nil {
		err = out.Close()
	}
	if err == nil && !collected {
		err = &exitError{code: exitNotFound}
	}
	return err
}

// whyName is what is asked about: an absolute path, or the name of a copy, SENDER:PATH,
// unless a file is called so.
func whyName(path string) (name string, copied bool, err error) {
	if _, err := os.Lstat(path); err != nil && senderIn(path) != "" {
		return path, true, nil
	}
	path, err = filepath.Abs(path)
	return path, false, err
}

func whyAll(ctx context.Context, state, path string, copied bool) ([]whyAnswer, error) {
	var all []whyAnswer
	var failed error
	for _, a := range askAll[explanation](ctx, state, "/why?path="+url.QueryEscape(path)) {
		if a.err != nil {
			failed = exitf(exitUnreachable, "%s: %v", a.from(), a.err)
			continue
		}
		if !copied || a.value.Collected { // who does not receive knows nothing of copies
			all = append(all, whyAnswer{a.from(), a.value})
		}
	}
	switch {
	case len(all) > 0 || failed != nil:
		return all, failed
	case copied:
		return nil, exitf(exitNotFound, "no running fairlead has a copy of that name; `fairlead status` lists those that are there")
	}
	set, err := setOf(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	alone := explain(set, path)
	alone.Generation = "" // given a moment ago, and forgotten with us: nobody could use it
	return []whyAnswer{{explanation: alone}}, nil
}

// setOf returns a set with one directory as its target, but for what is below:
// that can be the whole machine, and the answer does not depend on it.
func setOf(dir string) (*logfile.Set, error) {
	set := &logfile.Set{NoEvents: true}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return set, nil
	}
	for _, e := range entries {
		if e.IsDir() {
			set.Skip = append(set.Skip, filepath.Join(dir, e.Name()))
		}
	}
	if err == nil {
		err = set.Add(dir)
	}
	return set, err
}

func (a whyAnswer) print(w io.Writer) {
	verb := "is collected"
	switch {
	case !a.Collected && a.Process == "":
		verb = "would not be collected"
	case !a.Collected:
		verb = "is not collected"
	case a.Process == "":
		verb = "would be collected"
	}
	who := "by " + a.Process
	if a.Process == "" {
		who = "with its directory as a target (no fairlead that reads files is running)"
	}
	fmt.Fprintf(w, "%s %s %s: %s\n", a.Path, verb, who, a.Rule)
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "  %-11s %s\n", name, value)
		}
	}
	line("target", a.Target)
	line("older of", a.OlderOf)
	line("generation", a.Generation)
	if a.Generation != "" || a.Size > 0 {
		line("size", fmt.Sprintf("%d bytes", a.Size))
	}
	line("error", a.Error)
	for _, to := range a.Shipped {
		line("shipped", to.text())
	}
	line("from", a.From)
	line("stored", a.Stored)
	line("copy", a.Copy)
	line("cure", a.Cure)
}
