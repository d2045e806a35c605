package archtest

import "strings"

// plants has the small breaches, and near misses, of each rule.
var plants = map[string][]plant{
	"every package has a floor": {
		one("wherever/a.go", "", "wherever/a.go"),
		one("internal/other/a_test.go", "", "internal/other/a_test.go"),
		one("control/method/a.go", "", ""),
		one("serve/testdata/other/a.go", "", ""),
	},
	"rooms are apart": {
		one("serve/a.go", `import "fairlead/ship"`, "serve/a.go"),
		one("ring/x/a_test.go", `import _ "fairlead/control/natsbus"`, "ring/x/a_test.go"),
		one("control/natsbus/a.go", `import "fairlead/control"`, ""),
		one("cmd/fairlead/up.go", "import (\n\"fairlead/ship\"\n\"fairlead/serve\"\n)", ""),
	},
	"imports run down": {
		one("logfile/a.go", `import "fairlead/serve"`, "logfile/a.go"),
		one("trust/a_windows.go", `import "fairlead/spool"`, "trust/a_windows.go"),
		one("serve/a.go", `import "fairlead/page"`, "serve/a.go"),
		one("cmd/fairlead/a.go", `import "fairlead/internal/archtest"`, "cmd/fairlead/a.go"),
		one("cmd/fairlead/a.go", `import "fairlead/bench/serve"`, "cmd/fairlead/a.go"),
		one("replica/a.go", `import "fairlead/logfile"`, ""),
		one("bench/a.go", `import "fairlead/serve"`, ""),
	},
	"only logfile watches": {
		one("serve/a.go", `import "fairlead/internal/inotify"`, "serve/a.go"),
		one("trust/a.go", `import "github.com/fsnotify/fsnotify"`, "trust/a.go"),
		one("logfile/a.go", `import "fairlead/internal/inotify"`, ""),
	},
	"only internal/inotify speaks inotify": {
		one("logfile/a.go", "import \"golang.org/x/sys/unix\"\nvar _, _ = unix.InotifyInit1(0)", "logfile/a.go"),
		one("internal/inotify/a.go", "import \"golang.org/x/sys/unix\"\nvar _, _ = unix.InotifyInit1(0)", ""),
	},
	"rooms do not search": {
		one("ship/a.go", "import \"path/filepath\"\nvar _, _ = filepath.Glob(``)", "ship/a.go"),
		one("stream/a.go", "import \"io/fs\"\nvar walk = fs.WalkDir", "stream/a.go"),
		one("stream/a.go", "import g \"github.com/bmatcuk/doublestar/v4\"\nvar walk = g.GlobWalk", "stream/a.go"),
		one("ship/a_test.go", "import \"path/filepath\"\nvar _, _ = filepath.Glob(``)", ""),
		one("logfile/a.go", "import \"path/filepath\"\nvar walk = filepath.WalkDir", ""),
	},
	"logfile has no opinion": {
		one("logfile/a.go", `import "net/netip"`, "logfile/a.go"),
		one("logfile/a.go", `import "log/slog"`, "logfile/a.go"),
		one("logfile/a.go", `import "encoding/json"`, "logfile/a.go"),
		one("logfile/a.go", `import "fairlead/logfile/logfiletest"`, "logfile/a.go"),
		one("logfile/a.go", `import "fairlead/internal/durable"`, ""),
		one("logfile/a_test.go", `import "fairlead/trust"`, "logfile/a_test.go"),
		one("logfile/a_test.go", `import "fairlead/logfile/logfiletest"`, ""),
		one("logfile/logfiletest/a.go", `import "fairlead/logfile"`, ""),
	},
	"replica touches no file": {
		one("replica/a.go", `import "os"`, "replica/a.go"),
		one("replica/a.go", `import "log/slog"`, "replica/a.go"),
		one("replica/a_test.go", `import "os"`, ""),
	},
	"bytes are not looked into: json": {
		one("serve/a.go", `import "encoding/json"`, "serve/a.go"),
		one("serve/a_test.go", `import "encoding/json"`, ""),
		one("stream/a.go", `import "encoding/json"`, ""),
	},
	"bytes are not looked into: lines": {
		one("ship/a.go", "import \"bufio\"\nvar s bufio.Scanner", "ship/a.go"),
		one("replica/a.go", "import b \"bufio\"\nvar s = b.NewScanner(nil)", "replica/a.go"),
		one("ship/a.go", "import \"bufio\"\nvar r bufio.Reader", ""),
		one("stream/a.go", "import \"bufio\"\nvar s bufio.Scanner", ""),
	},
	"only control runs commands": {
		one("stream/a.go", `import "os/exec"`, "stream/a.go"),
		one("control/method/exec.go", `import "os/exec"`, ""),
		one("bench/a.go", `import "os/exec"`, ""),
	},
	"only natsbus speaks NATS": {
		one("control/a.go", `import "github.com/nats-io/nats.go"`, "control/a.go"),
		one("standin/steward/a_test.go", `import "github.com/nats-io/nats-server/v2/server"`, "standin/steward/a_test.go"),
		one("trust/a.go", `import "github.com/nats-io/nkeys"`, ""),
		one("control/natsbus/a.go", `import "github.com/nats-io/nats.go"`, ""),
	},
	"bbolt's Batch is never called": {
		{map[string]string{"control/a.go": `import "go.etcd.io/bbolt"`, "control/b.go": "func f() { db.Batch(nil) }"}, "control/b.go"},
		one("serve/b.go", "func f() { db.Batch(nil) }", ""),
	},
	"flags, signals and metrics in cmd alone": {
		one("serve/a.go", `import "flag"`, "serve/a.go"),
		one("standin/tailsrv/a.go", `import "github.com/spf13/pflag"`, "standin/tailsrv/a.go"),
		one("stream/a.go", `import "os/signal"`, "stream/a.go"),
		one("stream/a.go", `import "github.com/prometheus/client_golang/prometheus"`, "stream/a.go"),
		one("cmd/fairlead/main.go", `import "github.com/spf13/cobra"`, ""),
		one("bench/serve/a.go", `import "flag"`, ""),
	},
	"only cmd ends the process": {
		one("logfile/a.go", "import \"os\"\nfunc f() { os.Exit(1) }", "logfile/a.go"),
		one("serve/a.go", "import \"log/slog\"\nvar f = slog.SetDefault", "serve/a.go"),
		one("standin/pzog/a.go", "import \"log\"\nfunc f() { log.Fatalf(``) }", "standin/pzog/a.go"),
		one("serve/a_test.go", "import \"os\"\nfunc f() { os.Exit(1) }", ""),
		one("cmd/fairlead/main.go", "import \"os\"\nfunc f() { os.Exit(1) }", ""),
	},
	"page knows only HTTP": {
		one("page/a.go", `import "fairlead/stream"`, "page/a.go"),
		one("page/a.go", `import "net/http"`, ""),
	},
	"only cmd has stand-ins": {
		one("serve/a.go", `import "fairlead/standin/tailsrv"`, "serve/a.go"),
		one("standin/logship/a.go", `import "fairlead/standin/tailsrv"`, "standin/logship/a.go"),
		one("standin/a.go", `import "fairlead/standin/tailsrv"`, "standin/a.go"),
		one("standin/logship/a.go", `import "fairlead/standin"`, ""),
		one("standin/tailsrv/a_test.go", `import "fairlead/standin/tailsrv"`, ""),
		one("cmd/fairlead/old.go", `import "fairlead/standin/tailsrv"`, ""),
	},
	"packages have names that say something": {
		one("serve/util/a.go", "", "serve/util/a.go"),
		one("serve/a.go", "package helpers", "serve/a.go"),
		one("serve/a_test.go", "package types_test", "serve/a_test.go"),
		one("serve/a.go", "package utility", ""),
	},
	"every package says what it does not do": {
		one("serve/a.go", "", "serve"),
		one("serve/a.go", "// Package serve serves.\n//\n// It serves well.\n//\n// It does not sleep.\npackage serve", "serve"),
		one("serve/a_test.go", "", ""),
		{map[string]string{"serve/a.go": "", "serve/doc.go": "// Package serve serves.\n//\n// It does\n// not sleep.\npackage serve"}, ""},
	},
	"files have at most 500 lines": {
		one("serve/a.go", lines(500), "serve/a.go"),
		one("serve/a.go", lines(499), ""),
		one("serve/a_test.go", lines(600), ""),
		one("serve/a.go", lines(400)+"var t = []int{\n"+strings.Repeat("1,\n", 200)+"}\n", ""),
		one("serve/a.go", lines(400)+"var t = []any{\n"+strings.Repeat("func() {},\n", 200)+"}\n", "serve/a.go"),
	},
	"functions have at most 70 lines": {
		one("serve/a.go", "func f() {\n"+lines(69)+"}", "serve/a.go#f"),
		one("serve/a.go", "func (s *Server) f() {\n"+lines(69)+"}", "serve/a.go#Server.f"),
		one("serve/a.go", "var f = func() {\n"+lines(69)+"}", "serve/a.go#func"),
		one("serve/a.go", lines(200)+"func f() {\n"+lines(68)+"}", ""),
		one("serve/a.go", "func f() []int {\nreturn []int{\n"+strings.Repeat("1,\n", 100)+"}\n}", ""),
		one("serve/a_test.go", "func f() {\n"+lines(69)+"}", ""),
	},
	"a context is never in a struct": {
		one("serve/a.go", "import \"context\"\ntype t struct { ctx context.Context }", "serve/a.go"),
		one("serve/a.go", "import \"context\"\ntype t struct { context.Context }", "serve/a.go"),
		one("serve/a.go", "import \"context\"\nvar t struct { all map[int][]context.Context }", "serve/a.go"),
		one("serve/a.go", "import \"context\"\ntype t struct { run func(context.Context) error; stop context.CancelFunc }", ""),
	},
	"nothing names a path of a machine": {
		one("serve/a.go", "// see /ho"+"me/alice/log", "serve/a.go"),
		one("Makefile", "X = /ro"+"ot/go/bin", "Makefile"),
		one("doc/a.md", "`/wo"+"rk/main`", "doc/a.md"),
		one("doc/a.md", "https://example.org/home/x, net/work/x, ./home/x, ~/x, /var/log/x", ""),
	},
	"documents name what is there": {
		{map[string]string{"README.md": "proved by TestA/x and FuzzB", "serve/a_test.go": "func TestA() {}"}, "README.md"},
		{map[string]string{"README.md": "proved by TestA/x", "serve/a_test.go": "func TestA() {}"}, ""},
		one("README.md", "in `serve/gone.go`", "README.md"),
		one("README.md", "see [the disk](doc/disk.md)", "README.md"),
		{map[string]string{"doc/a.md": "[b](b.md), `serve/x.go`, `x.go`, [serve](../serve)", "doc/b.md": "", "serve/x.go": ""}, ""},
	},
	"a dependency has its reason in doc/decisions": {
		one("serve/a.go", `import "example.org/a/b"`, "serve/a.go"),
		{map[string]string{"serve/a.go": `import "example.org/a/b"`, "doc/decisions/a.md": "`example.org/a/bc`"}, "serve/a.go"},
		{map[string]string{"serve/a.go": "import (\n\"os\"\n\"fairlead/logfile\"\n\"example.org/a/b\"\n)", "doc/decisions/a.md": "`example.org/a` is small"}, ""},
	},
}
