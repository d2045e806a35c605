package main

import (
	"fmt"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// The test binary is the program, under all of its names, and its clients.
func TestMain(m *testing.M) {
	program := func() { os.Exit(run(os.Args)) }
	testscript.Main(m, map[string]func(){
		"fairlead": program, "tailsrv": program, "logship": program, "logship.py": program, "logwisp": program,
		"fairlead-activated": activated, "fairlead-nc": netcat, "fairlead-curl": curl,
		"fairlead-ask": askMany, "fairlead-service": asService,
		"fairlead-tokens": keepTokens, "fairlead-hub": keepHub,
	})
}

// raceOptions spares each process under the race detector a second at its end.
const raceOptions = "atexit_sleep_ms=0"

// TestScript runs the command lines in testdata/script: one file per command,
// and one per line of the older tools' READMEs.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("FAIRLEAD_UPDATE_SCRIPTS") != "",
		Cmds:                scriptCommands,
		Setup: func(env *testscript.Env) error {
			// Sockets need short paths, and nothing of this user may be seen.
			run, err := os.MkdirTemp("", "flr")
			if err != nil {
				return err
			}
			env.Defer(func() { os.RemoveAll(run) })
			env.Setenv("XDG_RUNTIME_DIR", run)
			env.Setenv("XDG_STATE_HOME", env.Getenv("WORK")+"/.state")
			env.Setenv("NO_COLOR", "1")
			env.Setenv("GORACE", raceOptions)
			env.Values[childrenKey{}] = &children{running: map[string]*child{}}
			return nil
		},
	})
}

// activated is the program as systemd starts it, but for the process id, which
// only the process itself can know here.
func activated() {
	os.Setenv("LISTEN_PID", fmt.Sprint(os.Getpid()))
	os.Exit(run(os.Args))
}
