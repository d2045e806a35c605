package trust_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

	"fairlead/trust"
)

func ExampleAccess() {
	dir, err := os.MkdirTemp("", "trust")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	tokens := &trust.Tokens{Path: filepath.Join(dir, "tokens")}
	access := &trust.Access{Tokens: tokens}
	handler := access.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "you may ", trust.RoleOf(r.Context()))
	}))

	ask := func(header string) {
		r := httptest.NewRequest(http.MethodGet, "/logs", nil)
		if header != "" {
			r.Header.Set("Authorization", header)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Body)
	}
	secret, err := tokens.New("alice", trust.RoleView, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	ask("Bearer " + secret)
	if err := tokens.Revoke("alice"); err != nil {
		fmt.Println(err)
	}
	ask("Bearer " + secret)
	// Output:
	// 200 you may view
	// 401 there is no such token, or no more; `fairlead token new NAME`, on the machine, makes one; send it as `Authorization: Bearer TOKEN`
}
