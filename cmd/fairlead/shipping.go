package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fairlead/logfile"
	"fairlead/replica"
	"fairlead/ship"
	"fairlead/trust"
)

// alpnReplica is the protocol of ship on the port of machines.
const alpnReplica = "fairlead-replica/1"

// machines are what a process knows of itself and of others.
type machines struct {
	key     *trust.Key
	trusted *trust.Trusted
}

func openMachines(own identity) (m machines, err error) {
	m.trusted = own.trusted()
	m.key, err = own.key()
	return m, err
}

// receiverCalled finds a receiver by the name or an address that it has in trusted.
func (m machines) receiverCalled(host string) (trust.Machine, error) {
	if known, ok := m.trusted.Named(host); ok {
		if !known.Has(trust.RoleReceive) {
			return known, exitf(exitUsage, "%s is trusted, but not to receive: `fairlead key add %s KEY --role receive --addr HOST:PORT`", host, host)
		}
		if len(known.Addrs) == 0 {
			return known, exitf(exitUsage, "%s has no address: `fairlead key add %s %s --role receive --addr HOST:PORT`", host, host, known.Key)
		}
		return known, nil
	}
	addr := host
	if _, _, err := net.SplitHostPort(addr); err != nil {
		addr = net.JoinHostPort(strings.Trim(host, "[]"), portOf(defaultMachines))
	}
	list, _, err := m.trusted.List()
	if err != nil {
		return trust.Machine{}, err
	}
	for _, known := range list {
		if slices.Contains(known.Addrs, addr) && known.Has(trust.RoleReceive) {
			known.Addrs = []string{addr}
			return known, nil
		}
	}
	return trust.Machine{}, exitf(exitNotFound, "no key of %s is known: run `fairlead invite` there, and `fairlead join TOKEN` here", host)
}

func portOf(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}

// destination is a receiver as ship calls it. Its key and addresses are looked up
// again each time: they may have changed.
func (m machines) destination(host string) ship.Destination {
	return ship.Destination{Name: host, Dial: func(ctx context.Context) (replica.Conn, error) {
		known, err := m.receiverCalled(host)
		if err != nil {
			return nil, err
		}
		var errs []error
		for _, addr := range known.Addrs {
			conn, err := m.key.Dial(ctx, "tcp", addr, known.Key, alpnReplica)
			if err == nil {
				return conn, nil
			}
			errs = append(errs, err)
		}
		return nil, errors.Join(errs...)
	}}
}

// A shipping is the room that sends.
type shipping struct {
	*ship.Sender
	lock io.Closer
}

// openShip opens it; close is to be called in any case.
func openShip(s *settings, m machines, state string, set *logfile.Set, log *slog.Logger) (*shipping, error) {
	groups, err := s.Ship.groups(m)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(state, roomDir("ship", s.Self.Name))
	lock, err := lockRoom(dir, "with --name NAME there can be another")
	if err != nil {
		return nil, err
	}
	hostname, _ := os.Hostname()
	sender := &ship.Sender{
		Files: set, State: dir, To: groups, Name: hostname, Software: "fairlead " + buildVersion().Version,
		Rate: int64(s.Ship.Rate), Failover: s.Ship.Failover, Log: log.With("room", "ship"),
	}
	if err := sender.Open(); err != nil {
		lock.Close()
		return nil, err
	}
	return &shipping{sender, lock}, nil
}

// groups are the receivers, each of which has to be known.
func (s *shipSettings) groups(m machines) (groups []ship.Group, err error) {
	for _, host := range s.To {
		groups = append(groups, ship.Group{m.destination(host)})
	}
	var one ship.Group
	for _, host := range s.oneOf() {
		one = append(one, m.destination(host))
	}
	if len(one) > 0 {
		groups = append(groups, one)
	}
	called := make(map[trust.PublicKey]string)
	for _, host := range s.hosts() {
		known, err := m.receiverCalled(host)
		if err != nil {
			return nil, err
		}
		if other, twice := called[known.Key]; twice {
			return nil, usagef("%s and %s are one receiver: name it once", other, host)
		}
		called[known.Key] = host
	}
	return groups, nil
}

// hosts are all receivers.
func (s *shipSettings) hosts() []string { return slices.Concat(s.To, s.oneOf()) }

// oneOf are the receivers of which one gets each file; commas separate them, too.
func (s *shipSettings) oneOf() (hosts []string) {
	for _, list := range s.ToOneOf {
		for host := range strings.SplitSeq(list, ",") {
			if host = strings.TrimSpace(host); host != "" {
				hosts = append(hosts, host)
			}
		}
	}
	return hosts
}

func (s *shipping) close() error {
	if s == nil {
		return nil
	}
	return s.lock.Close()
}

// senderOf is who is at the other end of a connection to the port of machines.
func (m machines) senderOf(conn net.Conn) (name string, ok bool) {
	key, ok := trust.PeerKey(conn)
	if !ok {
		return "", false
	}
	known, ok := m.trusted.Lookup(key)
	if !ok || !known.Has(trust.RoleSend) {
		return key.String(), false
	}
	return known.Name, true
}
