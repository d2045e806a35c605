package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"

	"github.com/coreos/go-systemd/v22/journal"
)

// logger returns the log of the program, on stderr: the journal's own protocol
// if stderr is the journal, lines for people on a terminal, JSON otherwise.
func (c *common) logger() *slog.Logger { return c.loggerTo(os.Stderr) }

// loggerTo is the same through w, which writes to stderr.
func (c *common) loggerTo(w io.Writer) *slog.Logger {
	if ok, err := journal.StderrIsJournalStream(); err == nil && ok {
		return slog.New(newLineHandler(c.level(), sendToJournal))
	}
	if isTerminal(os.Stderr) {
		return slog.New(newLineHandler(c.level(), lineWriter(w, c.colors(os.Stderr))))
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: c.level()}))
}

func (c *common) level() slog.Level {
	switch {
	case c.verbose:
		return slog.LevelDebug
	case c.quiet:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// A lineHandler makes of each record one line, the message first and what
// slog.TextHandler makes of the attributes behind it, and hands both to emit.
type lineHandler struct {
	attrs slog.Handler // writes into line.buf
	known []slog.Attr  // of WithAttrs
	line  *line
}

type line struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	emit func(r slog.Record, text string, known []slog.Attr) error
}

func newLineHandler(level slog.Level, emit func(slog.Record, string, []slog.Attr) error) *lineHandler {
	l := &line{emit: emit}
	return &lineHandler{line: l, attrs: slog.NewTextHandler(&l.buf, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
				return slog.Attr{}
			}
			return a
		},
	})}
}

func (h *lineHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return h.attrs.Enabled(ctx, l)
}

func (h *lineHandler) Handle(ctx context.Context, r slog.Record) error {
	h.line.mu.Lock()
	defer h.line.mu.Unlock()
	h.line.buf.Reset()
	if err := h.attrs.Handle(ctx, r); err != nil {
		return err
	}
	text := r.Message
	if attrs := strings.TrimSpace(h.line.buf.String()); attrs != "" {
		text += "  " + attrs
	}
	return h.line.emit(r, text, h.known)
}

func (h *lineHandler) WithAttrs(as []slog.Attr) slog.Handler {
	return &lineHandler{h.attrs.WithAttrs(as), append(h.known[:len(h.known):len(h.known)], as...), h.line}
}

func (h *lineHandler) WithGroup(name string) slog.Handler {
	return &lineHandler{h.attrs.WithGroup(name), h.known, h.line}
}

// lineWriter writes lines for people: the time, a letter for the level unless
// it is an ordinary one, the text.
func lineWriter(w io.Writer, color bool) func(slog.Record, string, []slog.Attr) error {
	return func(r slog.Record, text string, _ []slog.Attr) error {
		letter, paint := "", ""
		switch {
		case r.Level >= slog.LevelError:
			letter, paint = "E ", "\x1b[31m"
		case r.Level >= slog.LevelWarn:
			letter, paint = "W ", "\x1b[33m"
		case r.Level < slog.LevelInfo:
			letter, paint = "D ", "\x1b[2m"
		}
		text = letter + printable(text)
		if color && paint != "" {
			text = paint + text + "\x1b[0m"
		}
		_, err := fmt.Fprintf(w, "%s %s\n", r.Time.Format("15:04:05"), text)
		return err
	}
}

// sendToJournal writes a record with its attributes as fields, FAIRLEAD_PATH
// and so on.
func sendToJournal(r slog.Record, text string, known []slog.Attr) error {
	vars := make(map[string]string)
	field := func(a slog.Attr) bool {
		vars["FAIRLEAD_"+journalName(a.Key)] = a.Value.String()
		return true
	}
	for _, a := range known {
		field(a)
	}
	r.Attrs(field)
	priority := journal.PriInfo
	switch {
	case r.Level >= slog.LevelError:
		priority = journal.PriErr
	case r.Level >= slog.LevelWarn:
		priority = journal.PriWarning
	case r.Level < slog.LevelInfo:
		priority = journal.PriDebug
	}
	return journal.Send(text, priority, vars)
}

// journalName makes of an attribute's key what the journal takes for a field.
func journalName(key string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToUpper(key))
}
