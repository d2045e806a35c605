package config

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// A kind is what the value of a key can be.
type kind int

const (
	none kind = iota
	text
	boolean
	number
	duration
	size
	list
)

func kindOf(t reflect.Type) kind {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return duration
	case reflect.TypeFor[Size]():
		return size
	case reflect.TypeFor[[]string]():
		return list
	}
	switch t.Kind() {
	case reflect.String:
		return text
	case reflect.Bool:
		return boolean
	case reflect.Int, reflect.Int64:
		return number
	}
	return none
}

// What is accepted, as an error says it.
const (
	wantDuration = `a number with its unit, as in "500ms", "30s", "1h30m" or "7d"`
	wantSize     = `bytes, as in 1048576, "64MiB", "1GiB" or "10MB"`
	wantNumber   = "a whole number"
)

// wantTOML says what a file has to say for a value of the kind.
func (k kind) wantTOML() string {
	switch k {
	case boolean:
		return "true or false"
	case number:
		return wantNumber
	case duration:
		return wantDuration
	case size:
		return wantSize
	case list:
		return `a list of texts, as in ["a", "b"]`
	}
	return "text in quotes"
}

// read returns the value that texts say: the items of a list, or one text.
func (k kind) read(texts []string) (any, error) {
	if k == list {
		return append([]string{}, texts...), nil
	}
	s := texts[len(texts)-1]
	switch k {
	case boolean:
		return readBool(s)
	case number:
		n, err := strconv.ParseInt(s, 10, strconv.IntSize)
		switch {
		case errors.Is(err, strconv.ErrRange):
			return nil, errors.New("this number is too large")
		case err != nil:
			return nil, errors.New("want " + wantNumber)
		}
		return n, nil
	case duration:
		return ParseDuration(s)
	case size:
		return ParseSize(s)
	}
	return s, nil
}

func readBool(s string) (any, error) {
	switch s {
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	}
	return nil, errors.New("want true, false, 1 or 0")
}

// texts is what read makes v of.
func (k kind) texts(v reflect.Value) []string {
	switch k {
	case list:
		return v.Interface().([]string)
	case duration:
		return []string{FormatDuration(time.Duration(v.Int()))}
	case size:
		return []string{Size(v.Int()).String()}
	}
	return []string{fmt.Sprint(v.Interface())}
}

var errType = errors.New("wrong type")

// textsOf returns what a value in a file says, as texts that read takes. errType
// means that it is a value of another kind.
func (k kind) textsOf(n *unstable.Node, raw string) ([]string, error) {
	switch {
	case k == list && n.Kind == unstable.Array:
		texts := []string{}
		for it := n.Children(); it.Next(); {
			if it.Node().Kind != unstable.String {
				return nil, errType
			}
			texts = append(texts, string(it.Node().Data))
		}
		return texts, nil
	case (k == text || k == duration || k == size) && n.Kind == unstable.String,
		k == boolean && n.Kind == unstable.Bool:
		return []string{string(n.Data)}, nil
	case (k == number || k == size) && n.Kind == unstable.Integer:
		s, err := decimal(raw)
		return []string{s}, err
	}
	return nil, errType
}

// decimal reads an integer of TOML, which may be 0xff or 1_000.
func decimal(raw string) (string, error) {
	var doc struct{ V int64 }
	if err := toml.Unmarshal([]byte("V = "+raw), &doc); err != nil {
		return "", errors.New("this number is too large, or none")
	}
	return strconv.FormatInt(doc.V, 10), nil
}
