package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"fairlead/trust"
)

// serviceSockets is where a service's sockets are, for those who ask.
const serviceSockets = "/run/fairlead"

// A place is a directory in which processes show themselves.
type place struct {
	dir     string
	service bool // the service manager made it, and its group may ask too
}

// places returns where this process may show itself, best first: the service
// manager's runtime directory, or else the user's, or the state.
func places(state string) []place {
	if dir, _, _ := strings.Cut(os.Getenv("RUNTIME_DIRECTORY"), ":"); dir != "" {
		return []place{{dir, true}}
	}
	var ps []place
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		ps = append(ps, place{filepath.Join(dir, "fairlead"), false})
	}
	return append(ps, place{filepath.Join(state, "run"), false})
}

// socketDirs returns everywhere processes that we may ask can show themselves:
// the service's place, and ours by every name our state can have.
func socketDirs(state string) []string {
	dirs := []string{serviceSockets}
	states := append(userStates(), state)
	if dir, _, _ := strings.Cut(os.Getenv("STATE_DIRECTORY"), ":"); dir != "" {
		states = append(states, dir)
	}
	for _, state := range states {
		for _, p := range places(state) {
			dirs = append(dirs, p.dir)
		}
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// listenLocal opens the socket that this process is asked by, in the first place
// where that is possible.
func listenLocal(name, state string, log *slog.Logger) (ln net.Listener, err error) {
	for _, p := range places(state) {
		var failed error
		if ln, failed = p.listen(name, log); failed == nil {
			return ln, nil
		}
		err = errors.Join(err, failed)
	}
	return nil, err
}

// listen opens a socket and removes those of processes that are gone.
func (p place) listen(name string, log *slog.Logger) (net.Listener, error) {
	if err := ownDir(p.dir, p.service); err != nil {
		return nil, err
	}
	for _, path := range socketsIn(p.dir) {
		if abandoned(path) {
			os.Remove(path)
		}
	}
	path := filepath.Join(p.dir, name+".sock")
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if errors.Is(err, syscall.EINVAL) {
		return nil, fmt.Errorf("%s is too long for a socket: set XDG_RUNTIME_DIR to a shorter directory", path)
	}
	if err != nil {
		return nil, err
	}
	mode := fs.FileMode(0o600)
	if p.service {
		mode = 0o660
	}
	if err := os.Chmod(path, mode); err != nil {
		ln.Close()
		return nil, err
	}
	return &localListener{ln, p.service, log}, nil
}

// ownDir makes the directory, and checks that nobody else can put anything in
// its place. A service's was made by its manager.
func ownDir(dir string, service bool) error {
	if !service {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	fi, err := os.Lstat(dir)
	switch {
	case err != nil:
		return err
	case !fi.IsDir():
		return fmt.Errorf("%s is not a directory", dir)
	case !oursOrRoots(fi):
		return fmt.Errorf("%s belongs to another user: remove it", dir)
	case fi.Mode().Perm()&0o022 != 0 && service && runtime.GOOS != "windows":
		return fmt.Errorf("%s can be written by others: chmod go-w it", dir)
	case fi.Mode().Perm()&0o077 != 0 && !service:
		return os.Chmod(dir, 0o700)
	}
	return nil
}

func socketsIn(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var paths []string
	for _, e := range entries {
		if e.Type()&fs.ModeSocket != 0 && strings.HasSuffix(e.Name(), ".sock") {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	return paths
}

// abandoned says that nobody listens at a socket any more.
func abandoned(path string) bool {
	c, err := net.Dial("unix", path)
	if err == nil {
		c.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// A localListener takes connections of our own user and root only. For a
// service the kernel has decided: it lets only the socket's owner and group,
// and root, connect.
type localListener struct {
	*net.UnixListener
	service bool
	log     *slog.Logger
}

func (l *localListener) Accept() (net.Conn, error) {
	for {
		c, err := l.UnixListener.Accept()
		if err != nil || l.service {
			return c, err
		}
		uid, ok := trust.PeerUID(c)
		// Where the system does not tell who it is, the directory's mode decides.
		if ok && (uid == 0 || int(uid) == os.Geteuid()) || !ok && runtime.GOOS != "linux" {
			return c, nil
		}
		l.log.Warn("another user was turned away from the local socket", "uid", uid)
		c.Close()
	}
}
