package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"fairlead/logfile"
	"fairlead/ship"
	"fairlead/ship/store"
)

func newVerify(c *common) *cobra.Command {
	v := &verifyCommand{common: c}
	cmd := &cobra.Command{
		Use:   "verify [flags] [SENDER[:PATH]... | --to HOST [PATH...]]",
		Short: "compare copies with what was acknowledged, or their sources",
		Example: `  fairlead verify                       the copies that are stored here
  fairlead verify --full web1:/var/log  every byte of some
  fairlead verify --to vault            what is shipped, and its copies there
  fairlead verify --to vault --full /var/log/app.log`,
		Long: `Without --to the copies in the store are read and compared with the hashes that
were taken before they were acknowledged. With it both ends are read: each
generation that is still here, and its copy at the receiver, by their hashes.

One MiB of a hundred is compared, and always the end of a file; with --to also
its first MiB, and at least 16. --full compares every byte. A change in the
middle of a file that is already shipped is found by --full, and by nothing
else. What is here and not acknowledged yet is not compared.

A running "fairlead receive", "ship" or "up" is asked, and from then on has each
difference as a problem in its status; nothing is changed or sent anew. If none
runs, the store is opened, or the files named are looked up in the state.

Exit codes: 0 all that was compared is equal, 3 there is nothing to compare,
4 HOST cannot be asked, 5 some could not be read here, 6 there are differences.`,
		RunE: func(cmd *cobra.Command, args []string) error { return v.run(cmd.Context(), args) },
	}
	f := cmd.Flags()
	f.StringVar(&v.question.to, "to", "", "compare with the copies at `HOST`")
	f.BoolVar(&v.question.full, "full", false, "compare every byte")
	f.StringVar(&v.store, "store", "", "the copies in `DIR`, instead of those of the running receiver")
	f.StringVar(&v.state, "state", "", "also ask processes whose state is in `DIR`; without one, use it")
	outputFlag(f, &v.output)
	f.StringVar(&v.config, "config", "", "`FILE` with settings, instead of the first of those that `fairlead config -h` lists")
	return cmd
}

type verifyCommand struct {
	*common
	question verifyQuestion
	store    string
	state    string
	output   string
	config   string
}

func (c *verifyCommand) run(ctx context.Context, args []string) error {
	asJSON, err := wantsJSON(c.output)
	if err != nil {
		return err
	}
	if err := errors.Join(c.check(), c.take(args)); err != nil {
		return err
	}
	s, _, err := loadConfig(c.config, c.given())
	if err != nil {
		return err
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	shown := newVerifyBar(!c.quiet && isTerminal(os.Stderr))
	results, failed := c.verify(ctx, s, shown)
	shown.end()
	out := stdout(false)
	if asJSON {
		err = printJSON(out, results)
	} else {
		for _, r := range results {
			r.print(out)
		}
	}
	return errors.Join(err, out.Close(), verdict(results, failed))
}

// take checks the arguments: with --to they are paths.
func (c *verifyCommand) take(args []string) error {
	for _, arg := range args {
		switch {
		case c.question.to != "":
			path, err := filepath.Abs(arg)
			if err != nil {
				return err
			}
			arg = path
		case filepath.IsAbs(arg):
			return usagef("%s: a copy is named SENDER or SENDER:PATH; a file and its copy are compared with --to HOST", arg)
		}
		c.question.of = append(c.question.of, arg)
	}
	if c.question.to != "" && c.store != "" {
		return usagef("--to compares files here with copies there: --store has no part in it")
	}
	return nil
}

func (c *verifyCommand) given() map[string][]string {
	given := make(map[string][]string)
	for key, value := range map[string]string{"receive.store": c.store, "self.state": c.state} {
		if value != "" {
			given[key] = []string{value}
		}
	}
	return given
}

// verify asks the processes that know, or else looks itself.
func (c *verifyCommand) verify(ctx context.Context, s *settings, bar *verifyBar) ([]*verifyResult, error) {
	var results []*verifyResult
	for _, a := range askAll[processReport](ctx, s.Self.State, "/status") {
		if a.err != nil || !c.knows(a.value, s) {
			continue
		}
		r := &verifyResult{Process: a.from(), To: c.question.to, Full: c.question.full, Files: []verifiedFile{}, bar: bar}
		if a.value.Receive != nil && c.question.to == "" {
			r.Store = a.value.Receive.Store
		}
		results = append(results, r)
		if err := r.ask(ctx, a.socket, c.question); err != nil {
			return results, err
		}
	}
	if len(results) > 0 {
		return results, nil
	}
	r := &verifyResult{To: c.question.to, Full: c.question.full, Files: []verifiedFile{}, bar: bar}
	look := c.lookAtStore
	if c.question.to != "" {
		look = c.lookAtFiles
	}
	err := look(ctx, s, r)
	return []*verifyResult{r}, err
}

// knows says whether a process is the one to ask.
func (c *verifyCommand) knows(r processReport, s *settings) bool {
	if c.question.to != "" {
		return slices.ContainsFunc(r.Ship, func(to shipReport) bool { return to.To == c.question.to })
	}
	return r.Receive != nil && (s.Receive.Store == "" || r.Receive.Store == s.Receive.dir(""))
}

// lookAtStore opens the store, which no process has open.
func (c *verifyCommand) lookAtStore(ctx context.Context, s *settings, r *verifyResult) error {
	state, err := lastingState(s.Self.State, "copies", c.logger())
	if err != nil {
		return err
	}
	r.Store = s.Receive.dir(state)
	if !store.Is(r.Store) {
		return exitf(exitNotFound, "%s is no store, and no fairlead of this user receives: name it with --store DIR, or the receiver with --to HOST", r.Store)
	}
	options, err := s.Receive.options()
	if err != nil {
		return err
	}
	opened, err := store.Open(r.Store, options)
	if err != nil {
		return err
	}
	return errors.Join(verifyStore(ctx, opened, c.question, r.take), opened.Close())
}

// lookAtFiles compares files by the ids that the state has for them.
func (c *verifyCommand) lookAtFiles(ctx context.Context, s *settings, r *verifyResult) error {
	targets := c.question.of
	if len(targets) == 0 {
		targets = s.Watch.Targets
	}
	if len(targets) == 0 {
		return exitf(exitNotFound, "no fairlead of this user ships to %s: name the files to compare", c.question.to)
	}
	log := c.logger()
	state, err := lastingState(s.Self.State, "a key", log)
	if err != nil {
		return err
	}
	m, err := openMachines(identity{state})
	if err != nil {
		return err
	}
	if _, err := m.receiverCalled(c.question.to); err != nil {
		return err
	}
	set := &logfile.Set{State: state, Skip: []string{state}, NoEvents: true}
	if err := addTargets(set, targets, log); err != nil {
		return err
	}
	err = verifyAt(ctx, m.destination(c.question.to), ship.Known(set), c.question.full, r.take)
	if err != nil && ctx.Err() == nil {
		err = exitf(exitUnreachable, "%s: %w", c.question.to, err)
	}
	return err
}

// ask has a process do it.
func (r *verifyResult) ask(ctx context.Context, socket string, q verifyQuestion) error {
	resp, err := request(ctx, socket, "GET", q.path(), nil)
	if err != nil {
		return exitf(exitFailed, "%s: %w", r.Process, err)
	}
	defer resp.Body.Close()
	for lines := json.NewDecoder(resp.Body); ; {
		var line verifyLine
		if err := lines.Decode(&line); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return errors.Join(ctx.Err(), exitf(exitFailed, "%s did not say how it ended: %w", r.Process, err))
		}
		if line.Error != "" {
			return exitf(line.Code, "%s: %s", r.subject(), line.Error)
		}
		r.take(line)
		if line.Done != nil {
			return nil
		}
	}
}

// verdict is the error that the results amount to, of which the exit code comes.
func verdict(results []*verifyResult, failed error) error {
	var mismatches, unread int64
	compared := 0
	for _, r := range results {
		for _, f := range r.Files {
			mismatches += f.count()
			if f.Outcome == string(ship.Unreadable) || f.Moving > 0 {
				unread++
			}
		}
		compared += r.compared()
	}
	switch {
	case mismatches > 0:
		return exitf(exitMismatch, "%d MiB differ%s", mismatches, also(failed))
	case failed != nil:
		return failed
	case compared == 0:
		return exitf(exitNotFound, "there was nothing to compare")
	case unread > 0:
		return exitf(exitPartial, "%s could not be compared whole", count(unread, "file"))
	}
	return nil
}

func also(err error) string {
	if err == nil {
		return ""
	}
	return fmt.Sprintf("; and it ended early: %v", err)
}
