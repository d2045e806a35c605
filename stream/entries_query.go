package stream

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"fairlead/logfile"
)

// How many entries there are in an answer.
const defaultLimit, maxLimit = 200, 1000

// An entriesQuery is which entries of one log a client asks for.
type entriesQuery struct {
	logfile.Place        // of it, gen and from
	begin         string // from, near or before
	at            int64  // of near and before
	to            int64
	limit         int
	filter        *Filter
}

var entriesWords = []string{"gen", "from", "near", "before", "to", "limit", "level", "q", "regex", "exclude"}

// parseEntriesQuery refuses what it does not know: a misspelt word would otherwise
// mean other entries.
func parseEntriesQuery(raw string) (q entriesQuery, err error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return q, err
	}
	q = entriesQuery{to: math.MaxInt64, limit: defaultLimit}
	for key, vs := range values {
		switch {
		case !slices.Contains(entriesWords, key):
			return q, fmt.Errorf("unknown query %q: there are %s", key, strings.Join(entriesWords, ", "))
		case len(vs) > 1 && slices.Index(entriesWords, key) < slices.Index(entriesWords, "level"):
			return q, fmt.Errorf("%s is given %d times", key, len(vs))
		}
		if err := q.set(key, vs[0]); err != nil {
			return q, err
		}
	}
	if q.begin == "before" && q.to != math.MaxInt64 {
		return q, errors.New("both before and to: to is for from and near")
	}
	if q.begin == "" {
		q.begin, q.From = "from", logfile.FromStart
	}
	q.filter, err = ParseFilter(values)
	return q, err
}

func (q *entriesQuery) set(key, v string) (err error) {
	switch key {
	case "gen":
		err = q.SetGen(v)
	case "from", "near", "before":
		if q.begin != "" {
			return errors.New("more than one of from, near and before: give one of them")
		}
		if q.begin = key; key == "from" {
			err = q.SetFrom(v)
		} else {
			q.at, err = parseByte(key, v)
		}
	case "to":
		q.to, err = parseByte(key, v)
	case "limit":
		if q.limit, err = strconv.Atoi(v); err != nil || q.limit < 1 || q.limit > maxLimit {
			err = fmt.Errorf("limit %q: want a number from 1 to %d", v, maxLimit)
		}
	}
	return err
}

func parseByte(key, s string) (int64, error) {
	off, err := strconv.ParseInt(s, 10, 64)
	if err != nil || off < 0 {
		return 0, fmt.Errorf("%s %q: want the number of a byte, from 0 on", key, s)
	}
	return off, nil
}

// generation finds the one that is asked for.
func (q *entriesQuery) generation(log *logfile.Log, st logfile.Stat) (*logfile.Gen, error) {
	g, err := q.Find(st)
	var ended *logfile.GoneError
	switch {
	case errors.As(err, &ended):
		return nil, gone(log, ended.Gen, ended.Last)
	case err != nil:
		return nil, refusal{status: http.StatusBadRequest, reason: err.Error()}
	case g != nil:
		return g, nil
	case st.Err != nil:
		return nil, fmt.Errorf("read %s: %w", log.Name(), st.Err)
	}
	return nil, refusal{status: http.StatusNotFound, reason: log.Name() + " is not there at the moment; GET /logs names older generations that are"}
}
