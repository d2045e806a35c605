package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

// Each file has the errors that follow it, and no others.
var wrongFiles = []struct{ name, text, want string }{
	{"a key that is nearly right", "[http]\nlisen = \"127.0.0.1:8080\"\n", `
fairlead.toml:2: unknown key "lisen" in [http]: did you mean "listen"?
  2 | lisen = "127.0.0.1:8080"
    | ^^^^^`},
	{"a key of another section", "[tcp]\npoll = true", `
fairlead.toml:2: unknown key "poll" in [tcp]: it belongs to [watch]
  2 | poll = true
    | ^^^^`},
	{"a key of none", "[tcp]\nfrobnicate = true", `
fairlead.toml:2: unknown key "frobnicate" in [tcp]: there are "listen"
  2 | frobnicate = true
    | ^^^^^^^^^^`},
	{"sections", "[htpt]\nlisten = 5\n[http.tls]\n[poll]\n[[tcp]]\nlisten=\"\"\n[xyzzy]\n", `
fairlead.toml:1: unknown section [htpt]: did you mean [http]?
  1 | [htpt]
    |  ^^^^
fairlead.toml:3: unknown section [http.tls]: [http] has keys, and no sections below it
  3 | [http.tls]
    |  ^^^^^^^^
fairlead.toml:4: unknown section [poll]: it is a key of [watch]
  4 | [poll]
    |  ^^^^
fairlead.toml:5: there is one section [tcp], no list of them: want one pair of brackets
  5 | [[tcp]]
    |   ^^^
fairlead.toml:7: unknown section [xyzzy]: there are [watch], [http] and [tcp]
  7 | [xyzzy]
    |  ^^^^^`},
	{"before any section", "plain = true\nhttp = 8080\ntpc.listen = \"\"", `
fairlead.toml:1: the key "plain" is in no section: it belongs below a line [http]
  1 | plain = true
    | ^^^^^
fairlead.toml:2: [http] is a section: its keys go below a line [http]
  2 | http = 8080
    | ^^^^
fairlead.toml:3: unknown section [tpc]: did you mean [tcp]?
  3 | tpc.listen = ""
    | ^^^^^^^^^^`},
	{"types", "[http]\nplain = \"yes\"\nlisten = 8080\nmax = 1.5\nwait = 5\nbudget = \"many\"\n[watch]\ntargets = \"/a\"\npoll = {}\n", `
fairlead.toml:2: want true or false, not "yes"
  2 | plain = "yes"
    |         ^^^^^
fairlead.toml:3: want text in quotes, not 8080
  3 | listen = 8080
    |          ^^^^
fairlead.toml:4: want a whole number, not 1.5
  4 | max = 1.5
    |       ^^^
fairlead.toml:5: want a number with its unit, as in "500ms", "30s", "1h30m" or "7d", not 5
  5 | wait = 5
    |        ^
fairlead.toml:6: want bytes, as in 1048576, "64MiB", "1GiB" or "10MB"
  6 | budget = "many"
    |          ^^^^^^
fairlead.toml:8: want a list of texts, as in ["a", "b"], not "/a"
  8 | targets = "/a"
    |           ^^^^
fairlead.toml:9: want true or false, not a table
  9 | poll = {}
    |        ^^`},
	{"lists", "[watch]\ntargets = [\n  \"/a\",\n  5,\n]\n[tcp]\nlisten = [\":1\"]", `
fairlead.toml:2: want a list of texts, as in ["a", "b"], and nothing else in it
  2 | targets = [
    |           ^
fairlead.toml:7: want text in quotes, not a list
  7 | listen = [":1"]
    |          ^^^^^^`},
	{"numbers", "[http]\nmax = 99999999999999999999\nbudget = -1\nwait = \"10\"", `
fairlead.toml:2: this number is too large, or none
  2 | max = 99999999999999999999
    |       ^^^^^^^^^^^^^^^^^^^^
fairlead.toml:3: want bytes, as in 1048576, "64MiB", "1GiB" or "10MB"
  3 | budget = -1
    |          ^^
fairlead.toml:4: want a number with its unit, as in "500ms", "30s", "1h30m" or "7d"
  4 | wait = "10"
    |        ^^^^`},
	{"twice", "tcp.listen = \"\"\n[http]\nmax = 1\nmax = 2\n[tcp]\n[http]\nplain = true\n", `
fairlead.toml:4: "max" is set twice in [http]: also in line 3
  4 | max = 2
    | ^^^
fairlead.toml:5: the section [tcp] begins twice: also in line 1
  5 | [tcp]
    |  ^^^
fairlead.toml:6: the section [http] begins twice: also in line 2
  6 | [http]
    |  ^^^^`},
	{"syntax, again and again", "[http]\nlisten = 127.0.0.1:8080\nplain yes\nmax = 1\nmax = 2\nplain = yes\n[tcp\nlisten = 7\n[tcp]\nlisten = \"a\nx = 1\n", `
fairlead.toml:2: expected newline but got U+002E '.': text is in quotes, as in listen = "text"
  2 | listen = 127.0.0.1:8080
    |               ^
fairlead.toml:3: expected '=' after key
  3 | plain yes
    |       ^
fairlead.toml:5: "max" is set twice in [http]: also in line 4
  5 | max = 2
    | ^^^
fairlead.toml:6: unexpected character U+0079 'y' at start of value: text is in quotes, as in plain = "text"
  6 | plain = yes
    |         ^
fairlead.toml:7: expected ']' to close table name
  7 | [tcp
    |     ^
fairlead.toml:10: basic strings cannot have new lines
  10 | listen = "a
     |            ^
fairlead.toml:11: unknown key "x" in [tcp]: there are "listen"
  11 | x = 1
     | ^`},
	{"a list without its end", "[watch]\ntargets = [\n  \"/a\"\n[http]\nlisten = \":1\"\n", `
fairlead.toml:4: expected ',' or ']' after array value (in what begins in line 2)
  4 | [http]
    | ^`},
	{"in the middle of a list", "[watch]\ntargets = [ x,\n  \"/a\",\n  [\"b\"],\n]\npoll = 1\n", `
fairlead.toml:2: unexpected character U+0078 'x' at start of value
  2 | targets = [ x,
    |             ^
fairlead.toml:6: want true or false, not 1
  6 | poll = 1
    |        ^`},
	{"the end too early", "[http]\nlisten =", `
fairlead.toml:2: expected value, not end of input
  2 | listen =
    |        ^`},
	{"a control character", "[http]\n# \x1b[2J\nlisten = \"a\x01\u202eb\"\n", `
fairlead.toml:2: control characters are not allowed in comments
  2 | # \x1b[2J
    |   ^^^^
fairlead.toml:3: basic strings cannot have control characters
  3 | listen = "a\x01\u202eb"
    |            ^^^^`},
	{"tabs and wide letters", "[http]\n\tlisten\t= \"日本é👍\"\t\n\"日本\" = 1\nlisten = { \"日\" = 1 }", `
fairlead.toml:3: unknown key "日本" in [http]: there are "listen", "plain", "token", "wait", "budget" and "max"
  3 | "日本" = 1
    | ^^^^^^
fairlead.toml:4: "listen" is set twice in [http]: also in line 2
  4 | listen = { "日" = 1 }
    | ^^^^^^`},
	{"behind a tab", "[http]\n\twait\t= \"日本\"\n", "\nfairlead.toml:2: want a number with its unit, as in \"500ms\", \"30s\", \"1h30m\" or \"7d\"\n" +
		"  2 | \twait\t= \"日本\"\n    | \t    \t  ^^^^^^"},
	{"a mark at the beginning, and CRLF", "\ufeff[http]\r\nmaxx = 1\r\n", `
fairlead.toml:2: unknown key "maxx" in [http]: did you mean "max"?
  2 | maxx = 1
    | ^^^^`},
	{"UTF-16", "\xff\xfe[\x00", `
fairlead.toml:1: this is UTF-16: save it as UTF-8
  1 | (secret)
    | ^^^^^^^^`},
	{"what only TOML forbids", "[http]\nlisten = \"a\"\n[tcp]\nlisten = \"\xff\"\n", `
fairlead.toml:4: invalid UTF-8 character in basic string
  4 | listen = "\xff"
    |           ^^^^`},
	{"a long line", "[http]\nlisten = { a = \"" + strings.Repeat("x", 200) + "\", b = \"" + strings.Repeat("y", 200) + "\" }", `
fairlead.toml:2: want text in quotes, not a table
  2 | listen = { a = "` + strings.Repeat("x", 144) + `...
    |          ` + strings.Repeat("^", 151)},
}

func TestWrongFiles(t *testing.T) {
	for _, c := range wrongFiles {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := loadText(t, c.text)
			if got := fmt.Sprint("\n", err); got != c.want {
				t.Errorf("Load(%q) = %s\nwant %s", c.text, got, c.want)
			}
			for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
				if !errors.As(e, new(*Error)) {
					t.Errorf("%v is a %T, want an *Error", e, e)
				}
			}
		})
	}
}

func TestSecretsAreNotQuoted(t *testing.T) {
	for _, text := range []string{
		"[http]\ntoken = hush1",
		"[http]\ntoken = \"hush1",
		"[http]\ntoken = \"\"\"a\nhush1\x01\n\"\"\"",
		"[http]\ntoken = \"\"\"\nhush1",
		"[http]\nTOKEN = \"hush1\nmax=true\n",
		"[http]\ntokn = \"hush1\"",
		"[http]\ntokn = hush1",
		"[http]\nauth_token = \"hush1\"",
		"[http]\ntoken = 4711",
		"[http]\ntoken = [\"hush1\"]",
		"[http]\ntoken = \"x\"\ntoken = \"hush1\"",
		"[tcp]\ntoken = 'hush1'",
		"[nonsense]\ntoken = 'hush1'\n[tcp.x]\ntoken = 'hush1' oh",
		"token = \"hush1\"",
		"http = { token = \"hush1\", lisen = \":1\" }",
		"http = { lisen = \":1\", token = \"hush1\" }",
		"http = { x = { token = \"hush1\" } }",
		"http.token = \"hush1\" x",
		"\"http\".\"token\" = \"hush1\" x",
		"[http]\nmax = \"a\" token = \"hush1\"",
	} {
		t.Run("", func(t *testing.T) {
			_, _, err := loadText(t, text)
			if err == nil || strings.Contains(err.Error(), "hush1") || strings.Contains(err.Error(), "4711") {
				t.Errorf("Load(%q) = %v, want an error without the secret", text, err)
			}
		})
	}
	_, err := Load(defaults(), Sources{Environ: []string{"FAIRLEAD_HTTP_TOKEN=hush1", "FAIRLEAD_HTTP_TOKEN_FILE=x", "FAIRLEAD_HTTP_TOKN=hush1"}})
	if err == nil || strings.Contains(err.Error(), "hush1") {
		t.Errorf("Load with a wrong environment = %v, want an error without the secret", err)
	}
}

func TestErrorsAreBounded(t *testing.T) {
	for name, text := range map[string]string{
		"keys":     "[http]\n" + strings.Repeat("a=1\n", maxFile/4-10),
		"sections": strings.Repeat("[a]\n", maxFile/4-10),
		"syntax":   strings.Repeat("a=?\n", maxFile/4-10),
		"secrets":  "[http]\n" + strings.Repeat("token=\n", maxFile/7-10),
		"one line": "[http]\n" + strings.Repeat("a.", maxFile/2-10) + "b = 1",
		"deep":     "[http]\nmax = " + strings.Repeat("[", maxFile-20),
		"inline":   "http = {" + strings.Repeat("a=1,", maxFile/4-10) + "}",
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := loadText(t, text)
			if err == nil || len(err.Error()) > 20<<10 {
				t.Fatalf("Load of 1 MiB of wrong %s: an error of %d bytes, want at most 20 KiB", name, len(fmt.Sprint(err)))
			}
			many := name != "one line" && name != "deep"
			if said := strings.Contains(err.Error(), "there are more errors"); said != many {
				t.Errorf("Load of 1 MiB of wrong %s says that there are more errors: %v, want %v", name, said, many)
			}
		})
	}
	if _, _, err := loadText(t, strings.Repeat("#", maxFile+1)); err == nil || !strings.Contains(err.Error(), "larger than 1MiB") {
		t.Errorf("Load of more than 1 MiB = %v, want an error", err)
	}
}

// FuzzLoad also holds that what is taken is TOML.
func FuzzLoad(f *testing.F) {
	for _, c := range wrongFiles {
		f.Add(c.text)
	}
	f.Add("http = { listen = \"a\", token = 'x' }\n[watch]\ntargets = [ # x\n \"a\", ]\n")
	keys := Keys(defaults())
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > maxFile {
			return
		}
		r := readTOML("f", []byte(text), keys)
		var all map[string]any
		if err := toml.Unmarshal(r.text, &all); err != nil && len(r.problems) == 0 {
			t.Errorf("readTOML(%q) finds nothing wrong, want %v", text, err)
		}
		for _, e := range r.errors() {
			if len(e.Error()) > 8<<10 {
				t.Errorf("readTOML(%q): an error of %d bytes: %v", text, len(e.Error()), e)
			}
			if i := strings.IndexFunc(e.Error(), func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r == 0x7f }); i >= 0 {
				t.Errorf("readTOML(%q): a control character in %q", text, e.Error())
			}
		}
	})
}

func TestFileNobodyMayRead(t *testing.T) {
	if os.Geteuid() <= 0 {
		t.Skip("root may read everything, and windows has no such modes")
	}
	path := filepath.Join(t.TempDir(), "fairlead.toml")
	if err := os.WriteFile(path, nil, 0); err != nil {
		t.Fatal(err)
	}
	var s struct{}
	if _, err := Load(&s, Sources{File: path}); err == nil || !strings.Contains(err.Error(), "/dev/null") {
		t.Errorf("Load of a file that may not be read = %v, want the cure", err)
	}
}
