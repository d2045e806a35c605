package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"fairlead/logfile"
	"fairlead/replica"
	"fairlead/ship"
	"fairlead/ship/plain"
	"fairlead/ship/store"
	"fairlead/trust"
)

// A receiving is the room that stores what others send, at the port of machines.
type receiving struct {
	port     *trust.Port
	join     *trust.JoinServer
	receiver *ship.Receiver
	store    *store.Store
	plain    *plain.Receiver
	dir      string
	copies   received
	keep     bool // something is to be pruned
	log      *slog.Logger
}

// openReceive opens the store. The copies that are there are logs of set from now on.
func openReceive(s *settings, own identity, m machines, set *logfile.Set, log *slog.Logger) (*receiving, error) {
	options, err := s.Receive.options()
	if err != nil {
		return nil, err
	}
	name, _ := os.Hostname()
	log = log.With("room", "receive")
	r := &receiving{dir: s.Receive.dir(own.state), log: log, keep: s.Receive.Keep > 0 || s.Receive.KeepBytes > 0}
	r.copies = received{set: set, known: make(map[replica.ID]*logfile.Told)}
	options.Told = r.copies.tell
	if r.store, err = store.Open(r.dir, options); err != nil {
		return nil, err
	}
	if r.plain, err = openPlainReceiver(&s.Receive, r.dir, log); err != nil {
		r.store.Close()
		return nil, err
	}
	r.copies.begin(r.store)
	r.port = &trust.Port{Key: m.key, Trusted: m.trusted, Log: log}
	r.join = &trust.JoinServer{Name: machineName(), Invitations: own.invitations(), Log: log}
	r.receiver = &ship.Receiver{Store: r.store, Name: name, Software: "fairlead " + buildVersion().Version, Sender: m.senderOf, Log: log}
	return r, nil
}

// dir is where the copies are.
func (s *receiveSettings) dir(state string) string {
	return absolute(cmp.Or(s.Store, filepath.Join(state, "received")))
}

func (s *receiveSettings) options() (o store.Options, err error) {
	mode, err := strconv.ParseUint(s.Mode, 8, 32)
	switch {
	case err != nil || mode&^0o777 != 0 || mode&0o600 != 0o600:
		return o, fmt.Errorf("mode is an octal number with which we can read and write, as 0640, not %q", s.Mode)
	case s.HighWater < 1 || s.HighWater > 100:
		return o, fmt.Errorf("high_water is percent, 1 to 100, not %d", s.HighWater)
	case s.Files < 0 || s.Keep < 0:
		return o, errors.New("quota_files and keep are not below 0")
	}
	quota := store.Quota{Bytes: int64(s.Quota), Files: s.Files}
	return store.Options{
		Mode: fs.FileMode(mode), Group: s.Group, HighWater: float64(s.HighWater) / 100,
		Quota: func(string) store.Quota { return quota },
		Keep:  s.Keep, KeepBytes: int64(s.KeepBytes),
	}, nil
}

func (r *receiving) close() error {
	if r == nil {
		return nil
	}
	return errors.Join(r.plain.Close(), r.store.Close())
}

// run takes what comes until ctx ends; the listeners of the port are served by
// whoever has bound them.
func (r *receiving) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	joining := r.port.Listener(trust.ALPNJoin)
	wg.Go(func() {
		if err := r.join.Serve(ctx, joining); err != nil {
			r.log.Error("nobody can join any more", "err", err)
		}
	})
	wg.Go(func() { r.prune(ctx) })
	inTheClear := r.port.Plain()
	wg.Go(func() {
		if err := r.plain.Serve(ctx, inTheClear); err != nil {
			r.log.Error("nothing is taken in the clear any more", "err", err)
		}
	})
	return r.receiver.Serve(ctx, r.port.Listener(alpnReplica))
}

// pruneEvery is how often what is old is removed.
const pruneEvery = time.Minute

func (r *receiving) prune(ctx context.Context) {
	if !r.keep {
		return
	}
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	for {
		pruned, err := r.store.Prune(time.Now())
		for _, rec := range pruned {
			r.log.Info("an ended generation was removed, to keep within keep and keep_bytes", "peer", rec.Sender,
				"path", pathOf(rec), "gen", rec.Gen.Short(), "n", rec.N)
		}
		if err != nil {
			r.log.Error("old generations cannot be removed", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// A received makes logs of copies: SENDER:PATH.
type received struct {
	set *logfile.Set

	mu    sync.Mutex // guards what follows
	known map[replica.ID]*logfile.Told
}

func pathOf(rec replica.Record) string { return "/" + strings.Join(rec.Path, "/") }

func sourceOf(rec replica.Record) string { return rec.Sender + ":" + pathOf(rec) }

// begin tells of all copies that are there, the older ones of each log first.
func (c *received) begin(s *store.Store) {
	type there struct {
		rec  replica.Record
		file string
	}
	byName := make(map[string][]there)
	for rec, file := range s.All {
		if rec.State != replica.Pruned {
			byName[sourceOf(rec)] = append(byName[sourceOf(rec)], there{rec, file})
		}
	}
	for name, list := range byName {
		slices.SortStableFunc(list, func(a, b there) int {
			switch current := a.rec.Ended.IsZero(); {
			case current == b.rec.Ended.IsZero():
				return a.rec.Ended.Compare(b.rec.Ended)
			case current:
				return 1 // the last
			}
			return -1
		})
		told := c.set.Told(name)
		gens := make([]logfile.ToldGen, len(list))
		for i, t := range list {
			gens[i] = toldGen(t.rec, t.file)
			if fi, err := os.Stat(t.file); err == nil {
				gens[i].Modified = fi.ModTime()
			}
			c.known[t.rec.ID] = told
		}
		told.Tell(gens...)
	}
}

// tell tells of a change.
func (c *received) tell(rec replica.Record, file string) {
	told := c.set.Told(sourceOf(rec))
	c.mu.Lock()
	before := c.known[rec.ID]
	if rec.State == replica.Pruned {
		delete(c.known, rec.ID)
	} else {
		c.known[rec.ID] = told
	}
	c.mu.Unlock()
	if before != nil && (before != told || rec.State == replica.Pruned) {
		before.Forget(rec.Gen)
	}
	if rec.State != replica.Pruned {
		told.Tell(toldGen(rec, file))
	}
}

func toldGen(rec replica.Record, file string) logfile.ToldGen {
	g := logfile.ToldGen{ID: rec.Gen, Path: file, Size: rec.N, Modified: time.Now(), Final: rec.State != replica.Open}
	switch {
	case rec.State != replica.Open:
		g.Ended = endOf(rec.Seal.Reason)
	case !rec.Ended.IsZero():
		g.Ended = logfile.Rotated
	}
	return g
}

func endOf(r replica.Reason) logfile.Reason {
	switch r {
	case replica.Rotated:
		return logfile.Rotated
	case replica.Deleted:
		return logfile.Deleted
	case replica.Truncated, replica.Changed, replica.Regressed:
		return logfile.Truncated
	}
	return logfile.Forgotten
}

// serve takes the connections of one listener.
func (r *receiving) serve(ctx context.Context, ln net.Listener) error { return r.port.Serve(ctx, ln) }
