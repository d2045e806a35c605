package replica

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"fairlead/logfile"
)

// A Checker asks a receiver what it has, over a connection of its own. It is used by
// one goroutine.
type Checker struct {
	conn Conn
	in   Reader
	stop func() bool
}

// answerFor is how long a receiver may take to read and hash what one CHECK asks for.
const answerFor = 2 * time.Minute

// NewChecker begins to ask over conn, until ctx ends or Close is called. It is another
// instance than every sender, so it ends the connection of none.
func NewChecker(ctx context.Context, conn Conn, name, software string) (*Checker, error) {
	c := &Checker{conn: conn, in: Reader{R: conn}}
	c.stop = context.AfterFunc(ctx, func() { conn.Close() })
	h := hello{version: Version, name: name, software: software}
	rand.Read(h.instance[:])
	if err := c.send(h.frame(TypeHello)); err != nil {
		c.Close()
		return nil, err
	}
	f, err := c.wait(TypeWelcome)
	if err == nil {
		h, err = parseHello(f)
	}
	if err == nil && (h.version != Version || h.critical != 0) {
		err = &ProtocolError{CodeVersion, "the receiver wants a version, or features, that this machine does not have: update it"}
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Close ends the connection.
func (c *Checker) Close() error {
	c.stop()
	return c.conn.Close()
}

func (c *Checker) send(f Frame) error {
	c.conn.SetWriteDeadline(time.Now().Add(Silence))
	_, err := c.conn.Write(appendFrame(nil, f))
	return err
}

// wait reads frames until one of a type comes.
func (c *Checker) wait(t Type) (Frame, error) {
	c.conn.SetReadDeadline(time.Now().Add(answerFor))
	for {
		f, err := c.in.Next()
		if err != nil {
			return f, fmt.Errorf("wait for an answer: %w", err)
		}
		switch f.Type {
		case t:
			return f, nil
		case TypePing:
			if err := c.send(Frame{Type: TypePong, Payload: f.Payload[:min(len(f.Payload), 8)]}); err != nil {
				return f, err
			}
		case TypePong:
		case TypeFenced:
			return f, ErrFenced
		case TypeReject:
			code, text, err := parseReject(f)
			if err == nil {
				err = &PeerError{code, text}
			}
			return f, err
		default:
			if f.Type < TypeOptional {
				return f, violation("a frame of type %d, which answers no question", f.Type)
			}
		}
	}
}

// ask sends a CHECK; answer is to be called for each.
func (c *Checker) ask(gen logfile.GenID, first int64, count int) error {
	return c.send(checking{gen, uint32(count)}.frame(first))
}

// answer reads what is said to a CHECK.
func (c *Checker) answer(gen logfile.GenID, first int64, count int) (held leaves, err error) {
	f, err := c.wait(TypeLeaves)
	if err == nil {
		held, err = parseLeaves(f)
	}
	if err == nil && (held.gen != gen || held.first != first || len(held.hashes) > count) {
		err = violation("it was asked for %d leaves from %d on, and answers %d from %d on", count, first, len(held.hashes), held.first)
	}
	return held, err
}

// held asks and waits for the answer.
func (c *Checker) held(gen logfile.GenID, first int64, count int) (leaves, error) {
	if err := c.ask(gen, first, count); err != nil {
		return leaves{}, err
	}
	return c.answer(gen, first, count)
}
