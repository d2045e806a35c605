package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// asService is a program that does nothing but speak to its service manager.
func asService() {
	ctx, stop := untilSignal(context.Background())
	defer stop()
	var reloads atomic.Int64
	status := func() string { return fmt.Sprintf("reloaded %d times", reloads.Load()) }
	defer onHangup(ctx, func() {
		notifyReloading()
		reloads.Add(1)
		notifyReady(status())
	})()
	var fed sync.WaitGroup
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	fed.Go(func() { watchdog(ctx, func() error { return nil }, log) })
	defer fed.Wait()
	notifyReady(status())
	<-ctx.Done()
	notifyStopping()
}

func TestStatusLine(t *testing.T) {
	long := strings.Repeat("ä", maxStatus)
	for in, want := range map[string]string{
		"3 files on http 127.0.0.1:8080": "STATUS=3 files on http 127.0.0.1:8080",
		"a\nMAINPID=1\nb":                "STATUS=a MAINPID=1 b",
		"a\r\x00\xff":                    `STATUS=a\x0d\x00\xff`,
		"":                               "STATUS=",
		long:                             "STATUS=" + long[:maxStatus] + "...",
		"x" + long:                       "STATUS=x" + long[:maxStatus-2] + "...",
	} {
		if got := statusLine(in); got != want {
			t.Errorf("statusLine(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestOneOf(t *testing.T) {
	for want, words := range map[string][]string{"a": {"a"}, "a or b": {"a", "b"}, "a, b or c": {"a", "b", "c"}} {
		before := slices.Clone(words)
		if got := oneOf(words); got != want || !slices.Equal(words, before) {
			t.Errorf("oneOf(%q) = %q, want %q", words, got, want)
		}
	}
}

// Without a manager nothing waits, and nobody is asked.
func TestNoManager(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "")
	tellStatus(t.Context(), "", func() string { t.Error("somebody asked how we are"); return "" })
	watchdog(t.Context(), func() error { t.Error("somebody asked whether we live"); return nil }, slog.New(slog.DiscardHandler))
	notifyReady("nobody hears it")
	if passed, err := passedSockets(); len(passed) != 0 || err != nil {
		t.Errorf("passedSockets() = %v, %v, want none", passed, err)
	}
}

// What systemd would not write is said, and is no reason to end.
func TestWatchdogNonsense(t *testing.T) {
	for _, usec := range []string{"0", "-1", "soon", "99999999999999999999"} {
		t.Setenv("WATCHDOG_USEC", usec)
		var said strings.Builder
		watchdog(t.Context(), func() error { return nil }, slog.New(slog.NewTextHandler(&said, nil)))
		if !strings.Contains(said.String(), "the watchdog is not fed") {
			t.Errorf("WATCHDOG_USEC=%s: said %q, want that it is not fed", usec, said.String())
		}
	}
}

// patient fails the test if what it waits for does not come.
func patient[T any](t *testing.T, c <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatalf("%s did not come within %s", what, patience)
	}
	return v
}
