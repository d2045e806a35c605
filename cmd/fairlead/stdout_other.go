//go:build !linux

package main

import "context"

// untilStdoutCloses cannot be noticed here before the next write.
func untilStdoutCloses(parent context.Context) (context.Context, context.CancelFunc) {
	return context.WithCancel(parent)
}
