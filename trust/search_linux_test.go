package trust

import (
	"net"
	"net/netip"
	"os"
	"testing"
)

// What is used where netlink is refused gives the same answer.
func TestSearchOwner(t *testing.T) {
	for _, at := range []string{"127.0.0.1:0", "[::1]:0", ":0"} {
		ln, err := net.Listen("tcp", at)
		if err != nil {
			t.Logf("left out: listen on %s: %v", at, err)
			continue
		}
		defer ln.Close()
		d, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		local, remote := ends(d)
		if uid, ok := searchOwner(local, remote); int(uid) != os.Getuid() || !ok {
			t.Errorf("searchOwner(%v, %v) = %d, %v, want %d, true", local, remote, uid, ok, os.Getuid())
		}
		if uid, ok := searchOwner(remote, netip.AddrPortFrom(local.Addr(), 1)); ok {
			t.Errorf("searchOwner(no such socket) = %d, true, want false", uid)
		}
	}
}

func ends(c net.Conn) (local, remote netip.AddrPort) {
	return c.LocalAddr().(*net.TCPAddr).AddrPort(), c.RemoteAddr().(*net.TCPAddr).AddrPort()
}

func TestSearchTable(t *testing.T) {
	if !littleEndian() {
		t.Skip("the table below was printed by a little-endian machine")
	}
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 11111 1 0000000000000000 100 0 0 10 0
   1: 0100007F:9C40 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1001        0 22222 1 0000000000000000 20 4 30 10 -1
   2: 0100007F:9C41 0100007F:1F90 06 00000000:00000000 03:00000000 00000000     0        0 0 3 0000000000000000
   3: 0000000000000000FFFF00000100007F:9C42 0000000000000000FFFF00000100007F:1F90 01 00000000:00000000 00:00000000 00000000  1002        0 33333 1 0000000000000000 20 4 30 10 -1
`
	server := netip.MustParseAddrPort("127.0.0.1:8080")
	for _, tt := range []struct {
		local string
		uid   uint32
		ok    bool
	}{
		{"127.0.0.1:40000", 1001, true},
		{"127.0.0.1:40001", 0, false}, // TIME-WAIT: belongs to nobody
		{"127.0.0.1:40002", 1002, true},
		{"127.0.0.2:40000", 0, false},
		{"127.0.0.1:8080", 0, false}, // listens
	} {
		uid, ok := searchTable(table, netip.MustParseAddrPort(tt.local), server)
		if uid != tt.uid || ok != tt.ok {
			t.Errorf("searchTable(%v) = %d, %v, want %d, %v", tt.local, uid, ok, tt.uid, tt.ok)
		}
	}
}

func littleEndian() bool {
	return sameEnd("0100007F:0001", netip.MustParseAddrPort("127.0.0.1:1"))
}

// A listening socket on the port that is asked for is not the peer.
func TestOwnerOfListenerIsNotTaken(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	local := ln.Addr().(*net.TCPAddr).AddrPort()
	if uid, err := queryOwner(local, netip.MustParseAddrPort("127.0.0.1:9")); err == nil {
		t.Errorf("queryOwner(%v, no connection) = %d, want an error", local, uid)
	}
}
