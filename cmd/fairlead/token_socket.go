package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"time"

	"fairlead/trust"
)

// What is said about tokens over the local socket. Who may connect there may
// also make tokens.
//
//	GET /tokens           a tokenList
//	POST /tokens          a tokenWish, answered by a tokenMade
//	DELETE /tokens/NAME   204, or 404
type (
	tokenList struct {
		Command string        `json:"command"`
		Name    string        `json:"name,omitempty"` // of the process
		PID     int           `json:"pid"`
		File    string        `json:"file"`
		Pages   []string      `json:"pages"` // that a token opens
		Ignored int           `json:"ignored_lines"`
		Tokens  []tokenReport `json:"tokens"`
	}
	tokenWish struct {
		Name string     `json:"name"`
		Role trust.Role `json:"role"`
		TTL  int64      `json:"ttl_seconds"` // 0: for ever
	}
	tokenMade struct {
		Secret   string    `json:"secret"`
		Expires  time.Time `json:"expires,omitzero"`
		Replaced bool      `json:"replaced"` // one of that name, which has ended
		Pages    []string  `json:"pages"`
	}
)

// A tokenReport is what `token list -o json` prints of each token. It is
// documented as stable.
type tokenReport struct {
	Name    string     `json:"name"`
	Role    trust.Role `json:"role"`
	Created time.Time  `json:"created,omitzero"` // missing: the configuration gives it
	Expires time.Time  `json:"expires,omitzero"` // missing: never
}

// A tokenKeeper has tokens: a file, or a process that runs.
type tokenKeeper interface {
	create(context.Context, tokenWish) (tokenMade, error)
	list(context.Context) (tokenList, error)
	revoke(ctx context.Context, name string) error
}

// tokensInFile keeps them in a file.
type tokensInFile struct{ *trust.Tokens }

// maxTTL keeps an end of time out of it.
const maxTTL = 100 * 365 * 24 * time.Hour

func (w tokenWish) check() error {
	if err := trust.CheckName(w.Name); err != nil {
		return err
	}
	if _, err := trust.ParseRole(string(w.Role)); err != nil {
		return err
	}
	if w.TTL < 0 || w.TTL > int64(maxTTL/time.Second) {
		return fmt.Errorf("a token for %d seconds: it is 0, for ever, to %d", w.TTL, maxTTL/time.Second)
	}
	return nil
}

func (t tokensInFile) create(_ context.Context, wish tokenWish) (tokenMade, error) {
	before, err := t.List()
	if err != nil {
		return tokenMade{}, err
	}
	var made tokenMade
	for _, token := range before {
		made.Replaced = made.Replaced || token.Name == wish.Name
	}
	if made.Secret, err = t.New(wish.Name, wish.Role, time.Duration(wish.TTL)*time.Second); err != nil {
		return tokenMade{}, err
	}
	token, err := t.Check(made.Secret)
	made.Expires = token.Expires
	return made, err
}

func (t tokensInFile) list(context.Context) (tokenList, error) {
	list := tokenList{File: t.Path, Tokens: []tokenReport{}, Pages: []string{}}
	tokens, err := t.List()
	if err != nil {
		return list, err
	}
	for _, token := range tokens {
		list.Tokens = append(list.Tokens, tokenReport{token.Name, token.Role, token.Created, token.Expires})
	}
	list.Ignored, err = t.Ignored()
	return list, err
}

func (t tokensInFile) revoke(_ context.Context, name string) error { return t.Revoke(name) }

// tokensOfProcess asks the process at a local socket.
type tokensOfProcess struct{ socket string }

func (p tokensOfProcess) create(ctx context.Context, wish tokenWish) (made tokenMade, err error) {
	return made, p.tell(ctx, http.MethodPost, "/tokens", wish, &made)
}

func (p tokensOfProcess) list(ctx context.Context) (list tokenList, err error) {
	return list, p.tell(ctx, http.MethodGet, "/tokens", nil, &list)
}

func (p tokensOfProcess) revoke(ctx context.Context, name string) error {
	err := p.tell(ctx, http.MethodDelete, "/tokens/"+url.PathEscape(name), nil, nil)
	var no *refusal
	if errors.As(err, &no) && no.status == http.StatusNotFound {
		return fmt.Errorf("revoke token %s: %w", name, trust.ErrNoToken)
	}
	return err
}

func (p tokensOfProcess) tell(ctx context.Context, method, path string, body, into any) error {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	return tell(ctx, p.socket, method, path, body, into)
}

// maxWish is how long a tokenWish may be, in bytes.
const maxWish = 4096

func (l *local) tokenRoutes(mux *http.ServeMux) {
	tokens := tokensInFile{l.tokens}
	mux.HandleFunc("GET /tokens", func(w http.ResponseWriter, r *http.Request) {
		list, err := tokens.list(r.Context())
		if err != nil {
			refuseToken(w, err)
			return
		}
		list.Command, list.Name, list.PID, list.Pages = l.command, l.name, os.Getpid(), l.pages()
		answer(w, list)
	})
	mux.HandleFunc("POST /tokens", func(w http.ResponseWriter, r *http.Request) {
		wish, err := readWish(w, r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		made, err := tokens.create(r.Context(), wish)
		if err != nil {
			refuseToken(w, err)
			return
		}
		l.log.Info("token made", "token", wish.Name, "role", string(wish.Role), "replaced", made.Replaced)
		made.Pages = l.pages()
		w.Header().Set("Cache-Control", "no-store")
		answer(w, made)
	})
	mux.HandleFunc("DELETE /tokens/{name}", func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("name")
		if err := tokens.revoke(r.Context(), name); err != nil {
			refuseToken(w, err)
			return
		}
		l.log.Info("token revoked", "token", name)
		w.WriteHeader(http.StatusNoContent)
	})
}

// readWish reads one JSON object and nothing more.
func readWish(w http.ResponseWriter, r *http.Request) (wish tokenWish, err error) {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		return wish, errors.New("a token is asked for with Content-Type: application/json")
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxWish))
	d.DisallowUnknownFields()
	if err := d.Decode(&wish); err != nil {
		return wish, fmt.Errorf("read the wish for a token: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return wish, errors.New("read the wish for a token: there is more than one object")
	}
	return wish, wish.check()
}

// refuseToken answers with what is wrong. Who may ask may know where the file is.
func refuseToken(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	if errors.Is(err, trust.ErrNoToken) {
		status = http.StatusNotFound
	}
	http.Error(w, err.Error(), status)
}
