package spool_test

import (
	"fmt"

	"fairlead/spool"
)

// A reader is an offset. It takes Changed before it looks, so that it misses
// nothing while it decides to wait.
func Example() {
	s, err := spool.Open(spool.Options{}) // in memory
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	changed := s.Changed()
	s.Append([]byte("one\ntwo\n"))
	<-changed
	g, err := s.Acquire(4)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer g.Release()
	fmt.Printf("%s", g.Bytes(4))
	// Output: two
}
