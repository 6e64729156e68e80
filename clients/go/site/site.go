// Package site is a site's accounts: pages from sign-up to API keys, sessions in a cookie, guards, and protection against
// forged forms. Put Site.Wrap around the handler of a site, and it has all of that.
package site

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"log"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"authnzerver.example/authnzerver"
)

const hintsMax = 4096

// Options is what a Site may be told.
type Options struct {
	// What the site is called.
	Name string
	// The addresses of the site as browsers see them, such as https://example.org; emails link to the first.
	Origins []string
	// The addresses of proxies in front of the site; from these alone X-Real-IP is taken.
	Proxies []string
	// Draws a page as the site looks; nil is Draw.
	Render func(io.Writer, Page) error
	// How many days the session of a visitor lives for whom something was stored; 0 is 7.
	VisitorDays int
	// Hears what a person has to look at; nil is the standard logger.
	Log *log.Logger
}

// Site is what a site is called, where it is, and who may see what.
type Site struct {
	options  Options
	client   *authnzerver.Client
	csrfKeys [][]byte
	guards   []guard
	routes   map[string]func(*Visit) error

	lock sync.Mutex
	// Who a session belonged to when it was last seen: what can be asked together with who it belongs to now.
	hints map[[sha256.Size]byte]hint
}

type hint struct {
	userID   int64
	userRole string
}

// New makes a site that asks through this client.
func New(client *authnzerver.Client, options Options) (*Site, error) {
	if len(options.Origins) == 0 {
		return nil, errors.New("a site has an address, such as https://example.org")
	}
	origins := make([]string, 0, len(options.Origins))
	for _, origin := range options.Origins {
		parsed, err := url.Parse(origin)
		if err != nil || parsed.Scheme == "" || parsed.Host == "" || strings.Trim(parsed.Path, "/") != "" {
			return nil, errors.New("an address of a site is https://HOST or https://HOST:PORT")
		}
		origins = append(origins, parsed.Scheme+"://"+parsed.Host)
	}
	options.Origins = origins
	if options.Render == nil {
		options.Render = Draw
	}
	if options.VisitorDays == 0 {
		options.VisitorDays = 7
	}
	if options.Log == nil {
		options.Log = log.Default()
	}
	site := &Site{
		options:  options,
		client:   client,
		csrfKeys: client.Keys().Derived("csrf"),
		hints:    map[[sha256.Size]byte]hint{},
		routes: map[string]func(*Visit) error{
			"/signup": signUp, "/verify": verify, "/login": logIn, "/logout": logOut, "/forgot": forgot,
			"/reset": reset, "/password": password, "/sessions": sessions, "/keys": keys,
		},
	}
	for _, own := range []string{"/password", "/sessions", "/keys"} {
		site.Guard(own)
	}
	return site, nil
}

// Wrap goes around a handler, which finds the Visit by Of. It answers what is a page of accounts, and keeps out who may
// not see what lies behind a guard.
func (site *Site) Wrap(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		visit := site.newVisit(w, r)
		answered, err := site.answer(visit)
		if err != nil {
			site.Failed(w, err)
		} else if !answered {
			handler.ServeHTTP(w, visit.request.WithContext(context.WithValue(r.Context(), visitKey{}, visit)))
		}
	})
}

// LoginRequired shows a handler, inside of Wrap, only to whoever is logged in.
func LoginRequired(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if visit := Of(r); visit.IsLoggedIn() {
			handler.ServeHTTP(w, r)
		} else {
			visit.toLogin()
		}
	})
}

// RoleRequired shows a handler, inside of Wrap, only to whoever is logged in and has one of these roles.
func RoleRequired(handler http.Handler, roles ...string) http.Handler {
	return LoginRequired(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if visit := Of(r); visit.HasRole(roles...) {
			handler.ServeHTTP(w, r)
		} else {
			visit.say(http.StatusForbidden, notAllowed)
		}
	}))
}

// answer tells whether there is nothing left for the program to do.
func (site *Site) answer(visit *Visit) (bool, error) {
	guards := site.guardsOf(visit.request.URL.Path)
	for _, guard := range guards {
		if guard.key != nil {
			return site.checkKey(visit, guards)
		}
	}
	if forged, err := visit.isForged(); err != nil {
		visit.say(http.StatusRequestEntityTooLarge, "This form is too long.")
		return true, nil
	} else if forged {
		visit.say(http.StatusForbidden, "Please go back, reload the page, and try again.")
		return true, nil
	}
	if answered, err := site.look(visit, guards); answered || err != nil {
		return true, err
	}
	route := site.routes[visit.request.URL.Path]
	if route == nil {
		return false, nil
	}
	switch visit.request.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost:
		return true, route(visit)
	}
	visit.say(http.StatusMethodNotAllowed, "This page knows only GET and POST.")
	return true, nil
}

// clientAddress is the end user's.
func (site *Site) clientAddress(r *http.Request) string {
	peer := r.RemoteAddr
	if parsed, err := netip.ParseAddrPort(peer); err == nil {
		peer = parsed.Addr().Unmap().WithZone("").String()
	}
	for _, proxy := range site.options.Proxies {
		if said, err := netip.ParseAddr(r.Header.Get("X-Real-IP")); proxy == peer && err == nil {
			return said.WithZone("").String()
		}
	}
	return peer
}

// Failed answers what an end user is to see of an error.
func (site *Site) Failed(w http.ResponseWriter, err error) {
	var refused *authnzerver.RefusedError
	var limited *authnzerver.OverLimitError
	var unavailable *authnzerver.UnavailableError
	visit := &Visit{site: site, writer: w}
	switch {
	case errors.As(err, &refused):
		visit.say(http.StatusForbidden, strings.Join(refused.Messages, " "))
	case errors.As(err, &limited):
		waitFor(w, limited.RetryAfter)
		visit.say(http.StatusTooManyRequests, "Please wait a moment, and try again.")
	case errors.As(err, &unavailable):
		site.options.Log.Printf("authnzerver: %v", err)
		waitFor(w, unavailable.RetryAfter)
		visit.say(http.StatusServiceUnavailable, "This does not work for now. Please try again soon.")
	default:
		site.options.Log.Printf("authnzerver: %v", err)
		visit.say(http.StatusInternalServerError, "This does not work.")
	}
}

func waitFor(w http.ResponseWriter, wait time.Duration) {
	seconds := int(wait.Seconds())
	if seconds < 1 {
		seconds = 1
	}
	w.Header().Set("Retry-After", strconv.Itoa(seconds))
}

// address is a page of the site, for an email.
func (site *Site) address(page string) string { return site.options.Origins[0] + page }

// guardsOf are those that cover a path, also as routers see it that take "//a/../b" for "/b".
func (site *Site) guardsOf(asked string) []guard {
	var found []guard
	cleaned := path.Clean("/" + asked)
	for _, guard := range site.guards {
		if guard.covers(asked) || guard.covers(cleaned) {
			found = append(found, guard)
		}
	}
	return found
}
