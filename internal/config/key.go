package config

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
)

const envPrefix = "FAIRLEAD_"

// A Key is one setting.
type Key struct {
	Name    string // http.listen
	Section string // http
	Last    string // listen
	Env     string // FAIRLEAD_HTTP_LISTEN
	Flag    string // without its dashes; empty: it has none
	Short   string // one letter, or empty
	Arg     string // how help calls the value: ADDR:PORT
	Help    string
	Default string // as a flag would say it, items of a list with blanks between
	Secret  bool   // never shown, and no flag
	Text    bool   // what it is, if not a number, a size or a duration
	Bool    bool
	List    bool

	kind  kind
	field [2]int
}

var validName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// Keys returns the keys of settings, a struct or a pointer to one, in its order.
// It panics where the struct is not one of settings.
func Keys(settings any) []Key {
	v := reflect.Indirect(reflect.ValueOf(settings))
	if v.Kind() != reflect.Struct {
		panic(fmt.Sprintf("bug: settings are a struct, not a %T", settings))
	}
	var keys []Key
	taken := make(map[string]string) // variable or flag -> key
	for i := range v.NumField() {
		section := v.Type().Field(i)
		name := section.Tag.Get("config")
		if v.Field(i).Kind() != reflect.Struct || !validName.MatchString(name) {
			panic(fmt.Sprintf("bug: settings: %s is no section with a name", section.Name))
		}
		for j := range v.Field(i).NumField() {
			k := newKey(name, v.Field(i).Type().Field(j), v.Field(i).Field(j))
			k.field = [2]int{i, j}
			k.claim(taken)
			keys = append(keys, k)
		}
	}
	return keys
}

func newKey(section string, f reflect.StructField, value reflect.Value) Key {
	last := f.Tag.Get("config")
	k := Key{
		Name: section + "." + last, Section: section, Last: last,
		Env:  envPrefix + strings.ToUpper(section+"_"+last),
		Flag: f.Tag.Get("flag"), Short: f.Tag.Get("short"), Arg: f.Tag.Get("arg"), Help: f.Tag.Get("help"),
		Secret: f.Tag.Get("secret") == "true",
		kind:   kindOf(f.Type),
	}
	k.Text, k.Bool, k.List = k.kind == text, k.kind == boolean, k.kind == list
	switch {
	case !validName.MatchString(last):
		panic(fmt.Sprintf("bug: settings: %s of [%s] has no name", f.Name, section))
	case k.kind == none:
		panic(fmt.Sprintf("bug: settings: %s has a type that no key has: %s", k.Name, f.Type))
	case k.Secret && (k.kind != text || k.Flag != ""):
		panic(fmt.Sprintf("bug: settings: %s is a secret: it is text, and has no flag, for everyone can see arguments", k.Name))
	}
	if !k.Secret {
		k.Default = strings.Join(k.kind.texts(value), " ")
	}
	return k
}

// claim panics where another key has the same variable or flag.
func (k Key) claim(taken map[string]string) {
	names := []string{k.Env, k.Env + fileSuffix}
	if k.Flag != "" {
		names = append(names, "--"+k.Flag)
	}
	if k.Short != "" {
		names = append(names, "-"+k.Short)
	}
	for _, name := range names {
		if other := taken[name]; other != "" {
			panic(fmt.Sprintf("bug: settings: %s is of %s and of %s", name, other, k.Name))
		}
		taken[name] = k.Name
	}
}

// Check says what is wrong with the text of a flag or variable, or of one item of
// a list.
func (k Key) Check(text string) error {
	_, err := k.kind.read([]string{text})
	return err
}

func (k Key) in(settings reflect.Value) reflect.Value {
	return settings.Field(k.field[0]).Field(k.field[1])
}

// sections returns the names of the sections, in order.
func sections(keys []Key) []string {
	var names []string
	for _, k := range keys {
		if len(names) == 0 || names[len(names)-1] != k.Section {
			names = append(names, k.Section)
		}
	}
	return names
}
