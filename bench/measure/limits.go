//go:build linux

package measure

import (
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
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

// SyncAll has everything of a file system written back before a trial begins: else that would be
// measured with it.
func SyncAll(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := unix.Syncfs(int(d.Fd())); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}

// TouchMemory writes to each page of half of the memory that is free, and gives it
// back. In a virtual machine the first write to a page waits for the host, which
// would be counted as the work of whoever is measured first.
func TouchMemory() error {
	var info syscall.Sysinfo_t
	if err := syscall.Sysinfo(&info); err != nil {
		return fmt.Errorf("ask for free memory: %w", err)
	}
	const piece = 256 << 20
	free := int64(info.Freeram) * int64(info.Unit) / 2
	var pieces [][]byte
	defer func() {
		for _, p := range pieces {
			syscall.Munmap(p)
		}
	}()
	for n := int64(0); n < min(free, 12<<30); n += piece {
		p, err := syscall.Mmap(-1, 0, piece, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
		if err != nil {
			return fmt.Errorf("touch memory: %w", err)
		}
		pieces = append(pieces, p)
		for i := 0; i < len(p); i += 4096 {
			p[i] = 1
		}
	}
	return nil
}
