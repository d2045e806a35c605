package trust_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"fairlead/trust"
)

// The order in which a key, and a machine that joins, become durable, as the kernel
// sees it: the key before it has its name; the use of an invitation before its
// machine is trusted, and that before it is written down as being in.
func TestDurableOrder(t *testing.T) {
	const child = "FAIRLEAD_TEST_DURABLE"
	if dir := os.Getenv(child); dir != "" {
		k, err := trust.OpenKey(filepath.Join(dir, "key"))
		if err != nil {
			t.Fatal(err)
		}
		v := &trust.Invitations{Path: filepath.Join(dir, "invitations"), Trusted: &trust.Trusted{Path: filepath.Join(dir, "trusted")}}
		wantRedeem(t, v, invite(t, v, 1, time.Hour, "send"), k.Public(), "web", "web", nil)
		return
	}
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("needs strace")
	}
	dir := t.TempDir()
	trace := filepath.Join(t.TempDir(), "trace")
	cmd := exec.Command(strace, "-f", "-y", "-qq", "-s", "256", "-e", "signal=none", "-e", "trace=write,fsync,linkat,link,rename,renameat,renameat2",
		"-o", trace, os.Args[0], "-test.run=^TestDurableOrder$")
	cmd.Env = append(os.Environ(), child+"="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	rest := string(b)
	for _, want := range []string{
		`fsync\(\d+<` + dir + `/\.key\.[^>]*>\) += 0`,
		`link\w*\(.*/\.key\.\d+".*/key".*\) += 0`,
		`fsync\(\d+<` + dir + `>\) += 0`,
		`write\(\d+<` + dir + `/invitations>, "invite `,
		`fsync\(\d+<` + dir + `/invitations>\) += 0`,
		`write\(\d+<` + dir + `/invitations>, "use `,
		`fsync\(\d+<` + dir + `/invitations>\) += 0`,
		`fsync\(\d+<` + dir + `/\.trusted\.[^>]*>\) += 0`,
		`rename\w*\(.*/\.trusted\.\d+".*/trusted".*\) += 0`,
		`fsync\(\d+<` + dir + `>\) += 0`,
		`write\(\d+<` + dir + `/invitations>, "in `,
		`fsync\(\d+<` + dir + `/invitations>\) += 0`,
	} {
		at := regexp.MustCompile(want).FindStringIndex(rest)
		if at == nil {
			t.Fatalf("no %s, or not after what comes before it:\n%s", want, b)
		}
		rest = rest[at[1]:]
	}
}
