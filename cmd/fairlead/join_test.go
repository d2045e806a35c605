package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"testing"

	"fairlead/trust"
)

// keepHub is `fairlead-hub STATE ADDR`: a process that machines can join.
func keepHub() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := hub(ctx, os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func hub(ctx context.Context, state, addr string) error {
	own, log := identity{state}, (&common{}).logger()
	if err := usable(state); err != nil {
		return err
	}
	key, err := own.key()
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	l := &local{command: "receive", bound: []endpoint{{room: roomMachines, ln: ln, tls: true}}, log: log}
	defer l.start(ctx, state)()
	port := &trust.Port{Key: key, Trusted: own.trusted(), Log: log}
	join := &trust.JoinServer{Name: "hub", Invitations: own.invitations(), Log: log}
	var joining sync.WaitGroup
	defer joining.Wait()
	joining.Go(func() { join.Serve(ctx, port.Listener(trust.ALPNJoin)) })
	fmt.Fprintln(os.Stderr, "ready at", ln.Addr())
	return port.Serve(ctx, ln)
}

func TestMachineName(t *testing.T) {
	if name := machineName(); trust.CheckMachineName(name) != nil {
		t.Errorf("machineName() = %q, which no machine can have", name)
	}
}

// The addresses of a join token: as they were named, or where something listens, or
// all that this machine has.
func TestInviteAddrs(t *testing.T) {
	loopback := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 7447}
	outside := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 7000}
	for _, tt := range []struct {
		advertise []string
		heard     []*net.TCPAddr
		want      string
	}{
		{[]string{"hub", "2001:db8::1", "[2001:db8::2]:1", "10.0.0.1:443"}, nil, "[hub:7447 [2001:db8::1]:7447 [2001:db8::2]:1 10.0.0.1:443]"},
		{[]string{"hub:1"}, []*net.TCPAddr{outside}, "[hub:1]"},
		{nil, []*net.TCPAddr{loopback, outside}, "[192.0.2.7:7000]"},
		{nil, []*net.TCPAddr{loopback}, "[]"},
		{[]string{"hub:x"}, nil, "[]"},
		{[]string{"a b"}, nil, "[]"},
		{[]string{"a", "b", "c", "d", "e", "f", "g", "h", "i"}, nil, "[]"},
	} {
		got, err := (&inviteCommand{advertise: tt.advertise}).addrs(tt.heard)
		if fmt.Sprint(got) != tt.want || (err == nil) != (tt.want != "[]") {
			t.Errorf("addrs(%v, %v) = %v, %v, want %s", tt.advertise, tt.heard, got, err, tt.want)
		}
	}
}
