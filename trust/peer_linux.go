package trust

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// KnowsPeers says whether this system tells whose process is at the other end of
// a connection of this machine.
const KnowsPeers = true

// unixPeer asks who made the other end when it connected.
func unixPeer(c *net.UnixConn) (uid uint32, ok bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, false
	}
	var cred *unix.Ucred
	ctlErr := raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if ctlErr != nil || err != nil {
		return 0, false
	}
	return cred.Uid, true
}

// answered is set once the kernel has named a socket's owner: from then on a
// socket it does not know is gone, and no table is searched for it.
var answered atomic.Bool

// socketUID returns who owns the TCP socket that is bound to local and
// connected to remote, both as that socket sees them.
func socketUID(local, remote netip.AddrPort) (uid uint32, ok bool) {
	uid, err := queryOwner(local, remote)
	if err == nil {
		answered.Store(true)
		return uid, true
	}
	if errors.Is(err, errNoOwner) || answered.Load() {
		return 0, false
	}
	return searchOwner(local, remote)
}

// errNoOwner is the answer for a socket that no process has open (any more).
// The kernel calls its owner root, which it is not.
var errNoOwner = errors.New("the socket belongs to no process")

// The layout of linux/inet_diag.h: a header of 16 bytes, then the question
// (inet_diag_req_v2) or the answer (inet_diag_msg).
const (
	headerLen   = unix.SizeofNlMsghdr
	sockIDLen   = 48 // two ports, two addresses of 16 bytes, interface, cookie
	questionLen = headerLen + 8 + sockIDLen
	answerLen   = headerLen + 4 + sockIDLen + 20

	stateListen = 10 // TCP_LISTEN of the kernel's net/tcp_states.h
)

// queryOwner asks the kernel for exactly one socket.
func queryOwner(local, remote netip.AddrPort) (uid uint32, err error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return 0, fmt.Errorf("open netlink: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, question(local, remote), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, fmt.Errorf("ask netlink: %w", err)
	}
	// The kernel answers within the call that asks: there is nothing to wait for.
	buf := make([]byte, 1024)
	n, _, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT)
	if err != nil {
		return 0, fmt.Errorf("read netlink: %w", err)
	}
	return owner(buf[:n], local.Port(), remote.Port())
}

// question is a request for the one socket with these ends.
func question(local, remote netip.AddrPort) []byte {
	family := byte(unix.AF_INET6)
	if local.Addr().Unmap().Is4() {
		family = unix.AF_INET
	}
	native := binary.NativeEndian
	b := make([]byte, 0, questionLen)
	b = native.AppendUint32(b, questionLen)
	b = native.AppendUint16(b, unix.SOCK_DIAG_BY_FAMILY)
	b = native.AppendUint16(b, unix.NLM_F_REQUEST)
	b = append(b, make([]byte, 8)...) // sequence, port id
	b = append(b, family, unix.IPPROTO_TCP, 0, 0)
	b = native.AppendUint32(b, ^uint32(0)) // all states
	b = binary.BigEndian.AppendUint16(b, local.Port())
	b = binary.BigEndian.AppendUint16(b, remote.Port())
	b = appendAddr(b, local.Addr())
	b = appendAddr(b, remote.Addr())
	b = native.AppendUint32(b, 0)             // any interface
	return native.AppendUint64(b, ^uint64(0)) // no cookie
}

// appendAddr appends 16 bytes, of which an IPv4 address takes the first four.
func appendAddr(b []byte, a netip.Addr) []byte {
	if a = a.Unmap(); a.Is4() {
		v4 := a.As4()
		return append(append(b, v4[:]...), make([]byte, 12)...)
	}
	v6 := a.As16()
	return append(b, v6[:]...)
}

// owner reads the kernel's answer. Where no connected socket has those ends the
// kernel may name one that listens on the port instead: its owner is not asked
// for.
func owner(b []byte, localPort, remotePort uint16) (uid uint32, err error) {
	native := binary.NativeEndian
	if len(b) < headerLen+4 {
		return 0, fmt.Errorf("read netlink: answer of %d bytes", len(b))
	}
	if native.Uint16(b[4:]) == unix.NLMSG_ERROR {
		return 0, fmt.Errorf("ask netlink: %w", unix.Errno(-int32(native.Uint32(b[headerLen:]))))
	}
	if native.Uint16(b[4:]) != unix.SOCK_DIAG_BY_FAMILY || len(b) < answerLen {
		return 0, fmt.Errorf("read netlink: answer of type %d, %d bytes", native.Uint16(b[4:]), len(b))
	}
	msg := b[headerLen:]
	state, ports, tail := msg[1], msg[4:8], msg[4+sockIDLen:]
	same := binary.BigEndian.Uint16(ports) == localPort && binary.BigEndian.Uint16(ports[2:]) == remotePort
	if inode := native.Uint32(tail[16:]); inode == 0 || state == stateListen || !same {
		return 0, errNoOwner
	}
	return native.Uint32(tail[12:]), nil
}

// searchOwner is for where netlink is refused: it reads the table of all
// sockets. A socket over IPv4 is in the second table if its process made it for
// IPv6.
func searchOwner(local, remote netip.AddrPort) (uid uint32, ok bool) {
	for _, table := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		b, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		if uid, ok := searchTable(string(b), local, remote); ok {
			return uid, true
		}
	}
	return 0, false
}

func searchTable(table string, local, remote netip.AddrPort) (uid uint32, ok bool) {
	for line := range strings.Lines(table) {
		f := strings.Fields(line) // sl local remote state queues timer retransmits uid timeout inode
		if len(f) < 10 || f[9] == "0" || !sameEnd(f[1], local) || !sameEnd(f[2], remote) {
			continue
		}
		n, err := strconv.ParseUint(f[7], 10, 32)
		return uint32(n), err == nil
	}
	return 0, false
}

// sameEnd compares an entry such as 0100007F:10E1, whose address is printed
// in words of the machine's byte order.
func sameEnd(entry string, want netip.AddrPort) bool {
	hexAddr, hexPort, _ := strings.Cut(entry, ":")
	port, err := strconv.ParseUint(hexPort, 16, 16)
	if err != nil || uint16(port) != want.Port() || len(hexAddr)%8 != 0 {
		return false
	}
	var raw []byte
	for ; hexAddr != ""; hexAddr = hexAddr[8:] {
		word, err := strconv.ParseUint(hexAddr[:8], 16, 32)
		if err != nil {
			return false
		}
		raw = binary.NativeEndian.AppendUint32(raw, uint32(word))
	}
	addr, ok := netip.AddrFromSlice(raw)
	return ok && addr.Unmap() == want.Addr().Unmap().WithZone("")
}
