//go:build !unix

package stream_test

func setReceiveBuffer(uintptr, int) error { return nil }
