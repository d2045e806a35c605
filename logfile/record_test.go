package logfile

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func drawRecord(t *rapid.T) record {
	name := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
	r := record{
		log: name.Draw(t, "log"), path: name.Draw(t, "path"),
		off: rapid.Int64Range(0, math.MaxInt64).Draw(t, "off"), from: rapid.Int64Range(0, math.MaxInt64).Draw(t, "from"),
		dev: rapid.Uint64().Draw(t, "dev"), ino: rapid.Uint64().Draw(t, "ino"),
		print: print{n: rapid.Int64Range(0, math.MaxInt64).Draw(t, "n")},
	}
	if nanos := rapid.Int64().Draw(t, "mtime"); nanos != 0 { // 0 stands for none
		r.mtime = time.Unix(0, nanos)
	}
	hash := rapid.SliceOfN(rapid.Byte(), 16, 16)
	copy(r.gen[:], hash.Draw(t, "gen"))
	copy(r.print.head[:], hash.Draw(t, "head"))
	copy(r.print.tail[:], hash.Draw(t, "tail"))
	switch rapid.IntRange(0, 4).Draw(t, "state") {
	case 1:
		r.current = true
	case 2:
		r.gone = true
	case 3:
		r.final = true
	case 4:
		r.noted = true
	}
	return r
}

// What is written is read again, whatever the names are; it is one line.
func TestRecordText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRecord(t)
		line := r.append(nil)
		if bytes.ContainsAny(line, "\n\r") {
			t.Fatalf("append() = %q, want one line", line)
		}
		got, err := parseRecord(string(line))
		if err != nil {
			t.Fatalf("parseRecord(%q): %v", line, err)
		}
		if !got.mtime.Equal(r.mtime) {
			t.Errorf("parseRecord(%q): mtime %v, want %v", line, got.mtime, r.mtime)
		}
		if got.mtime = r.mtime; got != r {
			t.Errorf("parseRecord(%q) = %+v, want %+v", line, got, r)
		}
	})
}

func someRecord() record {
	return record{log: "/var/log/app.log", path: "/var/log/app.log.1", gen: NewGenID(), off: 12, print: print{n: 12}, mtime: time.Unix(1, 0)}
}

func TestParseRecordErrors(t *testing.T) {
	good := string(someRecord().append(nil))
	fields := strings.SplitN(good, " ", recordFields)
	with := func(i int, s string) string {
		f := append([]string(nil), fields...)
		f[i] = s
		return strings.Join(f, " ")
	}
	tests := map[string]string{
		"empty":             "",
		"a field less":      strings.Join(fields[:recordFields-1], " "),
		"generation":        with(0, "x"),
		"offset":            with(2, "1.5"),
		"offset below zero": with(2, "-1"),
		"from below zero":   with(3, "-1"),
		"length below zero": with(4, "-1"),
		"length":            with(4, "9223372036854775808"),
		"device":            with(5, "-1"),
		"inode":             with(6, "18446744073709551616"),
		"time":              with(7, "now"),
		"head too short":    with(8, "00"),
		"head no hex":       with(8, strings.Repeat("g", 32)),
		"tail empty":        with(9, ""),
		"names unquoted":    with(10, "/var/log/app.log /var/log/app.log"),
		"one name":          with(10, `"/var/log/app.log"`),
		"three names":       with(10, `"a" "b" "c"`),
	}
	for name, line := range tests {
		if r, err := parseRecord(line); err == nil || !strings.Contains(err.Error(), "parse record") {
			t.Errorf("%s: parseRecord(%q) = %+v, %v, want an error that says what was parsed", name, line, r, err)
		}
	}
	if _, err := parseRecord(good); err != nil {
		t.Errorf("parseRecord(%q): %v", good, err)
	}
}

// parseRecord takes nothing that it would not write so again, and a head or
// tail that is too long does not overrun.
func FuzzParseRecord(f *testing.F) {
	f.Add(string(someRecord().append(nil)))
	f.Add(string(record{log: "\xff\n", gone: true}.append(nil)))
	f.Add(strings.Repeat(" ", 20))
	f.Fuzz(func(t *testing.T, line string) {
		r, err := parseRecord(line)
		if err != nil {
			return
		}
		again, err := parseRecord(string(r.append(nil)))
		if err != nil || !bytes.Equal(again.append(nil), r.append(nil)) {
			t.Errorf("parseRecord(%q) = %+v, and of that %+v, %v", line, r, again, err)
		}
		if r.off < 0 || r.from < 0 || r.print.n < 0 {
			t.Errorf("parseRecord(%q) = %+v, want nothing below zero", line, r)
		}
	})
}

func TestMarkText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRecord(t)
		m := Mark{Path: r.log, Pos: Pos{r.gen, r.off}, rec: r}
		b, err := m.MarshalText()
		if err != nil {
			t.Fatalf("MarshalText(): %v", err)
		}
		var got Mark
		if err := got.UnmarshalText(b); err != nil || got.Path != m.Path || got.Pos != m.Pos {
			t.Errorf("UnmarshalText(%q) = %+v, %v, want %+v", b, got, err, m)
		}
	})
}

func TestCursor(t *testing.T) {
	c := Cursor{Path: filepath.Join(t.TempDir(), "cursor")}
	if marks, err := c.Load(); marks != nil || err != nil {
		t.Errorf("Load() without a file = %v, %v, want nothing", marks, err)
	}
	for n := range 4 {
		var want []Mark
		for range n {
			r := someRecord()
			want = append(want, Mark{Path: r.log, Pos: Pos{r.gen, r.off}, rec: r})
		}
		if err := c.Save(want); err != nil {
			t.Fatal(err)
		}
		got, err := c.Load()
		if err != nil || len(got) != n {
			t.Fatalf("Load() = %v, %v, want %d marks", got, err, n)
		}
		for i := range got {
			if got[i].Path != want[i].Path || got[i].Pos != want[i].Pos {
				t.Errorf("mark %d = %+v, want %+v", i, got[i], want[i])
			}
		}
	}
	names, err := os.ReadDir(filepath.Dir(c.Path))
	if err != nil || len(names) != 1 {
		t.Errorf("the directory has %v, %v, want the cursor alone", names, err)
	}
}

func TestCursorErrors(t *testing.T) {
	dir := t.TempDir()
	good := string(someRecord().append(nil))
	tests := map[string]struct{ content, want string }{
		"foreign":     {"root:x:0:0\n", "not a cursor file: delete it, or name another"},
		"generations": {generationsHeader + "\n" + good + "\n", "not a cursor file"},
		"bad line":    {cursorHeader + "\n" + good + "\nxyz\n", "line 3"},
	}
	for name, tt := range tests {
		c := Cursor{Path: filepath.Join(dir, name)}
		if err := os.WriteFile(c.Path, []byte(tt.content), 0o600); err != nil {
			t.Fatal(err)
		}
		marks, err := c.Load()
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "load cursor") {
			t.Errorf("%s: Load() = %v, %v, want %q", name, marks, err, tt.want)
		}
	}
	empty := Cursor{Path: filepath.Join(dir, "empty")}
	if err := os.WriteFile(empty.Path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if marks, err := empty.Load(); marks != nil || err != nil {
		t.Errorf("Load() of an empty file = %v, %v, want nothing", marks, err)
	}
	lost := Cursor{Path: filepath.Join(dir, "no", "such", "directory")}
	if err := lost.Save(nil); err == nil || !strings.Contains(err.Error(), "save cursor") {
		t.Errorf("Save() where there is no directory = %v, want an error", err)
	}
	if marks, err := (Cursor{Path: dir}).Load(); err == nil {
		t.Errorf("Load() of a directory = %v, want an error", marks)
	}
}

// A cursor that cannot be replaced stays what it was.
func TestCursorKeepsTheOld(t *testing.T) {
	dir := t.TempDir()
	r := someRecord()
	mark := Mark{Path: r.log, Pos: Pos{r.gen, r.off}, rec: r}
	c := Cursor{Path: filepath.Join(dir, "cursor")}
	if err := os.Mkdir(c.Path, 0o700); err != nil { // a rename over it fails
		t.Fatal(err)
	}
	if err := c.Save([]Mark{mark}); err == nil {
		t.Error("Save() over a directory = nil, want an error")
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
		t.Errorf("the directory has %v, %v, want no temporary file", names, err)
	}
}

// Load takes any file, and neither panics nor takes what Save would not write.
func FuzzCursorLoad(f *testing.F) {
	f.Add([]byte(cursorHeader + "\n" + string(someRecord().append(nil)) + "\n"))
	f.Add([]byte(cursorHeader))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := Cursor{Path: filepath.Join(t.TempDir(), "cursor")}
		if err := os.WriteFile(c.Path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		marks, err := c.Load()
		if err != nil {
			return
		}
		if err := c.Save(marks); err != nil {
			t.Fatalf("Save() of what Load() gave: %v", err)
		}
		if again, err := c.Load(); err != nil || len(again) != len(marks) {
			t.Errorf("Load() = %d marks, and of what was saved %d, %v", len(marks), len(again), err)
		}
	})
}
