package serve

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"fairlead/logfile"
)

// A query is what ?gen=, ?offset=, ?from= and ?follow ask for.
type query struct {
	gen    logfile.GenID // zero: the current one
	from   logfile.From
	nobody bool // gen or from names the zero id, which no generation has
	places bool // says where to begin
	follow bool
}

// parseQuery refuses what it does not know: a misspelt word would otherwise
// mean other bytes.
func parseQuery(values url.Values) (q query, err error) {
	for key, vs := range values {
		if len(vs) > 1 {
			return query{}, fmt.Errorf("%s is given %d times", key, len(vs))
		}
		switch key {
		case "gen":
			q.gen, err = q.parseGen(vs[0])
		case "offset":
			err = q.begin(vs[0], parseOffset)
		case "from":
			err = q.begin(vs[0], q.parseFrom)
		case "follow":
			q.follow, err = parseBool(vs[0])
		default:
			err = fmt.Errorf("unknown query %q: there are gen, offset, from and follow", key)
		}
		if err != nil {
			return query{}, err
		}
	}
	return q, nil
}

func (q *query) begin(s string, parse func(string) (logfile.From, error)) (err error) {
	if q.places {
		return errors.New("both offset and from: give one of them")
	}
	q.places = true
	q.from, err = parse(s)
	return err
}

// parseGen notes the zero id: to logfile it means no generation in particular,
// but a client that writes it down asks for one.
func (q *query) parseGen(s string) (logfile.GenID, error) {
	id, err := logfile.ParseGenID(s)
	q.nobody = q.nobody || err == nil && id.IsZero()
	return id, err
}

func (q *query) parseFrom(s string) (logfile.From, error) {
	if gen, _, ok := strings.Cut(s, ":"); ok {
		if _, err := q.parseGen(gen); err != nil {
			return logfile.From{}, err
		}
	}
	return logfile.ParseFrom(s)
}

func parseOffset(s string) (logfile.From, error) {
	off, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return logfile.From{}, fmt.Errorf("parse offset %q: want N or -N", s)
	}
	return logfile.FromOffset(off), nil
}

func parseBool(s string) (bool, error) {
	switch s {
	case "", "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	}
	return false, fmt.Errorf("parse follow %q: want true or false", s)
}

// generation finds the one that is asked for. It is nil if the current one is
// meant and there is none.
func (q *query) generation(log *logfile.Log, st logfile.Stat) (*logfile.Gen, error) {
	id := q.gen
	if at := q.from.Resolve(logfile.Stat{}); !at.Gen.IsZero() {
		if !id.IsZero() && id != at.Gen {
			return nil, httpError{http.StatusBadRequest, "gen and from name different generations"}
		}
		id = at.Gen
	}
	if id.IsZero() && !q.nobody {
		return st.Current, nil
	}
	g := st.Find(id)
	if g == nil || !g.Readable || q.nobody {
		return nil, httpError{http.StatusGone, fmt.Sprintf(
			"generation %s of %s can no longer be read; GET /logs names those that can", id, log.Name())}
	}
	return g, nil
}
