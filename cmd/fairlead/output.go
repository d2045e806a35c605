package main

import (
	"bufio"
	"io"
	"os"

	"github.com/spf13/pflag"
	"golang.org/x/term"
)

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// fitting returns as much of a text as fits into a line of a terminal: what goes on
// in the next one could not be taken back.
func fitting(text string, f *os.File) string {
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil || columns <= 1 {
		columns = 80
	}
	if runes := []rune(text); len(runes) >= columns {
		return string(runes[:columns-2]) + "…"
	}
	return text
}

// colors says whether what goes to f may be coloured.
func (c *common) colors(f *os.File) bool {
	switch c.color {
	case "always":
		return true
	case "never":
		return false
	}
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(f)
}

func (c *common) check() error {
	switch c.color {
	case "auto", "always", "never":
		return nil
	}
	return usagef("--color is auto, always or never, not %q", c.color)
}

// An output is stdout, buffered: what the program says in data. On a terminal
// it escapes what could command it.
type output struct {
	*bufio.Writer
	escape *escaper // nil: bytes go as they are
}

func newOutput(w io.Writer, escape bool) *output {
	w = markedWriter{w}
	o := &output{Writer: bufio.NewWriterSize(w, 64<<10)}
	if escape {
		o.escape = &escaper{w: w}
		o.Writer.Reset(o.escape)
	}
	return o
}

// stdout is where a command's data goes; raw means as it is, on a terminal too.
func stdout(raw bool) *output { return newOutput(os.Stdout, !raw && isTerminal(os.Stdout)) }

// Close writes all there is, the beginning of a rune included.
func (o *output) Close() error {
	if err := o.Flush(); err != nil || o.escape == nil {
		return err
	}
	return o.escape.Flush()
}

// A markedWriter makes every error an errStdout.
type markedWriter struct{ w io.Writer }

func (m markedWriter) Write(p []byte) (int, error) {
	n, err := m.w.Write(p)
	if err != nil {
		err = errStdout{err}
	}
	return n, err
}

func outputFlag(f *pflag.FlagSet, output *string) {
	f.StringVarP(output, "output", "o", "text", "`FORMAT`: text, or json, which stays as it is")
}

func wantsJSON(output string) (bool, error) {
	switch output {
	case "text":
		return false, nil
	case "json":
		return true, nil
	}
	return false, usagef("-o is text or json, not %q", output)
}
