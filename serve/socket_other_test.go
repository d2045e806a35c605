//go:build !linux

package serve_test

import "syscall"

func receiveBufferOf(int) func(network, address string, c syscall.RawConn) error { return nil }
