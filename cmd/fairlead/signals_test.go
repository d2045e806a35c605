//go:build unix

package main

import (
	"context"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// hangup sends HUP to this process, and returns when all who listen to it have
// got it.
func hangup(t *testing.T) {
	t.Helper()
	delivered := make(chan os.Signal, 1)
	signal.Notify(delivered, syscall.SIGHUP)
	defer signal.Stop(delivered) // waits for what is being delivered
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	patient(t, delivered, "the signal")
}

// Each HUP is one call, one at a time; what comes meanwhile is one more.
func TestOnHangup(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	var working atomic.Int32
	began, goOn := make(chan int), make(chan struct{})
	calls := 0
	stop := onHangup(t.Context(), func() {
		if working.Add(1) != 1 {
			t.Error("two calls at a time")
		}
		calls++
		began <- calls
		<-goOn
		working.Add(-1)
	})
	for want := 1; want <= 3; want++ {
		hangup(t)
		if got := patient(t, began, "a call"); got != want {
			t.Errorf("call %d, want %d", got, want)
		}
		goOn <- struct{}{}
	}
	hangup(t)
	patient(t, began, "a call")
	for range 3 { // while a call works
		hangup(t)
	}
	goOn <- struct{}{}
	patient(t, began, "the call for those that came meanwhile")
	goOn <- struct{}{}
	stop()
	if calls != 5 {
		t.Errorf("%d calls, want 5", calls)
	}
}

// Once ctx has ended nothing is reloaded, whatever came before, and HUP does not
// end the process either, as long as stop was not called.
func TestOnHangupWhileStopping(t *testing.T) {
	for range 20 { // which of two that are ready comes first is a matter of chance
		ctx, cancel := context.WithCancel(t.Context())
		began, goOn := make(chan int), make(chan struct{})
		calls := 0
		stop := onHangup(ctx, func() {
			calls++
			if calls == 1 {
				began <- calls
				<-goOn
			}
		})
		hangup(t)
		patient(t, began, "a call")
		hangup(t)
		cancel()
		close(goOn)
		hangup(t)
		stop()
		stop()
		if calls != 1 {
			t.Fatalf("%d calls, want the one of before the end of ctx", calls)
		}
	}
}

// stop waits for the call that works.
func TestOnHangupStopWaits(t *testing.T) {
	began, goOn := make(chan int), make(chan struct{})
	stop := onHangup(t.Context(), func() {
		began <- 1
		<-goOn
	})
	hangup(t)
	patient(t, began, "the call")
	stopped := make(chan struct{})
	go func() {
		stop()
		close(stopped)
	}()
	select {
	case <-stopped:
		t.Error("stop returned before the call had")
	case <-time.After(50 * time.Millisecond): // as much as is worth waiting for nothing
	}
	close(goOn)
	patient(t, stopped, "the end of stop")
}
