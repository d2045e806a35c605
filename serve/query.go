package serve

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"fairlead/logfile"
)

// A query is what ?gen=, ?offset=, ?from= and ?follow ask for.
type query struct {
	logfile.Place
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
			err = q.SetGen(vs[0])
		case "offset":
			err = q.begin(vs[0], q.setOffset)
		case "from":
			err = q.begin(vs[0], q.SetFrom)
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

func (q *query) begin(s string, set func(string) error) error {
	if q.places {
		return errors.New("both offset and from: give one of them")
	}
	q.places = true
	return set(s)
}

func (q *query) setOffset(s string) error {
	off, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return fmt.Errorf("parse offset %q: want N or -N", s)
	}
	q.From = logfile.FromOffset(off)
	return nil
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
	g, err := q.Find(st)
	var gone *logfile.GoneError
	switch {
	case errors.As(err, &gone):
		err = httpError{http.StatusGone, fmt.Sprintf(
			"generation %s of %s can no longer be read; GET /logs names those that can", gone.Gen, log.Name())}
	case err != nil:
		err = httpError{http.StatusBadRequest, err.Error()}
	}
	return g, err
}
