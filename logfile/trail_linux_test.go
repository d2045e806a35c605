package logfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
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
	r.ask()
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

func del(name string) inotify.Event {
	return inotify.Event{Watch: sceneWatch, Op: inotify.Delete, Name: name}
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
		switch _, err := s.log.ReadAt(s.t.Context(), text, Pos{Gen: g.ID}); {
		case errors.Is(err, ErrEnded) && !g.Readable:
			text = []byte("gone")
		case err != nil && g.Size > 0:
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

// A file that is renamed all the time is never taken for gone, open or not.
func TestRenamedAllTheTime(t *testing.T) {
	t.Run("closed", func(t *testing.T) { renamedAllTheTime(t, false) })
	t.Run("open", func(t *testing.T) { renamedAllTheTime(t, true) })
}

func renamedAllTheTime(t *testing.T, open bool) {
	s := newScene(t)
	s.rename("app.log", "app.log.1")
	i, err := lstat(s.path("app.log.1"))
	if err != nil {
		t.Fatal(err)
	}
	g := newOld(sibling{s.path("app.log.9"), i}) // where it was long ago
	if open {
		f, err := os.Open(s.path("app.log.1"))
		if err != nil {
			t.Fatal(err)
		}
		g.held = s.log.keepOpen(g, f, &proof{}, time.Now())
		defer g.forgetHeld()
		defer g.held.release()
	}
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

// look looks without hints, as after a time in which nobody did.
func (s *scene) look() {
	s.set.catchUp(func() {
		s.set.lookAll([]*Log{s.log}, true)
		s.set.endRound()
	})
}

// long makes a text of which enough can be proven.
func long(text string) string { return strings.Repeat(text, 2*tailMax) }

// rotate has app.log renamed, and another begun, in a round of its own.
func (s *scene) rotate(name, text string) {
	s.rename("app.log", name)
	s.write("app.log", text)
	s.round(nothing, from("app.log", 1), to(name, 1), create("app.log"))
}

// A copy can get the inode and the name of a short generation that was deleted,
// and is read on from all the same: an inode proves nothing.
func TestCopyInAnothersInode(t *testing.T) {
	for _, short := range []string{"", "X", "B"} {
		t.Run("short="+short, func(t *testing.T) {
			s := newScene(t)
			s.rotate("app.log.2", short)
			s.rotate("app.log.1", long("B"))
			gone, copied := s.log.old[1], s.log.cur
			s.write("app.log.1", long("B")+"more") // in place: the inode stays
			s.write("app.log", "")
			s.look()
			if gone.pub.Readable {
				t.Errorf("the short one is readable still, at %s", gone.pub.Path)
			}
			if want := int64(len(long("B") + "more")); copied.pub.Path != s.path("app.log.1") || copied.pub.Size != want {
				t.Errorf("the generation that was cut: %d bytes at %q, want %d from the copy", copied.pub.Size, copied.pub.Path, want)
			}
		})
	}
}

// A file that was cut and then renamed is a generation too, though it be renamed
// once more between two of our looks at it.
func TestCutAndRenamedTwice(t *testing.T) {
	s := newScene(t)
	s.write("app.log", long("A"))
	s.look()
	defer Follow(s.log, FromStart).Close() // so it is open
	s.write("app.log.3", long("A"))
	s.write("app.log", long("B"))
	s.rename("app.log", "app.log.1")
	g := s.log.cur
	s.log.relocate(g, s.path("app.log.1"), time.Now())
	s.rename("app.log.1", "app.log.2")
	cut := s.log.settleSize(g, s.path("app.log.1"))
	if want := int64(len(long("A"))); g.pub.Size != want || g.pub.Path != s.path("app.log.3") {
		t.Errorf("what was known: %d bytes at %s, want %d from the copy", g.pub.Size, g.pub.Path, want)
	}
	if len(cut) != 1 || cut[0].pub.Size != int64(len(long("B"))) {
		t.Errorf("settleSize() = %d generations, want the one that was cut", len(cut))
	}
}

// What was at the path before a generation that a look finds there is told by a
// hint, which no reader may be ahead of.
func TestHintsBeforeReaders(t *testing.T) {
	s := &scene{t: t, dir: t.TempDir(), set: &Set{Quiet: 1}}
	s.write("app.log", "A")
	if err := s.set.Add(s.path("app.log")); err != nil {
		t.Fatal(err)
	}
	s.log = s.set.First()
	f := Follow(s.log, FromStart)
	defer f.Close()
	s.told(f, "A")
	if err := os.Remove(s.path("app.log")); err != nil {
		t.Fatal(err)
	}
	s.set.lookNow(s.log)
	s.told(f, "end")
	s.write("app.log", "B")
	s.rename("app.log", "app.log.1")
	s.write("app.log", "C")
	s.set.rounds.Lock() // the hints come while it looks
	s.set.lookAll([]*Log{s.log}, false)
	s.set.rounds.Unlock()
	s.told(f, "B")
}

// told wants the text that the follower is given next, or its end.
func (s *scene) told(f *Follower, want string) {
	s.t.Helper()
	got := "nothing"
	switch span, ok, err := f.Ready(); {
	case errors.Is(err, ErrEnded):
		got = "end"
	case err != nil:
		got = err.Error()
	case ok:
		text := make([]byte, span.N)
		if _, err := s.log.ReadAt(s.t.Context(), text, Pos{span.Gen, span.Off}); err != nil {
			s.t.Fatal(err)
		}
		f.Advance(span.N)
		got = string(text)
	}
	if got != want {
		s.t.Fatalf("the follower is told %q, want %q", got, want)
	}
}

// A generation that is put before the current one while a follower is about to
// enter that is not passed over.
func TestPutBeforeAFollower(t *testing.T) {
	for _, waits := range []bool{false, true} {
		t.Run(fmt.Sprintf("waits=%v", waits), func(t *testing.T) {
			s := newScene(t)
			s.set.Quiet = 1
			f := Follow(s.log, FromStart)
			defer f.Close()
			s.told(f, "A")
			if err := os.Remove(s.path("app.log")); err != nil {
				t.Fatal(err)
			}
			s.look()
			if waits {
				s.told(f, "end")
			}
			s.write("app.log.1", "B")
			s.write("app.log", "C")
			s.round(nothing, create("app.log"))
			st := s.log.Stat()
			i, err := lstat(s.path("app.log.1"))
			if err != nil {
				t.Fatal(err)
			}
			s.log.mu.Lock()
			s.log.insert(s.log.identify([]*generation{newOld(sibling{s.path("app.log.1"), i})}))
			s.log.mu.Unlock()
			if !waits {
				if _, _, err := f.step(st); !errors.Is(err, ErrEnded) {
					t.Fatalf("step: %v, want an end", err)
				}
				s.told(f, "B")
				return
			}
			span, ok, err := f.step(st)
			if g := s.log.Stat().Find(span.Gen); !ok || err != nil || g != s.log.Stat().Old[1] {
				t.Fatalf("step = %v, %v, %v, want what was put before", span, ok, err)
			}
		})
	}
}

// A second half that comes late is one all the same: whoever renames, and we, can
// be kept from running in between, for any time.
func TestSecondHalfLate(t *testing.T) {
	s := newScene(t)
	s.rename("app.log", "app.log-20260101")
	s.write("app.log", "B")
	s.rename("app.log", "app.log-20260102")
	s.write("app.log", "C")
	r := &s.set.round
	s.round(func() { r.pending.since = time.Time{} }, from("app.log", 1), to("app.log-20260101", 1), create("app.log"), from("app.log", 2))
	if r.pending == nil {
		t.Fatal("the second half was given up before anybody asked for it again")
	}
	s.round(nothing)
	if r.pending != nil {
		t.Fatal("the second half is waited for still")
	}
	s.round(nothing, to("app.log-20260102", 2), create("app.log"))
	s.expect("A", "B", "C")
}

// reuse writes a new file in the inode that another one had, which has name from
// now on: the other is deleted, as far as anybody can tell.
func (s *scene) reuse(old, name, text string) {
	s.rename(old, "app.tmp")
	s.write("app.tmp", text)
	s.rename("app.tmp", name)
}

// What was at the log's path is delivered, though we find it before we hear of
// that, in the inode of a copy of which we did not hear that it was deleted.
func TestInodeOfACopy(t *testing.T) {
	s := newScene(t)
	s.write("app.log.1", "copy")
	s.round(nothing, create("app.log.1"))
	s.rename("app.log", "app.log.2")
	s.write("app.log", "B")
	s.round(func() {
		s.rename("app.log", "app.log.4")
		s.reuse("app.log.1", "app.log", "C")
		s.rename("app.log", "app.log.3")
		s.write("app.log", "D")
	}, from("app.log", 1), to("app.log.2", 1), create("app.log"))
	s.round(nothing, from("app.log", 2), to("app.log.4", 2), del("app.log.1"), create("app.log"),
		from("app.log", 3), to("app.log.3", 3), create("app.log"))
	s.expect("A", "B", "C", "D")
}

// The same with the inode and the name of a generation that was renamed over.
func TestInodeOfWhatWasRenamedOver(t *testing.T) {
	s := newScene(t)
	s.rotate("app.log.1", "B")
	s.rename("app.log", "app.log.2")
	s.reuse("app.log.1", "app.log", "C")
	s.rename("app.log", "app.log.1")
	s.write("app.log", "D")
	s.round(nothing, from("app.log", 1), to("app.log.1", 1), create("app.log"),
		from("app.log.1", 2), to("app.log.2", 2), from("app.log", 3), to("app.log.1", 3), create("app.log"))
	s.expect("gone", "B", "C", "D")
}

// A file that was found where no hint has told of it yet is not taken for what
// the hints tell of that name: also if it is open, and if it was cut before.
func TestAheadOfTheHints(t *testing.T) {
	for _, cut := range []bool{false, true} {
		t.Run(fmt.Sprintf("cut=%v", cut), func(t *testing.T) {
			s := newScene(t)
			s.write("app.log", long("A"))
			s.look()
			defer Follow(s.log, FromStart).Close() // so it is open
			s.write("app.log.2", "another")
			want := []string{long("A"), "B"}
			if cut {
				s.write("app.log", "")
				want = []string{"gone", "late", "B"}
			}
			s.rename("app.log", "app.log.1")
			s.write("app.log", "B")
			s.round(func() { s.rename("app.log.1", "app.log.2") }, from("app.log", 1), to("app.log.1", 1), create("app.log"))
			s.round(nothing, del("app.log.2"), from("app.log.1", 2), to("app.log.2", 2))
			if cut {
				s.write("app.log.2", "late")
			}
			s.set.catchUp(func() { s.set.lookAll([]*Log{s.log}, false) })
			for _, g := range s.log.old {
				if g.pub.Readable && g.pub.Path != s.path("app.log.2") {
					t.Errorf("generation %d is at %q, want app.log.2", g.pub.ord, g.pub.Path)
				}
			}
			s.expect(want...)
		})
	}
}

// A generation can be found at the path before the hint that it came there, which
// then comes together with the one that it left.
func TestCameAndLeft(t *testing.T) {
	s := newScene(t)
	defer Follow(s.log, FromStart).Close() // so it is open: it is too short for anything else
	s.rename("app.log", "app.log.1")
	s.round(func() { s.write("app.log", "B") }, from("app.log", 1), to("app.log.1", 1))
	s.rename("app.log", "app.log.2")
	s.write("app.log", "C")
	s.round(nothing, create("app.log"), from("app.log", 2), to("app.log.2", 2), create("app.log"))
	s.expect("A", "B", "C")
}
