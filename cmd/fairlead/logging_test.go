package main

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

func TestLineHandler(t *testing.T) {
	for _, c := range []struct {
		color bool
		say   func(*slog.Logger)
		want  string
	}{
		{false, func(l *slog.Logger) { l.Info("plain") }, "plain"},
		{false, func(l *slog.Logger) { l.Info("file rotated", "path", "/a b", "n", 1) }, `file rotated  path="/a b" n=1`},
		{false, func(l *slog.Logger) { l.With("room", "serve").Warn("late", "off", 7) }, "W late  room=serve off=7"},
		{false, func(l *slog.Logger) { l.Error("lost", "err", errors.New("gone\x1b[2J")) }, `E lost  err="gone\x1b[2J"`},
		{false, func(l *slog.Logger) { l.Debug("step") }, "D step"},
		{false, func(l *slog.Logger) { l.WithGroup("g").Info("in", "k", "v") }, "in  g.k=v"},
		{true, func(l *slog.Logger) { l.Info("plain") }, "plain"},
		{true, func(l *slog.Logger) { l.Error("bad") }, "\x1b[31mE bad\x1b[0m"},
	} {
		var out bytes.Buffer
		c.say(slog.New(newLineHandler(slog.LevelDebug, lineWriter(&out, c.color))))
		_, got, _ := strings.Cut(strings.TrimSuffix(out.String(), "\n"), " ") // the time
		if got != c.want {
			t.Errorf("line = %q, want %q", got, c.want)
		}
	}
}

func TestLineHandlerLevel(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(newLineHandler((&common{quiet: true}).level(), lineWriter(&out, false)))
	log.Info("not said")
	if log.Warn("said"); strings.Count(out.String(), "\n") != 1 {
		t.Errorf("with -q: %q, want the warning alone", out.String())
	}
}

func TestJournalName(t *testing.T) {
	for key, want := range map[string]string{"path": "PATH", "at_end": "AT_END", "g.k": "G_K", "größe": "GR__E"} {
		if got := journalName(key); got != want {
			t.Errorf("journalName(%q) = %q, want %q", key, got, want)
		}
	}
}
