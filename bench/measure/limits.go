//go:build linux

package measure

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// raiseDescriptors sets our limit, which servers and helpers inherit, as high as the kernel lets
// it: ten thousand clients at three descriptors each need more than most defaults. What is not
// granted makes the idle trial smaller, and is said there.
func raiseDescriptors() {
	const wanted = 65536
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: wanted, Max: wanted}) == nil {
		return
	}
	var now syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &now) == nil {
		now.Cur = now.Max
		syscall.Setrlimit(syscall.RLIMIT_NOFILE, &now)
	}
}

// DescriptorLimit is how many descriptors a server may have.
func DescriptorLimit() int {
	var now syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &now); err != nil {
		return 1024
	}
	return int(now.Cur)
}

// Progress tells whoever waits at the terminal what is being measured.
func Progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, strings.TrimSuffix(format, "\n")+"\n", args...)
}
