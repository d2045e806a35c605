package archtest

import (
	"slices"
	"strings"
)

// floors says how high each part of the house is. Imports run down only. The
// tools stand on the roof: they may look at everything, and nothing at them.
var floors = map[string]int{
	"internal/config":   0,
	"internal/durable":  0,
	"internal/inotify":  0,
	"internal/tcp":      0,
	"logfile":           1,
	"spool":             1,
	"trust":             1,
	"replica":           2,
	"serve":             3,
	"ship":              3,
	"stream":            3,
	"ring":              3,
	"control":           3,
	"page":              4,
	"standin":           4,
	"cmd":               5,
	"bench":             6,
	"internal/archtest": 6,
}

const (
	roomFloor = 3
	toolFloor = 6
)

func room(part string) bool { return floors[part] == roomFloor }

// product says that a file is part of what is shipped: not a test, not a tool.
func product(f *File) bool { return !f.Test && floors[f.part()] != toolFloor }

func in(f *File, parts ...string) bool { return slices.Contains(parts, f.part()) }

// below says that an import is one of the paths, or of a package below one.
func below(importPath string, paths ...string) bool {
	return slices.ContainsFunc(paths, func(p string) bool {
		return importPath == p || strings.HasPrefix(importPath, p+"/")
	})
}

// House is every rule.
var House = []Rule{
	known,

	imports("rooms are apart",
		"delete one room and the rest compiles. Wanted by two: push it down to replica, logfile, spool or trust. "+
			"Needs two: pull it up to cmd and pass it as a func",
		func(f *File, i Import) bool {
			return room(f.part()) && room(i.part()) && f.part() != i.part()
		}),

	imports("imports run down",
		"a floor stands on those below it (DESIGN: cmd; page, standin; rooms; replica; logfile, spool, trust; internal/inotify). "+
			"Nothing imports the tools, bench and internal/archtest",
		func(f *File, i Import) bool {
			from, to := f.part(), i.part()
			return to != "" && from != to && floors[to] >= floors[from] && !(room(from) && room(to))
		}),

	imports("only logfile watches",
		"one Set per process finds and watches files; two watchers are two identities for one file",
		func(f *File, i Import) bool {
			return i.part() == "internal/inotify" && !in(f, "internal/inotify", "logfile") ||
				below(i.Path, "github.com/fsnotify/fsnotify")
		}),

	calls("only internal/inotify speaks inotify",
		"one Set per process finds and watches files; two watchers are two identities for one file",
		func(f *File) bool { return product(f) && !in(f, "internal/inotify") },
		map[string][]string{
			"golang.org/x/sys/unix": {"InotifyInit", "InotifyInit1", "InotifyAddWatch"},
			"syscall":               {"InotifyInit", "InotifyInit1", "InotifyAddWatch"},
		}),

	calls("rooms do not search",
		"one Set per process finds files; a room is given logs",
		func(f *File) bool { return product(f) && room(f.part()) },
		map[string][]string{
			"path/filepath":                    {"Walk", "WalkDir", "Glob"},
			"io/fs":                            {"WalkDir", "Glob"},
			"github.com/bmatcuk/doublestar/v4": {"Glob", "GlobWalk", "FilepathGlob"},
		}),

	imports("logfile has no opinion",
		"facts about a file need no net, no log and no format; and nothing of ours but internal/inotify and internal/durable. "+
			"Tests may use logfile/logfiletest",
		func(f *File, i Import) bool {
			if !in(f, "logfile") {
				return false
			}
			if i.Ours != "" {
				return !slices.Contains([]string{"internal/inotify", "internal/durable", "logfile"}, i.Ours) && !(f.Test && i.Ours == "logfile/logfiletest")
			}
			return product(f) && below(i.Path, "net", "log", "encoding/json")
		}),

	imports("replica touches no file",
		"readers, writers and a small store interface in, frames out: so it runs over TLS, over a pipe and on a simulated disk. "+
			"It returns what it knows and does not log",
		func(f *File, i Import) bool {
			return in(f, "replica") && product(f) && below(i.Path, "os", "log")
		}),

	imports("bytes are not looked into: json",
		"serve, ship, ring and replica move bytes and do not read them; the files that answer listings are named as exceptions",
		func(f *File, i Import) bool {
			return in(f, "serve", "ship", "ring", "replica") && product(f) && i.Path == "encoding/json"
		}),

	calls("bytes are not looked into: lines",
		"serve, ship, ring and replica move bytes and do not read them: only stream reads lines",
		func(f *File) bool { return in(f, "serve", "ship", "ring", "replica") && product(f) },
		map[string][]string{"bufio": {"Scanner", "NewScanner"}}),

	imports("only control runs commands",
		"only stream reads lines, only control obeys them: so a log line can never become a command",
		func(f *File, i Import) bool {
			return i.Path == "os/exec" && product(f) && !in(f, "control")
		}),

	imports("only natsbus speaks NATS",
		"the plane works with any bus and is tested with none; nkeys, the format of a key, belongs to trust",
		func(f *File, i Import) bool {
			return below(i.Path, "github.com/nats-io/nats.go", "github.com/nats-io/nats-server/v2") &&
				f.Dir != "control/natsbus" && !in(f, "bench")
		}),

	noBatch,

	imports("flags, signals and metrics in cmd alone",
		"rooms are values with fields and numbers; standin parses the old command lines itself and returns values or an error",
		func(f *File, i Import) bool {
			return product(f) && !in(f, "cmd") && below(i.Path, "flag", "os/signal",
				"github.com/spf13/cobra", "github.com/spf13/pflag", "github.com/prometheus/client_golang")
		}),

	calls("only cmd ends the process",
		"only main knows whether the process may end and where it logs; everything else returns an error",
		func(f *File) bool { return product(f) && !in(f, "cmd") },
		map[string][]string{
			"os":       {"Exit"},
			"log":      {"Fatal", "Fatalf", "Fatalln"},
			"log/slog": {"SetDefault"},
		}),

	imports("page knows only HTTP",
		"what the page can do curl can do: it imports no room",
		func(f *File, i Import) bool { return in(f, "page") && room(i.part()) }),

	imports("only cmd has stand-ins",
		"delete one older tool and the rest compiles",
		func(f *File, i Import) bool {
			own := f.Dir == i.Ours || in(f, "standin") && i.Ours == "standin"
			return i.part() == "standin" && !in(f, "cmd") && !own
		}),

	names, packageDoc, fileSize, funcSize, noContextField, noMachine, documents, decided,
}
