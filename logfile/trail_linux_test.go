package logfile

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fairlead/internal/inotify"
)

// A scene is a log whose events come when the test says, in the portions that it
// says: what the kernel and the scheduler do to us now and then.
type scene struct {
	t   *testing.T
	dir string
	set *Set
	log *Log
}

const sceneWatch = 1

// newScene has app.log with the text A in place, known.
func newScene(t *testing.T) *scene {
	s := &scene{t: t, dir: t.TempDir(), set: &Set{NoEvents: true}}
	s.write("app.log", "A")
	if err := s.set.Add(s.path("app.log")); err != nil {
		t.Fatal(err)
	}
	s.log = s.set.First()
	s.set.mu.Lock()
	s.set.byWatch[sceneWatch] = s.set.dirOf(s.dir)
	s.set.mu.Unlock()
	return s
}

func (s *scene) path(name string) string { return filepath.Join(s.dir, name) }

// write makes a file whose text tells it from all others, however short.
func (s *scene) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(s.path(name), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) rename(from, to string) {
	s.t.Helper()
	if err := os.Rename(s.path(from), s.path(to)); err != nil {
		s.t.Fatal(err)
	}
}

// round is one round of events. between happens after the names were resolved,
// and before the logs are looked at.
func (s *scene) round(between func(), events ...inotify.Event) {
	r := &s.set.round
	r.begin(s.set)
	r.take(events)
	for _, ts := range r.trails {
		ts.resolve()
	}
	between()
	r.finish()
}

func from(name string, cookie uint32) inotify.Event {
	return inotify.Event{Watch: sceneWatch, Op: inotify.MovedFrom, Name: name, Cookie: cookie}
}

func to(name string, cookie uint32) inotify.Event {
	return inotify.Event{Watch: sceneWatch, Op: inotify.MovedTo, Name: name, Cookie: cookie}
}

func create(name string) inotify.Event {
	return inotify.Event{Watch: sceneWatch, Op: inotify.Create, Name: name}
}

// expect wants the texts of the generations that readers are sent, in order.
func (s *scene) expect(want ...string) {
	s.t.Helper()
	st := s.log.Stat()
	var got []string
	gens := st.Old
	if st.Current != nil {
		gens = append(gens, st.Current)
	}
	for _, g := range gens {
		if g.ord == 0 {
			continue
		}
		text := make([]byte, g.Size)
		if _, err := s.log.ReadAt(s.t.Context(), text, Pos{Gen: g.ID}); err != nil {
			s.t.Errorf("generation %d of %d bytes: %v", g.ord, g.Size, err)
		}
		got = append(got, string(text))
	}
	if len(got) != len(want) {
		s.t.Fatalf("generations %q, want %q", got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			s.t.Fatalf("generations %q, want %q", got, want)
		}
	}
}

func nothing() {}

// The kernel tells of the two names of a rename one after the other. Read in two
// rounds they are still one rename.
func TestRenameInTwoRounds(t *testing.T) {
	s := newScene(t)
	s.rename("app.log", "app.log-20260101")
	s.write("app.log", "B")
	s.rename("app.log", "app.log-20260102")
	s.write("app.log", "C")
	s.round(nothing, from("app.log", 1), to("app.log-20260101", 1), create("app.log"), from("app.log", 2))
	s.round(nothing, to("app.log-20260102", 2), create("app.log"))
	s.expect("A", "B", "C")
}

// A first half that stays alone is a file that went where nobody watches.
func TestRenameAway(t *testing.T) {
	s := newScene(t)
	if err := os.Rename(s.path("app.log"), filepath.Join(t.TempDir(), "elsewhere")); err != nil {
		t.Fatal(err)
	}
	s.round(nothing, from("app.log", 1))
	if s.set.round.pending == nil || s.set.round.pending.isOver() {
		t.Fatal("the second half was not waited for")
	}
	s.set.round.pending.since = s.set.round.pending.since.Add(-patience)
	s.round(nothing)
	if s.set.round.pending != nil {
		t.Error("the second half is still waited for")
	}
}

// What was at the path between two looks comes before what was found there,
// though that has left the path too when we hear of it.
func TestOrderOfTheUnseen(t *testing.T) {
	s := newScene(t)
	s.rename("app.log", "app.log-20260101")
	s.write("app.log", "B")
	s.round(func() {
		s.rename("app.log", "app.log-20260102")
		s.write("app.log", "C")
	}, from("app.log", 1), to("app.log-20260101", 1), create("app.log"))
	s.round(func() {
		s.rename("app.log", "app.log-20260103")
		s.write("app.log", "D")
	}, from("app.log", 2), to("app.log-20260102", 2), create("app.log"))
	s.round(nothing, from("app.log", 3), to("app.log-20260103", 3), create("app.log"))
	s.expect("A", "B", "C", "D")
}

// A stale hint can leave two generations at one name: the inode tells which one
// was renamed.
func TestOldOfTrail(t *testing.T) {
	old := func(ino uint64) *generation { return &generation{ino: ino, pub: &Gen{Path: "app.log.1"}} }
	l := &Log{old: []*generation{old(1), old(2), old(3)}}
	for ino := range uint64(5) {
		want := ino
		if ino == 0 || ino == 4 {
			want = 3 // none has it: the one that came last
		}
		g := l.oldOf(trail{from: "app.log.1", path: "app.log.2", ok: true, info: info{ino: ino}})
		if g == nil || g.ino != want {
			t.Errorf("oldOf(inode %d) = %+v, want inode %d", ino, g, want)
		}
	}
}

// A file that is renamed all the time is never taken for gone.
func TestRenamedAllTheTime(t *testing.T) {
	s := newScene(t)
	s.rename("app.log", "app.log.1")
	i, err := lstat(s.path("app.log.1"))
	if err != nil {
		t.Fatal(err)
	}
	g := newOld(sibling{s.path("app.log.9"), i}) // where it was long ago
	done := make(chan struct{})
	defer func() { <-done }()
	stop := time.Now().Add(200 * time.Millisecond)
	go func() {
		defer close(done)
		for n := 1; time.Now().Before(stop); n++ {
			os.Rename(s.path([]string{"app.log.2", "app.log.1"}[n%2]), s.path([]string{"app.log.1", "app.log.2"}[n%2]))
		}
	}()
	for time.Now().Before(stop) {
		g.pub.Path = s.path("app.log.9")
		s.set.relist(s.log.name)
		if found, sure := s.log.locate(g); !found && sure {
			t.Fatal("locate is sure that it is gone")
		}
	}
	if err := s.log.chase(g, func() error { return errMoved }); !errors.Is(err, errMoving) {
		t.Errorf("chase(): %v, want %v", err, errMoving)
	}
}
