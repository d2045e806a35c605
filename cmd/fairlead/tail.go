package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"fairlead/logfile"
)

func newTail(c *common) *cobra.Command {
	t := &tailCommand{common: c}
	cmd := &cobra.Command{
		Use:   "tail [flags] PATH...",
		Short: "print the end of files, and what comes, through rotations",
		Example: `  fairlead tail /var/log/syslog               the last 10 lines
  fairlead tail -n 100 -F '/var/log/**/*.log' and what comes, for ever
  fairlead tail -F -o json --cursor-file c /var/log/syslog | my-program
                                              goes on where it was, each time
  fairlead tail --from start -f app.log       all of it, until it is rotated`,
		Long: `Files are followed by name. -f ends when the generation that is there now ends:
when the file is rotated, truncated or deleted, after its last byte. -F goes on
with the next one, for ever, and waits for a file that does not exist yet; new
matches of a glob or directory join, from their first byte. Bytes that come late
for a generation that was left come under a header with that generation's name.

With --cursor-file the position is kept: output is written, then flushed, then
the position is saved. A kill between the last two prints that one batch again
at the next start, never less; "at" names every line, so it can be told.

-o json: one object per line, {"source","at":"GENERATION:OFFSET","len",
"message"}, or "raw_b64" for what is not UTF-8; the next line is at at + len. A
line without its end comes with "partial":true, after 5 s or at the end; over
256 KiB it is cut and has "truncated":true. What is lost is
{"type":"gap","missing":{SOURCE:["GENERATION:from-to"]}}.

Exit codes: 0 ok, 3 no such file, 5 something was lost or could not be read.`,
		Args: wants(1, -1, "the path of a file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if t.from != "" && cmd.Flags().Changed("lines") {
				return usagef("-n and --from both say where to begin: give one of them")
			}
			return t.run(cmd.Context(), args)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&t.lines, "lines", "n", "10", "begin `N` lines before the end")
	f.BoolVarP(&t.follow, "follow", "f", false, "go on until the generation ends")
	f.BoolVarP(&t.forever, "follow-name", "F", false, "go on through all generations")
	f.StringVar(&t.from, "from", "", "begin at `POS`: start, end, N or -N bytes, or GENERATION:N")
	outputFlag(f, &t.output)
	f.BoolVar(&t.multiLine, "multi-line", false, "with -o json: indented lines belong to the entry before")
	f.StringVar(&t.cursorFile, "cursor-file", "", "go on where `FILE` says, and keep it up to date")
	f.BoolVar(&t.raw, "raw", false, "write control characters to a terminal as they are")
	f.BoolVar(&t.poll, "poll", false, "look every second instead of waiting for events")
	f.StringVar(&t.state, "state", "", "`DIR` in which generations are remembered")
	return cmd
}

type tailCommand struct {
	*common
	lines      string
	from       string
	multiLine  bool
	follow     bool
	forever    bool
	output     string
	cursorFile string
	raw        bool
	poll       bool
	state      string

	json  bool
	count int // of lines
	start logfile.From
	logs  []*logfile.Log // to begin with
	log   *slog.Logger
}

// parse reads the flags that are more than a word.
func (t *tailCommand) parse() (err error) {
	if t.json, err = wantsJSON(t.output); err != nil {
		return err
	}
	if t.multiLine && !t.json {
		return usagef("--multi-line is about entries: add -o json")
	}
	if t.count, err = strconv.Atoi(t.lines); err != nil || t.count < 0 || t.lines[0] == '+' {
		return usagef("-n wants a number of lines, not %q; to begin at the first line: --from start", t.lines)
	}
	if t.from != "" {
		if t.start, err = logfile.ParseFrom(t.from); err != nil {
			return usagef("--from: %v", err)
		}
	}
	return t.check()
}

func (t *tailCommand) run(ctx context.Context, paths []string) error {
	if err := t.parse(); err != nil {
		return err
	}
	t.log = t.logger()
	ctx, stop := untilSignal(ctx)
	defer stop()
	ctx, stop = untilStdoutCloses(ctx)
	defer stop()

	var state state // to print the end of a file nothing need be remembered
	if t.json || t.cursorFile != "" || t.from != "" || t.follow || t.forever {
		var err error
		if state, err = openState(t.state, t.log); err != nil {
			return err
		}
		defer state.Close()
	}
	if t.cursorFile != "" {
		unlock, err := (logfile.Cursor{Path: t.cursorFile}).Lock()
		if err != nil {
			return err
		}
		defer unlock()
	}
	set := &logfile.Set{State: state.dir, NoEvents: t.poll}
	sink, err := t.sink(set)
	if err != nil {
		return err
	}
	failed := t.open(set, paths)
	sink.several = len(t.logs) > 1
	if sink.several && strings.Contains(t.from, ":") {
		return usagef("--from %s is a place in one file, and there are %d", t.from, len(t.logs))
	}
	if len(t.logs) == 0 && !t.forever {
		return failed
	}
	defer runSet(set, t.log)()
	if t.follow || t.forever {
		l := &local{command: "tail", set: set, log: t.log}
		defer l.start(ctx, state.dir)()
	}
	if err := t.copy(ctx, set, sink); err != nil {
		return err
	}
	if failed != nil {
		return &exitError{exitPartial, failed}
	}
	if sink.lost.Load() {
		return &exitError{code: exitPartial}
	}
	return nil
}

// open adds the paths to the set, and notes the logs to begin with in the order
// they were named. It says what cannot be read, less the last such thing, which
// is the error.
func (t *tailCommand) open(set *logfile.Set, paths []string) (failed error) {
	fail := func(err error) {
		if failed != nil {
			t.log.Error("cannot read", "err", failed)
		}
		failed = err
	}
	for _, err := range eachOf(set.Add(paths...)) {
		fail(err)
	}
	for _, l := range set.Logs() {
		if err := t.readable(l); err != nil {
			fail(err)
		} else {
			t.logs = append(t.logs, l)
		}
	}
	for _, path := range paths {
		if !t.forever && !exists(path) && unknown(set, path) {
			fail(exitf(exitNotFound, "%s: nothing there matches; -F waits for it", path))
		}
	}
	if failed == nil && len(t.logs) == 0 {
		failed = exitf(exitNotFound, "%s: no logs there; `fairlead why FILE` says why", strings.Join(paths, " "))
	}
	return failed
}

// readable returns why a log cannot be read, unless that is waited for.
func (t *tailCommand) readable(l *logfile.Log) error {
	switch err := unreadable(l.Stat()); {
	case err == nil:
		return nil
	case t.forever:
		t.log.Warn("waiting for a file", "path", l.Name(), "err", err)
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return exitf(exitNotFound, "%s: no such file; -F waits for it", l.Name())
	default:
		return fmt.Errorf("%s: %w", l.Name(), err)
	}
}

// exists says that a path, or a match of a glob, is there.
func exists(path string) bool {
	if _, err := os.Lstat(path); err == nil {
		return true
	}
	found, err := doublestar.FilepathGlob(path)
	return err == nil && len(found) > 0
}

// unknown says that a path is of no log in the set: a glob that nothing matches,
// and nothing did. What is no glob has been complained of.
func unknown(set *logfile.Set, path string) bool {
	abs, err := filepath.Abs(path)
	return err == nil && doublestar.ValidatePathPattern(abs) && !slices.ContainsFunc(set.Logs(), func(l *logfile.Log) bool {
		return abs == l.Name() || doublestar.PathMatchUnvalidated(abs, l.Name())
	})
}

// unreadable says why there is nothing to read in a log, if so.
func unreadable(st logfile.Stat) error {
	switch {
	case st.Err != nil:
		return st.Err
	case st.Current == nil && len(st.Old) == 0:
		return fs.ErrNotExist
	}
	return nil
}

// copy reads all logs and writes what they say until there is no more.
func (t *tailCommand) copy(ctx context.Context, set *logfile.Set, sink *tailSink) error {
	var readers []*tailReader
	for _, l := range t.logs {
		r, err := t.reader(ctx, l, sink)
		if err != nil {
			return err
		}
		readers = append(readers, r)
		sink.moved[l] = r.f.Pos()
	}
	if err := sink.save(); err != nil { // before a byte is out: see print
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(sink.run)
	g.Go(func() error {
		defer close(sink.chunks)
		t.readAll(ctx, readers, set, sink)
		return nil
	})
	return g.Wait()
}

// readAll reads the logs to begin with, first what is there of each, one after
// the other, and then what comes; with -F also the logs that join later.
func (t *tailCommand) readAll(ctx context.Context, readers []*tailReader, set *logfile.Set, sink *tailSink) {
	var wg sync.WaitGroup
	defer wg.Wait()
	started := make(map[*logfile.Log]bool)
	for _, r := range readers {
		started[r.log] = true
		if !t.follow && !t.forever {
			r.run(ctx)
			continue
		}
		r.catchUp(ctx)
		wg.Go(func() { r.run(ctx) })
	}
	for t.forever {
		changed := set.Changed()
		for _, l := range set.Logs() {
			if !started[l] {
				started[l] = true
				r := t.lateReader(l, sink)
				wg.Go(func() { r.run(ctx) })
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}
