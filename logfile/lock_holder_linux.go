package logfile

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// lockHolder names the process that holds the lock of f, from the kernel's list
// of locks: "1: FLOCK ADVISORY WRITE 4711 fd:01:1835017 0 EOF".
func lockHolder(f *os.File) string {
	var st syscall.Stat_t
	list, err := os.ReadFile("/proc/locks")
	if err != nil || syscall.Fstat(int(f.Fd()), &st) != nil {
		return "another process"
	}
	inode := fmt.Sprintf(":%d", st.Ino)
	for line := range strings.Lines(string(list)) {
		fields := strings.Fields(line)
		if len(fields) < 6 || fields[1] != "FLOCK" || !strings.HasSuffix(fields[5], inode) {
			continue
		}
		name, err := os.ReadFile("/proc/" + fields[4] + "/comm")
		if err != nil {
			break // of another pid namespace
		}
		return fmt.Sprintf("process %s (%s)", fields[4], strings.TrimSpace(string(name)))
	}
	return "another process"
}
