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
	"regexp"
	"sort"
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
	// The addresses of the site as browsers see them, such as https://example.org; emails link to the first. Over http
	// a site can only be on one's own machine.
	Origins []string
	// The addresses of proxies in front of the site; from these alone X-Real-IP is taken.
	Proxies []string
	// The paths below which nobody is looked up: style sheets and images.
	Static []string
	// Draws a page as the site looks; nil is Draw.
	Render func(io.Writer, Page) error
	// What the English texts of pages are in other languages, by their tags such as "de".
	Texts map[string]map[string]string
	// The language for whoever asks for none of those; "" is "en".
	Language string
	// What a good password is, beside the fields for a new one; "" is that it has 12 characters.
	PasswordHint string
	// What stands in the form for API keys.
	Scopes string
	// Whether there is the page with which one logs in by an email. The server needs AUTHNZERVER_LOGINLINK.
	LoginLink bool
	// How many days after the last visit the sessions of those end who want to be remembered; 0 is as the server says.
	KeepDays int
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
	cookies  cookies
	guards   []guard
	routes   map[string]func(*Visit) error
	// The first is for whoever asks for none of the others.
	languages []string

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
	origins, isSecure, err := originsOf(options.Origins)
	if err != nil {
		return nil, err
	}
	options.Origins = origins
	if options.Render == nil {
		options.Render = Draw
	}
	if options.PasswordHint == "" {
		options.PasswordHint = textPasswordHint
	}
	if options.VisitorDays == 0 {
		options.VisitorDays = 7
	}
	if options.Log == nil {
		options.Log = log.Default()
	}
	site := &Site{
		options:   options,
		client:    client,
		csrfKeys:  client.Keys().Derived("csrf"),
		cookies:   cookies{isSecure},
		hints:     map[[sha256.Size]byte]hint{},
		languages: languagesOf(options),
		routes: map[string]func(*Visit) error{
			"/signup": signUp, "/verify": verify, "/login": logIn, "/logout": logOut, "/forgot": forgot,
			"/reset": reset, "/password": password, "/sessions": sessions, "/keys": keys, "/login-link": logInByLink,
			"/email": email, "/new-address": newAddress, "/old-address": oldAddress,
		},
	}
	for own := range ownRoutes {
		site.Guard(own)
	}
	return site, nil
}

// The pages of accounts that only somebody who is logged in can see.
var ownRoutes = map[string]bool{
	"/password": true, "/sessions": true, "/keys": true, "/email": true, "/new-address": true,
}

func languagesOf(options Options) []string {
	first := options.Language
	if first == "" {
		first = "en"
	}
	languages := []string{first}
	for language := range options.Texts {
		if language != first {
			languages = append(languages, language)
		}
	}
	sort.Strings(languages[1:])
	return languages
}

// originsOf are the addresses of a site, and whether they are of HTTPS. If not, the site must be on this very machine.
func originsOf(given []string) ([]string, bool, error) {
	var origins []string
	secure, local := 0, 0
	for _, origin := range given {
		parsed, err := url.Parse(origin)
		if err != nil || parsed.Hostname() == "" || parsed.User != nil || strings.Trim(parsed.Path, "/") != "" || parsed.RawQuery != "" {
			return nil, false, errors.New("an address of a site is https://HOST or https://HOST:PORT")
		}
		host := parsed.Hostname()
		switch {
		case parsed.Scheme == "https":
			secure++
		case parsed.Scheme == "http" && (host == "127.0.0.1" || host == "::1" || host == "localhost"):
			local++
		}
		origins = append(origins, parsed.Scheme+"://"+parsed.Host)
	}
	if len(origins) == 0 || (secure != len(origins) && local != len(origins)) {
		return nil, false, errors.New("a site is at https://, or at http:// on this very machine")
	}
	return origins, secure > 0, nil
}

// Wrap goes around a handler, which finds the Visit by Of. It answers what is a page of accounts, and keeps out who may
// not see what lies behind a guard.
func (site *Site) Wrap(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		visit := site.newVisit(w, r)
		answered, err := site.answer(visit)
		if err != nil {
			visit.failed(err)
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
			visit.through(w).toLogin()
		}
	})
}

// RoleRequired shows a handler, inside of Wrap, only to whoever is logged in and has one of these roles.
func RoleRequired(handler http.Handler, roles ...string) http.Handler {
	return LoginRequired(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if visit := Of(r); visit.HasRole(roles...) {
			handler.ServeHTTP(w, r)
		} else {
			visit.through(w).say(http.StatusForbidden, textForbidden)
		}
	}))
}

// answer tells whether there is nothing left for the program to do.
func (site *Site) answer(visit *Visit) (bool, error) {
	asked := visit.request.URL.Path
	if isRead := visit.request.Method == http.MethodGet || visit.request.Method == http.MethodHead; isRead && site.isStatic(asked) {
		return false, nil
	}
	route := site.routes[asked]
	guards := site.guardsOf(asked)
	if route != nil && !ownRoutes[asked] {
		// Whoever is to log in has to see the page for that, also where the whole site is guarded.
		guards = nil
	}
	byKey := 0
	for _, guard := range guards {
		if guard.key != nil {
			byKey++
		}
	}
	if byKey > 0 && byKey < len(guards) {
		// A key is nobody who is logged in, so it does not pass a guard that wants somebody.
		return visit.say(http.StatusForbidden, textForbidden), nil
	} else if byKey > 0 {
		return site.checkKey(visit, guards)
	}
	if forged, err := visit.isForged(); err != nil {
		visit.say(http.StatusRequestEntityTooLarge, textTooLong)
		return true, nil
	} else if forged {
		visit.say(http.StatusForbidden, textForged)
		return true, nil
	}
	if answered, err := site.look(visit, guards); answered || err != nil {
		return true, err
	}
	if route == nil {
		return false, nil
	}
	switch visit.request.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost:
		return true, route(visit)
	}
	visit.say(http.StatusMethodNotAllowed, textMethods)
	return true, nil
}

// clientAddress is the end user's.
func (site *Site) clientAddress(r *http.Request) string {
	peer := r.RemoteAddr
	if parsed, err := netip.ParseAddrPort(peer); err == nil {
		peer = parsed.Addr().Unmap().WithZone("").String()
	} else if peer == "@" {
		// What connects by a Unix socket has no address.
		peer = ""
	}
	for _, proxy := range site.options.Proxies {
		if said, err := netip.ParseAddr(r.Header.Get("X-Real-IP")); proxy == peer && err == nil {
			return said.WithZone("").String()
		}
	}
	return peer
}

// Failed answers what an end user is to see of an error. The request is the one that came through Wrap.
func (site *Site) Failed(w http.ResponseWriter, r *http.Request, err error) {
	visit, is := r.Context().Value(visitKey{}).(*Visit)
	if !is {
		visit = site.newVisit(w, r)
	}
	visit.through(w).failed(err)
}

func (visit *Visit) failed(err error) {
	var refused *authnzerver.RefusedError
	var limited *authnzerver.OverLimitError
	var unavailable *authnzerver.UnavailableError
	logger := visit.site.options.Log
	switch {
	case errors.As(err, &refused):
		visit.say(http.StatusForbidden, strings.Join(refused.Messages, " "))
	case errors.As(err, &limited):
		waitFor(visit.writer, limited.RetryAfter)
		visit.say(http.StatusTooManyRequests, textWait)
	case errors.As(err, &unavailable):
		logger.Printf("authnzerver: %v", err)
		waitFor(visit.writer, unavailable.RetryAfter)
		visit.say(http.StatusServiceUnavailable, textUnavailable)
	default:
		logger.Printf("authnzerver: %v", err)
		visit.say(http.StatusInternalServerError, textUnknownError)
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

// guardsOf are those that cover a path, however it is read.
func (site *Site) guardsOf(asked string) []guard {
	var found []guard
	ways := readings(asked)
	for _, guard := range site.guards {
		for _, way := range ways {
			if guard.covers(way) {
				found = append(found, guard)
				break
			}
		}
	}
	return found
}

// isStatic tells whether nobody is looked up for a path, however it is read.
func (site *Site) isStatic(asked string) bool {
	for _, way := range readings(asked) {
		isBelow := false
		for _, folder := range site.options.Static {
			isBelow = isBelow || strings.HasPrefix(way, flat(strings.TrimRight(folder, "/")+"/"))
		}
		if !isBelow {
			return false
		}
	}
	return true
}

// readings are the ways in which what is behind us may read a path: routers differ in whether they look at letters'
// case, decode once more, join slashes and follow dots. A guard that covers one of them holds.
func readings(asked string) []string {
	plain := flat(asked)
	decoded := plain
	if once, err := url.PathUnescape(plain); err == nil {
		decoded = flat(once)
	}
	return []string{plain, decoded, flat(path.Clean("/" + decoded))}
}

var slashes = regexp.MustCompile(`/{2,}`)

func flat(path string) string {
	return strings.ToLower(slashes.ReplaceAllString(strings.ReplaceAll(path, `\`, "/"), "/"))
}
