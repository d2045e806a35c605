package config

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Value is what a key is set to.
type Value struct {
	Key
	Text   string // as a file says it; of a secret "(secret)", or nothing
	JSON   any    // the same for JSON
	Exact  bool   // a file can say it: false for a secret, and for bytes that are not UTF-8
	Origin Origin
}

// Values returns the values of all keys, in the order of the settings.
func (l *Loaded) Values() []Value {
	var all []Value
	for _, k := range l.keys {
		v := valueOf(k, k.in(l.values))
		v.Origin = l.Origin(k.Name)
		all = append(all, v)
	}
	return all
}

func valueOf(k Key, v reflect.Value) Value {
	value := Value{Key: k, Exact: !k.Secret}
	texts := k.kind.texts(v)
	for _, s := range texts {
		value.Exact = value.Exact && utf8.ValidString(s)
	}
	switch {
	case k.Secret && texts[0] != "":
		value.Text, value.JSON = "(secret)", "(secret)"
	case k.Secret:
		value.JSON = ""
	case k.kind == boolean, k.kind == number:
		value.Text, value.JSON = texts[0], v.Interface()
	case k.kind == size && strings.Trim(texts[0], "0123456789") == "":
		value.Text = texts[0]
		value.JSON = v.Int()
	case k.kind == size:
		value.Text, value.JSON = quoteTOML(texts[0]), v.Int()
	case k.kind == list:
		value.Text, value.JSON = listTOML(texts), append([]string{}, texts...)
	default:
		value.Text, value.JSON = quoteTOML(texts[0]), texts[0]
	}
	return value
}

// quoteTOML writes a string as JSON does, whose escapes are those of TOML. DEL,
// which JSON may have as it is, may not be in TOML.
func quoteTOML(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return strconv.Quote(s) // it cannot fail
	}
	return strings.ReplaceAll(strings.TrimSuffix(b.String(), "\n"), "\x7f", `\u007f`)
}

func listTOML(items []string) string {
	quoted := make([]string, len(items))
	for i, s := range items {
		quoted[i] = quoteTOML(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
