package serve

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"fairlead/logfile"
	"fairlead/trust"
)

// errRefused is for a client of another user of this machine. Any local account
// reaches loopback; what it may not read itself it does not get from us.
var errRefused = errors.New("not for other users of this machine")

// stranger says whether a connection comes from this machine but from neither
// our user nor root. If that cannot be told, it does.
func (s *Server) stranger(conn net.Conn) bool {
	if s.ShareLocal || !trust.Loopback(conn.RemoteAddr()) {
		return false
	}
	ours, _ := trust.Ours(conn)
	return !ours
}

// strangerHTTP is stranger for a request.
func (s *Server) strangerHTTP(r *http.Request) bool {
	if s.ShareLocal || trust.RoleOf(r.Context()).May(trust.RoleView) {
		return false // a token is worth the same from everywhere
	}
	if ours, _ := trust.PeerIsOurs(r.Context()); ours {
		return false
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	return err != nil || trust.Loopback(&net.TCPAddr{IP: net.ParseIP(host)})
}

// everyoneMayRead returns nil if any user can read the open file of a generation
// under the name it has, or had last: the file itself, and the way to it.
func everyoneMayRead(log *logfile.Log, gen logfile.GenID, f *os.File) error {
	path := log.Name()
	if g := log.Stat().Find(gen); g != nil && g.Path != "" {
		path = g.Path
	}
	fi, err := f.Stat()
	if err != nil {
		return fmt.Errorf("%w: %v", errRefused, err)
	}
	return openToAll(path, fi)
}

func openToAll(path string, fi fs.FileInfo) error {
	if fi.Mode().Perm()&0o004 == 0 {
		return closedToSome(path, fi)
	}
	dir := filepath.Dir(path)
	if real, err := filepath.EvalSymlinks(path); err == nil {
		dir = filepath.Dir(real)
	} else if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	for ; ; dir = filepath.Dir(dir) {
		fi, err := os.Stat(dir)
		if err != nil {
			return fmt.Errorf("%w: %v", errRefused, err)
		}
		if fi.Mode().Perm()&0o001 == 0 {
			return closedToSome(dir, fi)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

func closedToSome(path string, fi fs.FileInfo) error {
	return fmt.Errorf("%w: %s has mode %04o; ask as the server's user or root, or serve with --share-local",
		errRefused, path, fi.Mode().Perm())
}
