package trust

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"fairlead/internal/tcp"
)

// ALPNJoin is the protocol by which a machine joins another.
const ALPNJoin = "fairlead-join/1"

// The two lines of the exchange; doc/protocol.md tells of them.
type (
	joinRequest struct {
		Secret  string `json:"secret"`
		Name    string `json:"name"`
		Version string `json:"version"`
	}
	joinAnswer struct {
		Name  string   `json:"name,omitempty"`
		Roles []string `json:"roles,omitempty"`
		Hub   string   `json:"hub,omitempty"`

		Error string `json:"error,omitempty"`
		Cure  string `json:"cure,omitempty"`
	}
)

const (
	joinLine      = 4 << 10         // bytes that a line may have
	joinPatience  = 5 * time.Second // until the request is there
	joinAnswering = 20 * time.Second
	wrongSecrets  = 5 // a second that are answered
)

// A JoinServer lets machines in that show the secret of an invitation. Its fields
// are set before use.
type JoinServer struct {
	Name        string // of this machine, for those who join; their token may have another
	Invitations *Invitations
	Log         *slog.Logger // nil discards

	once  sync.Once
	limit *rate.Limiter

	joined, refused, unanswered atomic.Int64
}

// JoinStats counts since the start.
type JoinStats struct {
	Joined     int64 // machines that were let in, those that asked again included
	Refused    int64 // requests that were answered with no
	Unanswered int64 // wrong secrets beyond those that are answered
}

// Stats returns what happened so far.
func (s *JoinServer) Stats() JoinStats {
	return JoinStats{Joined: s.joined.Load(), Refused: s.refused.Load(), Unanswered: s.unanswered.Load()}
}

// Serve answers those who come by a listener of a [Port] for [ALPNJoin], which
// limits how many there are at a time, until ctx ends. Of wrong secrets five a
// second are answered, and logged; the others are cut off, and right ones are not
// delayed by them.
func (s *JoinServer) Serve(ctx context.Context, ln net.Listener) error {
	var clients sync.WaitGroup
	defer clients.Wait()
	defer context.AfterFunc(ctx, func() { ln.Close() })()
	for {
		conn, err := ln.Accept()
		if ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept machines that join: %w", err)
		}
		clients.Go(func() { s.client(ctx, conn) })
	}
}

func (s *JoinServer) client(ctx context.Context, conn net.Conn) {
	defer tcp.Underlying(conn).Close()
	defer context.AfterFunc(ctx, func() { tcp.Underlying(conn).Close() })()
	conn.SetDeadline(time.Now().Add(joinPatience))
	key, ok := PeerKey(conn)
	if !ok {
		return // not from a Port
	}
	answer, answered := s.answer(conn, key)
	if !answered {
		s.unanswered.Add(1)
		tcp.Abort(conn)
		return
	}
	conn.SetDeadline(time.Now().Add(joinPatience))
	if err := json.NewEncoder(conn).Encode(answer); err != nil {
		s.logger().Warn("a machine that joins did not get its answer", "peer", conn.RemoteAddr().String(), "name", answer.Name, "err", err)
		return
	}
	tcp.Part(ctx, conn)
}

// answer reads the request and does what it asks for. answered is false where
// silence is the answer.
func (s *JoinServer) answer(conn net.Conn, key PublicKey) (answer joinAnswer, answered bool) {
	log := s.logger().With("peer", conn.RemoteAddr().String(), "key", key.String())
	request, err := readJoin(conn)
	var m Machine
	if err == nil {
		m, err = s.Invitations.Redeem(request.Secret, key, request.Name)
	}
	if err == nil {
		s.joined.Add(1)
		log.Info("machine joined", "name", m.Name, "roles", m.Roles, "version", clip(request.Version))
		return joinAnswer{Name: m.Name, Roles: m.Roles, Hub: s.Name}, true
	}
	if errors.Is(err, io.EOF) {
		return answer, false // it said nothing: somebody looks whether we are here, as `fairlead invite` does
	}
	s.once.Do(func() { s.limit = rate.NewLimiter(wrongSecrets, wrongSecrets) })
	if errors.Is(err, ErrNoInvitation) && !s.limit.Allow() {
		return answer, false
	}
	s.refused.Add(1)
	answer.Error, answer.Cure = whyNot(err)
	if answer.Error == errJoinClosed {
		log.Error("nobody can join", "err", err)
	} else {
		log.Warn("a machine was not let in", "name", clip(request.Name), "err", err)
	}
	return answer, true
}

const errJoinClosed = "the hub can let nobody in at the moment"

// whyNot is what a machine is told that was not let in, and what can be done.
func whyNot(err error) (reason, cure string) {
	const again = "`fairlead invite` on the hub prints another join token"
	var bad *badRequestError
	switch {
	case errors.As(err, &bad):
		return bad.Error(), "look whether both machines have the same version of fairlead"
	case errors.Is(err, ErrNoInvitation):
		return "the hub knows no such invitation, or no more", again
	case errors.Is(err, ErrExpired), errors.Is(err, ErrUsedUp):
		return err.Error(), again
	case errors.Is(err, ErrRemoved):
		return "this machine was removed on the hub after it joined", again
	}
	return errJoinClosed, "the log of the hub says why"
}

// A badRequestError is the fault of who asks.
type badRequestError struct{ error }

func (e *badRequestError) Unwrap() error { return e.error }

// readJoin reads the line of a machine that joins.
func readJoin(r io.Reader) (request joinRequest, err error) {
	line, err := readLine(r)
	if err != nil {
		return request, &badRequestError{fmt.Errorf("read the request to join: %w", err)}
	}
	if err := json.Unmarshal(line, &request); err != nil {
		return request, &badRequestError{fmt.Errorf("the request to join makes no sense: %v", err)}
	}
	if err := CheckMachineName(request.Name); err != nil {
		return request, &badRequestError{err}
	}
	return request, nil
}

func readLine(r io.Reader) ([]byte, error) {
	line, err := bufio.NewReaderSize(r, joinLine).ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return nil, fmt.Errorf("a line of more than %d bytes", joinLine)
	}
	if errors.Is(err, io.EOF) && len(line) > 0 {
		return nil, io.ErrUnexpectedEOF
	}
	return line, err
}

func (s *JoinServer) logger() *slog.Logger { return cmp.Or(s.Log, slog.New(slog.DiscardHandler)) }

// ErrUnreachable is for a hub that answers at none of its addresses.
var ErrUnreachable = errors.New("the hub answers at none of its addresses")

// A JoinRefusedError is a hub's no.
type JoinRefusedError struct{ Reason, Cure string }

func (e *JoinRefusedError) Error() string {
	if e.Cure == "" {
		return e.Reason
	}
	return e.Reason + "; " + e.Cure
}

// Joined is what a machine that has joined knows.
type Joined struct {
	Hub   Machine  // to ship to, so far: it has [RoleReceive]
	Name  string   // that the hub knows us by
	Roles []string // that we have there
}

// Join has the hub of a token trust our key, and tries its addresses in turn. name
// is the one we wish for, version the program's. The hub is called what the token
// calls it: that is what its operator chose. What went wrong is a
// [*JoinRefusedError], [ErrUnreachable], or, where another machine answers, a
// [*WrongKeyError].
func Join(ctx context.Context, key *Key, token JoinToken, name, version string) (Joined, error) {
	if err := errors.Join(token.check(), CheckMachineName(name)); err != nil {
		return Joined{}, err
	}
	var failed []error
	for _, addr := range token.Addrs {
		answer, err := askToJoin(ctx, key, token, addr, joinRequest{token.Secret, name, version})
		if ctx.Err() != nil {
			return Joined{}, ctx.Err()
		}
		if err != nil {
			failed = append(failed, err)
			continue
		}
		if answer.Error != "" {
			return Joined{}, &JoinRefusedError{answer.Error, answer.Cure}
		}
		hub := Machine{Name: token.Hub, Key: token.Key, Roles: []string{RoleReceive}, Addrs: token.Addrs}
		return Joined{hub, answer.Name, answer.Roles}, nil
	}
	err := errors.Join(failed...)
	if wrong := (*WrongKeyError)(nil); errors.As(err, &wrong) {
		return Joined{}, err
	}
	return Joined{}, fmt.Errorf("%w:\n%w", ErrUnreachable, err)
}

// askToJoin makes the exchange at one address.
func askToJoin(ctx context.Context, key *Key, token JoinToken, addr string, request joinRequest) (answer joinAnswer, err error) {
	conn, err := key.Dial(ctx, "tcp", addr, token.Key, ALPNJoin)
	if err != nil {
		return answer, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.NetConn().Close() })()
	conn.SetDeadline(time.Now().Add(joinAnswering))
	if err := json.NewEncoder(conn).Encode(request); err != nil {
		return answer, fmt.Errorf("ask %s to join: %w", addr, err)
	}
	line, err := readLine(conn)
	if err != nil {
		return answer, fmt.Errorf("ask %s to join: read the answer: %w", addr, err)
	}
	if err := json.Unmarshal(line, &answer); err != nil {
		return answer, fmt.Errorf("ask %s to join: the answer makes no sense: %v", addr, err)
	}
	if answer.Error == "" {
		if err := errors.Join(CheckMachineName(answer.Name), CheckMachineName(answer.Hub), CheckRoles(answer.Roles)); err != nil {
			return answer, fmt.Errorf("ask %s to join: the answer makes no sense: %w", addr, err)
		}
	}
	return answer, nil
}
