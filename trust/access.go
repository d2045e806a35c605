package trust

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// An Access decides who may ask over HTTP. In this order:
//
//   - a page of another site may not ([OtherSite]);
//   - what is open is for everyone, to read;
//   - a token gives its role, and one that does not hold gives nothing;
//   - without a token a process of our own user or root on this machine may
//     read, if it asks this machine itself and not by way of a proxy;
//   - to do anything but GET and HEAD takes a token that lets its owner act.
//
// A token is given as `Authorization: Bearer TOKEN` and in no other way. Its
// fields are set before use.
type Access struct {
	Tokens *Tokens                  // nil: there are none
	Hosts  []string                 // names, with a port or for every port, that we are also asked by, as behind a proxy
	Open   func(*http.Request) bool // what everyone may read; nil: nothing
	Log    *slog.Logger             // nil discards
}

// What the cure of a refusal says.
const (
	cureView = "`fairlead token new NAME`, on the machine, makes one; send it as `Authorization: Bearer TOKEN`"
	cureAct  = "`fairlead token new NAME --role act`, on the machine, makes one; send it as `Authorization: Bearer TOKEN`"
)

// Handler returns next behind the rules. Whose process is at the other end is
// known only where the http.Server has [WithPeer] in its ConnContext.
func (a *Access) Handler(next http.Handler) http.Handler {
	g := &guard{Access: a, acting: http.NewCrossOriginProtection()}
	for _, host := range a.Hosts {
		for _, scheme := range []string{"https://", "http://"} {
			_ = g.acting.AddTrustedOrigin(scheme + host) // what is no origin comes from no page
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		role, denied := g.admit(r)
		if denied != nil {
			g.refuse(w, r, denied)
			return
		}
		ctx, done := g.whileHeld(r)
		defer done()
		next.ServeHTTP(w, r.WithContext(context.WithValue(ctx, admittedKey{}, admitted{role})))
	})
}

// recheck is how often a token is looked at while a request of its owner lasts,
// which may be for days: a stream must not outlive the right to see it.
const recheck = 5 * time.Second

// whileHeld returns the context of a request, which ends when the token that it
// came with does. done is called when the request is over.
func (g *guard) whileHeld(r *http.Request) (ctx context.Context, done func()) {
	secret, ok := bearer(r.Header.Values("Authorization"))
	if !ok || g.Tokens == nil {
		return r.Context(), func() {}
	}
	return while(r.Context(), recheck, func() bool {
		_, err := g.Tokens.Check(secret)
		return !errors.Is(err, ErrNoToken) && !errors.Is(err, ErrExpired)
	})
}

type admittedKey struct{}

// admitted is what an Access leaves in the context of a request.
type admitted struct{ role Role }

// RoleOf returns what whoever sent a request may do, by the context that the
// request has behind an [Access]. It is empty for what is open, and everywhere
// else.
func RoleOf(ctx context.Context) Role {
	a, _ := ctx.Value(admittedKey{}).(admitted)
	return a.role
}

// A guard is an Access at work.
type guard struct {
	*Access
	acting *http.CrossOriginProtection
	failed atomic.Pointer[string] // why tokens could not be checked, as it was logged last
}

// A denial is an answer that is no.
type denial struct {
	status int
	reason string // and the cure
}

func forbidden(reason string) *denial    { return &denial{http.StatusForbidden, reason} }
func unauthorized(reason string) *denial { return &denial{http.StatusUnauthorized, reason} }

func (g *guard) admit(r *http.Request) (Role, *denial) {
	if err := OtherSite(r, "", g.Hosts...); err != nil {
		return "", forbidden(err.Error())
	}
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	if reads && g.Open != nil && g.Open(r) {
		return "", nil
	}
	role, denied := g.role(r, reads)
	switch {
	case denied != nil:
		return "", denied
	case reads:
		return role, nil
	case !role.May(RoleAct):
		return "", forbidden("this token is for reading: to act takes one with the role act; " + cureAct)
	}
	if err := g.acting.Check(r); err != nil {
		return "", forbidden(errOtherSite.Error() + ": " + err.Error())
	}
	return role, nil
}

// role returns what the sender of a request may do.
func (g *guard) role(r *http.Request, reads bool) (Role, *denial) {
	if given := r.Header.Values("Authorization"); len(given) > 0 {
		return g.roleOfToken(given)
	}
	if !reads {
		return "", unauthorized("to act takes a token with the role act; " + cureAct)
	}
	if g.atHome(r) {
		return RoleView, nil
	}
	return "", unauthorized("who asks is not known, and needs a token; " + cureView)
}

func (g *guard) roleOfToken(given []string) (Role, *denial) {
	secret, ok := bearer(given)
	if !ok {
		return "", unauthorized("there is to be one Authorization header, `Bearer TOKEN`; " + cureView)
	}
	err := ErrNoToken
	if g.Tokens != nil {
		var token Token
		if token, err = g.Tokens.Check(secret); err == nil {
			return token.Role, nil
		}
	}
	switch {
	case errors.Is(err, ErrExpired):
		return "", unauthorized("the token has expired; " + cureView)
	case errors.Is(err, ErrNoToken):
		return "", unauthorized("there is no such token, or no more; " + cureView)
	}
	g.complain(err)
	return "", &denial{http.StatusServiceUnavailable, "tokens cannot be checked at the moment; the log of this server says why"}
}

// bearer returns the secret in the values of the header Authorization. Two of
// them would leave open which one counts.
func bearer(given []string) (secret string, ok bool) {
	if len(given) != 1 {
		return "", false
	}
	scheme, rest, _ := strings.Cut(given[0], " ")
	secret = strings.Trim(rest, " ")
	return secret, strings.EqualFold(scheme, "Bearer") && secret != "" && !strings.ContainsAny(secret, " \t,")
}

// atHome says whether a process of our own user or root on this machine asks
// for itself. A proxy of ours asks for others: it is known by its headers, or by
// the name that we are asked by.
func (g *guard) atHome(r *http.Request) bool {
	if proxied(r.Header) || !loopbackHost(r.Host) || among(g.Hosts, r.Host) {
		return false
	}
	ours, _ := PeerIsOurs(r.Context())
	return ours
}

func proxied(h http.Header) bool {
	for name := range h { // in the form of http.CanonicalHeaderKey
		switch {
		case strings.HasPrefix(name, "X-Forwarded"), name == "Forwarded", name == "Via",
			name == "X-Real-Ip", name == "X-Client-Ip", name == "True-Client-Ip", name == "Cf-Connecting-Ip":
			return true
		}
	}
	return false
}

// refuse answers with a reason and its cure, in one line.
func (g *guard) refuse(w http.ResponseWriter, r *http.Request, d *denial) {
	g.logger().Debug("turned away", "peer", r.RemoteAddr, "method", r.Method, "path", r.URL.Path, "err", d.reason)
	if d.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="fairlead"`)
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, d.reason, d.status) // as text/plain, with nosniff
}

// complain logs why tokens cannot be checked, once for each reason: anybody can
// make us try.
func (g *guard) complain(err error) {
	text := err.Error()
	if last := g.failed.Swap(&text); last == nil || *last != text {
		g.logger().Error("no token counts", "err", err)
	}
}

func (g *guard) logger() *slog.Logger { return cmp.Or(g.Log, slog.New(slog.DiscardHandler)) }
