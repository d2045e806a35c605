package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"fairlead/logfile"
)

// A demoCheck follows the demo's own streams, as any client would, and holds what
// comes against what was written.
type demoCheck struct {
	url   string // ends with /
	token string // empty: we are known
	logs  *demoLogs
	wait  time.Duration // for what was written last

	last string // id of the last event
	cuts int    // times that the connection was cut, and resumed
	seen map[string]*seenLog
}

// A seenLog is what came of one log.
type seenLog struct {
	lines int
	ends  map[string]int64 // of each generation, where its next entry must begin
}

// cutEvery is after how many events the connection is cut.
const cutEvery = 3000

// run checks for a time, and prints what held.
func (c *demoCheck) run(ctx context.Context, length time.Duration) error {
	c.begin()
	began := time.Now()
	for time.Since(began) < length {
		if err := c.follow(ctx, began.Add(length)); err != nil {
			return err
		}
	}
	c.logs.stop()
	if err := c.catchUp(ctx); err != nil {
		return err
	}
	if err := c.compareBytes(ctx); err != nil {
		return err
	}
	return c.report(time.Since(began))
}

func (c *demoCheck) begin() {
	c.seen = make(map[string]*seenLog)
	for _, l := range c.logs.all {
		c.seen[c.logs.path(l)] = &seenLog{ends: make(map[string]int64)}
	}
}

// catchUp reads on until every line that was written has come.
func (c *demoCheck) catchUp(ctx context.Context) error {
	for end := time.Now().Add(c.wait); ; {
		missing := c.missing()
		if missing == nil || time.Now().After(end) {
			return missing
		}
		if err := c.follow(ctx, time.Now().Add(time.Second)); err != nil {
			return err
		}
	}
}

// missing names what was written and has not come.
func (c *demoCheck) missing() error {
	var errs []error
	for _, l := range c.logs.all {
		if got := c.seen[c.logs.path(l)].lines; got < l.n {
			errs = append(errs, fmt.Errorf("%s: lines %d to %d were written, and did not come within %s", l.name, got+1, l.n, c.wait))
		}
	}
	return errors.Join(errs...)
}

// follow reads events from where the last connection was cut, until it cuts this
// one: after some events, or at a moment.
func (c *demoCheck) follow(ctx context.Context, until time.Time) error {
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	query := "tail=100000"
	if c.last != "" {
		query = "after=" + c.last
		c.cuts++
	}
	resp, err := c.get(ctx, "stream?"+query)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewReaderSize(resp.Body, 1<<20)
	var event, id string
	var data []byte
	for n := 0; n < cutEvery; {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, context.DeadlineExceeded) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the stream broke off: %w", err)
		}
		line = bytes.TrimSuffix(line, []byte("\n"))
		switch key, value, _ := bytes.Cut(line, []byte(": ")); string(key) {
		case "event":
			event = string(value)
		case "id":
			id = string(value)
		case "data":
			data = append(data[:0], value...)
		case "":
			if len(line) > 0 || id == "" {
				continue
			}
			if err := c.take(event, data); err != nil {
				return err
			}
			c.last = id
			event, id = "", ""
			n++
		}
	}
	return nil
}

var demoSeq = regexp.MustCompile(`seq=(\d+)`)

// take holds one event against the one before it.
func (c *demoCheck) take(event string, data []byte) error {
	switch event {
	case "connected", "rotate":
		return nil
	case "":
	default:
		return fmt.Errorf("the stream says %s: %s", event, data)
	}
	var e struct {
		Source, Message, At string
		Len                 int64
		Fields              map[string]any
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return fmt.Errorf("an entry is no JSON: %w", err)
	}
	s := c.seen[e.Source]
	if s == nil {
		return fmt.Errorf("an entry is of %s, which is none of ours", e.Source)
	}
	seq, err := seqOf(e.Message, e.Fields)
	if err != nil {
		return fmt.Errorf("%s at %s: %w", e.Source, e.At, err)
	}
	if s.lines++; seq != s.lines {
		return fmt.Errorf("%s at %s: line %d came where line %d was due", e.Source, e.At, seq, s.lines)
	}
	at, err := logfile.ParsePos(e.At)
	if err != nil {
		return err
	}
	if due := s.ends[at.Gen.String()]; at.Off != due {
		return fmt.Errorf("%s at %s: an entry begins there, where one at %d was due", e.Source, e.At, due)
	}
	s.ends[at.Gen.String()] = at.Off + e.Len
	return nil
}

func seqOf(message string, fields map[string]any) (int, error) {
	switch v := fields["seq"].(type) {
	case float64:
		return int(v), nil
	case string:
		return strconv.Atoi(v)
	}
	m := demoSeq.FindStringSubmatch(message)
	if m == nil {
		return 0, fmt.Errorf("no number in %q", message)
	}
	return strconv.Atoi(m[1])
}

// A listedLog is a log in GET /logs.
type listedLog struct {
	Name, Generation string
	Older            []struct{ Generation string }
}

// generations are the ids of those that can be read, oldest first.
func (l listedLog) generations() (ids []string) {
	for _, g := range l.Older {
		ids = append(ids, g.Generation)
	}
	return append(ids, l.Generation)
}

// compareBytes reads the raw bytes of all generations, oldest first, and compares
// them with what was written.
func (c *demoCheck) compareBytes(ctx context.Context) error {
	resp, err := c.get(ctx, "logs")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var list []listedLog
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		return err
	}
	for _, l := range c.logs.all {
		i := slices.IndexFunc(list, func(e listedLog) bool { return e.Name == c.logs.path(l) })
		if i < 0 {
			return fmt.Errorf("GET /logs does not name %s", l.name)
		}
		if err := c.compareLog(ctx, l, list[i].generations()); err != nil {
			return err
		}
	}
	return nil
}

func (c *demoCheck) compareLog(ctx context.Context, l *demoLog, gens []string) error {
	if len(gens) != l.turn+1 {
		return fmt.Errorf("%s: GET /logs names %d generations of the %d that were written", l.name, len(gens), l.turn+1)
	}
	sum := sha256.New()
	for turn, gen := range gens {
		// Between what was written and what came is the file: it says where they
		// part, if they do.
		part := &comparer{}
		if left := len(gens) - 1 - turn; left > 0 {
			part.file, _ = os.ReadFile(fmt.Sprintf("%s.%d", c.logs.path(l), left))
		} else {
			part.file, _ = os.ReadFile(c.logs.path(l))
		}
		err := c.raw(ctx, c.logs.path(l), gen, io.MultiWriter(sum, part))
		if err == nil {
			err = part.end()
		}
		if err != nil {
			return fmt.Errorf("%s, generation %s: %w", l.name, gen, err)
		}
	}
	if !bytes.Equal(sum.Sum(nil), l.sum.Sum(nil)) {
		return fmt.Errorf("%s: the bytes of its %d generations are not those that were written", l.name, len(gens))
	}
	return nil
}

// A comparer holds what is written to it against a file.
type comparer struct {
	file []byte
	off  int
}

func (c *comparer) Write(b []byte) (int, error) {
	for i := range b {
		if c.off == len(c.file) || c.file[c.off] != b[i] {
			return i, fmt.Errorf("byte %d is not the file's, which has %d", c.off, len(c.file))
		}
		c.off++
	}
	return len(b), nil
}

func (c *comparer) end() error {
	if c.off < len(c.file) {
		return fmt.Errorf("it ends at byte %d, and the file at %d", c.off, len(c.file))
	}
	return nil
}

func (c *demoCheck) raw(ctx context.Context, name, gen string, to io.Writer) error {
	resp, err := c.get(ctx, "logs"+(&url.URL{Path: name}).EscapedPath()+"?gen="+gen)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(to, resp.Body)
	return err
}

func (c *demoCheck) get(ctx context.Context, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+path, nil)
	if err != nil {
		return nil, err
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		resp.Body.Close()
		return nil, fmt.Errorf("GET /%s: %s: %s", path, resp.Status, strings.TrimSpace(string(text)))
	}
	return resp, nil
}

// report prints what was verified.
func (c *demoCheck) report(took time.Duration) error {
	out := stdout(false)
	var lines, turns int
	var size int64
	for _, l := range c.logs.all {
		lines, turns, size = lines+l.n, turns+l.turn, size+l.bytes
		fmt.Fprintf(out, "%-16s %8d lines, %s in %d generations\n", l.name, l.n, bytesText(l.bytes), l.turn+1)
	}
	fmt.Fprintf(out, "every line came once and in order: %d lines in %s, through %d rotations and %d cut connections\n",
		lines, took.Round(time.Second/10), turns, c.cuts)
	fmt.Fprintf(out, "the places of the entries cover the files, and the raw bytes of all generations are those written: %s\n", bytesText(size))
	return out.Close()
}
