package stream

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"

	"github.com/valyala/fastjson"
)

// A Filter says which entries a client is sent. Of records, which are no
// entries, it lets all through that are not of another source.
type Filter struct {
	sources []string
	least   int      // level; 0: any, also none
	texts   []string // lower case: each must be in the message or the fields
	all     []*regexp.Regexp
	none    []*regexp.Regexp
	key     string // equal for equal filters
}

// Limits of what a client may ask for.
const (
	maxPatterns = 20
	maxPattern  = 1000 // bytes
	maxTail     = 100_000
)

// ParseFilter reads source, level, q, regex and exclude, each of which may be
// given several times. It is nil if there is none of them.
func ParseFilter(query url.Values) (*Filter, error) {
	f := &Filter{}
	for _, key := range []string{"source", "level", "q", "regex", "exclude"} {
		values := slices.DeleteFunc(slices.Clone(query[key]), func(v string) bool { return v == "" })
		if len(values) > maxPatterns {
			return nil, fmt.Errorf("%s is given %d times: at most %d", key, len(values), maxPatterns)
		}
		for _, v := range values {
			if len(v) > maxPattern {
				return nil, fmt.Errorf("%s of %d bytes: at most %d", key, len(v), maxPattern)
			}
			if err := f.add(key, v); err != nil {
				return nil, err
			}
			f.key += key + "=" + strconv.Quote(v) + " "
		}
	}
	if f.key == "" {
		return nil, nil
	}
	return f, nil
}

func (f *Filter) add(key, v string) (err error) {
	switch key {
	case "source":
		f.sources = append(f.sources, v)
	case "level":
		if f.least = levelRank(v); f.least == 0 {
			err = fmt.Errorf("level %q: there are trace, debug, info, warn, error and fatal", v)
		}
	case "q":
		f.texts = append(f.texts, strings.ToLower(v))
	case "regex":
		f.all, err = addPattern(f.all, key, v)
	case "exclude":
		f.none, err = addPattern(f.none, key, v)
	}
	return err
}

// addPattern says where a pattern is wrong, counted in bytes from 0.
func addPattern(to []*regexp.Regexp, key, v string) ([]*regexp.Regexp, error) {
	re, err := regexp.Compile(v)
	var bad *syntax.Error
	if errors.As(err, &bad) {
		return nil, fmt.Errorf("%s %q: %s at position %d: %q", key, v, bad.Code, max(0, strings.Index(v, bad.Expr)), bad.Expr)
	}
	return append(to, re), err
}

// and is a filter that lets through what both do; either may be nil.
func (f *Filter) and(g *Filter) *Filter {
	if f == nil || g == nil {
		if f == nil {
			return g
		}
		return f
	}
	return &Filter{
		sources: append(slices.Clone(f.sources), g.sources...), least: max(f.least, g.least),
		texts: append(slices.Clone(f.texts), g.texts...),
		all:   append(slices.Clone(f.all), g.all...), none: append(slices.Clone(f.none), g.none...),
		key: f.key + g.key,
	}
}

// lets says whether a line of the spool is to be sent.
func (f *Filter) lets(p *fastjson.Parser, line []byte) bool {
	v, err := p.ParseBytes(line)
	if err != nil {
		return false // never written by us
	}
	if source := v.GetStringBytes("source"); source != nil && !f.ofSource(source) {
		return false
	}
	if isRecord(line) {
		return true
	}
	if f.least > 0 && levelRank(string(v.GetStringBytes("level"))) < f.least {
		return false
	}
	return f.ofText(v.GetStringBytes("message"), v.Get("fields"))
}

// ofSource compares whole names and ends of paths.
func (f *Filter) ofSource(source []byte) bool {
	return len(f.sources) == 0 || slices.ContainsFunc(f.sources, func(want string) bool {
		rest, ok := bytes.CutSuffix(source, []byte(want))
		return ok && (len(rest) == 0 || rest[len(rest)-1] == '/' || strings.HasPrefix(want, "/"))
	})
}

// ofText looks at the message and at the fields as JSON, each by itself.
func (f *Filter) ofText(message []byte, fields *fastjson.Value) bool {
	if len(f.texts)+len(f.all)+len(f.none) == 0 {
		return true
	}
	var json []byte
	if fields != nil {
		json = unmarked(fields.MarshalTo(nil))
	}
	for _, re := range f.all {
		if !re.Match(message) && !(fields != nil && re.Match(json)) {
			return false
		}
	}
	for _, re := range f.none {
		if re.Match(message) || fields != nil && re.Match(json) {
			return false
		}
	}
	if len(f.texts) == 0 {
		return true
	}
	message, json = bytes.ToLower(message), bytes.ToLower(json)
	for _, want := range f.texts {
		if !bytes.Contains(message, []byte(want)) && !bytes.Contains(json, []byte(want)) {
			return false
		}
	}
	return true
}

// unmarked is JSON as people write it: in ours <, > and & are escapes, so that
// nobody takes it for markup.
func unmarked(json []byte) []byte {
	if !bytes.Contains(json, []byte(`\u00`)) {
		return json
	}
	out := json[:0]
	for i := 0; i < len(json); i++ {
		if json[i] != '\\' || i+1 == len(json) {
			out = append(out, json[i])
			continue
		}
		switch string(json[i:min(len(json), i+6)]) {
		case `\u003c`:
			out, i = append(out, '<'), i+5
		case `\u003e`:
			out, i = append(out, '>'), i+5
		case `\u0026`:
			out, i = append(out, '&'), i+5
		default:
			out, i = append(out, json[i], json[i+1]), i+1
		}
	}
	return out
}

// levelRanks are the words that programs use, from 1 (trace) to 6 (fatal).
var levelRanks = map[string]int{
	"trace": 1, "trc": 1, "verbose": 1, "finest": 1,
	"debug": 2, "dbg": 2, "fine": 2,
	"info": 3, "inf": 3, "information": 3, "informational": 3, "notice": 3,
	"warn": 4, "warning": 4, "wrn": 4,
	"error": 5, "err": 5, "severe": 5,
	"fatal": 6, "crit": 6, "critical": 6, "panic": 6, "dpanic": 6, "alert": 6, "emerg": 6, "emergency": 6,
}

// levelRank is 0 for no level, and for words that are none.
func levelRank(level string) int { return levelRanks[strings.ToLower(level)] }
