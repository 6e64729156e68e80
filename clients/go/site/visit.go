package site

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"html"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"authnzerver.example/authnzerver"
)

const (
	csrfField    = "csrf"
	csrfHeader   = "X-CSRF-Token"
	formBytesMax = 1 << 20
	anonymous    = 2
	// What is noted about the session of somebody who wants to be remembered.
	remembered = "remember"
)

// cookies are called so that browsers keep them for HTTPS and this host. Over HTTP, which is for one's own machine alone,
// browsers do not all take those; and there the programs of all ports share theirs.
type cookies struct{ secure bool }

func (cookies cookies) session() string { return cookies.prefix() + "session" }
func (cookies cookies) visitor() string { return cookies.prefix() + "visitor" }

func (cookies cookies) prefix() string {
	if cookies.secure {
		return "__Host-"
	}
	return "insecure-"
}

type visitKey struct{}

// Visit is what the site knows about the request that it answers.
type Visit struct {
	// The live session and its owner; nil without one.
	Session *authnzerver.SessionAndOwner
	// Whose API key it was, where a guard asks for one; else nil.
	KeyOwner *int64

	site    *Site
	writer  http.ResponseWriter
	request *http.Request
	caller  *authnzerver.Caller
	token   string
	visitor string
	form    url.Values

	language string
}

// Of is the visit of a request that came through Site.Wrap. For any other it panics: it has no guard either.
func Of(r *http.Request) *Visit { return r.Context().Value(visitKey{}).(*Visit) }

func (site *Site) newVisit(w http.ResponseWriter, r *http.Request) *Visit {
	return &Visit{
		site: site, writer: w, request: r,
		caller:  site.client.At(site.clientAddress(r), r.UserAgent()),
		token:   cookie(r, site.cookies.session()),
		visitor: cookie(r, site.cookies.visitor()),

		language: preferred(strings.Join(r.Header.Values("Accept-Language"), ","), site.languages),
	}
}

// through is the visit where the program has put another writer around the site's.
func (visit *Visit) through(w http.ResponseWriter) *Visit {
	changed := *visit
	changed.writer = w
	return &changed
}

// cookie is the one of this name. One that is there twice was not set by us.
func cookie(r *http.Request, name string) string {
	found := ""
	for _, one := range r.Cookies() {
		if one.Name != name {
			continue
		}
		if found != "" {
			return ""
		}
		found = one.Value
	}
	return found
}

// Caller asks the server on behalf of whoever visits.
func (visit *Visit) Caller() *authnzerver.Caller { return visit.caller }

// IsLoggedIn tells whether somebody is logged in.
func (visit *Visit) IsLoggedIn() bool {
	return visit.Session != nil && visit.Session.UserID != anonymous
}

// UserID is who is logged in; 0 is nobody.
func (visit *Visit) UserID() int64 {
	if visit.IsLoggedIn() {
		return visit.Session.UserID
	}
	return 0
}

// Name is what to call whoever is logged in, as plain text.
func (visit *Visit) Name() string {
	switch {
	case !visit.IsLoggedIn():
		return ""
	case visit.Session.FullName != nil && *visit.Session.FullName != "":
		return html.UnescapeString(*visit.Session.FullName)
	}
	return visit.Session.Email
}

// Role is the role of whoever asks.
func (visit *Visit) Role() string {
	if visit.IsLoggedIn() {
		return visit.Session.UserRole
	}
	return "anonymous"
}

// SessionToken is for requests of the site's own about the session; empty without one.
func (visit *Visit) SessionToken() string { return visit.token }

// Language is the language of this visitor, of those that the site has.
func (visit *Visit) Language() string { return visit.language }

func (visit *Visit) languageAsked() *string { return authnzerver.Ptr(visit.language) }

// Text is an English text in the language of this visitor; the text itself, where nobody has said what it is in that.
func (visit *Visit) Text(text string) string {
	if translated, is := visit.site.options.Texts[visit.language][text]; is {
		return translated
	}
	return text
}

// Item is what a site asks the policy about. The zero Visibility is "private".
type Item struct {
	Kind       string
	Owner      int64
	Visibility string
	// The users whom it is shared with.
	SharedWith []int64
}

// May tells whether the policy lets this visitor do something with an item. An error is no verdict: pass it to
// Site.Failed.
func (visit *Visit) May(ctx context.Context, action string, item Item) (bool, error) {
	params := authnzerver.UserCheckAccessParams{
		UserID: anonymous, UserRole: visit.Role(), Action: action, TargetName: item.Kind, TargetOwner: item.Owner,
		TargetVisibility: item.Visibility,
	}
	if visit.IsLoggedIn() {
		params.UserID = visit.Session.UserID
	}
	if item.Visibility == "" {
		params.TargetVisibility = "private"
	}
	var shared []string
	for _, user := range item.SharedWith {
		shared = append(shared, strconv.FormatInt(user, 10))
	}
	if len(shared) > 0 {
		params.TargetSharedwith = authnzerver.Ptr(strings.Join(shared, ","))
	}
	_, err := visit.caller.UserCheckAccess(ctx, params)
	var refused *authnzerver.RefusedError
	if errors.As(err, &refused) {
		return false, nil
	}
	return err == nil, err
}

// HasRole tells whether somebody with one of these roles is logged in.
func (visit *Visit) HasRole(roles ...string) bool {
	for _, role := range roles {
		if visit.IsLoggedIn() && visit.Session.UserRole == role {
			return true
		}
	}
	return false
}

// Store notes values about the session; a visitor gets a session by that, and has none before. A login takes over what
// was noted. It sets a cookie, so it comes before the body of the answer.
func (visit *Visit) Store(ctx context.Context, values map[string]any) error {
	if visit.token != "" {
		edit := authnzerver.InternalSessionEditParams{TargetSessionToken: visit.token, UpdateDict: values}
		_, err := visit.caller.InternalSessionEdit(ctx, edit)
		return err
	}
	made, err := visit.caller.SessionNew(ctx, authnzerver.SessionNewParams{
		Expires: authnzerver.Int(visit.site.options.VisitorDays), ExtraInfoJSON: values,
	})
	if err == nil {
		visit.start(made.SessionToken, made.Expires, false)
	}
	return err
}

// Stored is what was noted about the session when the request came.
func (visit *Visit) Stored() map[string]any {
	values := map[string]any{}
	if visit.Session == nil || json.Unmarshal(visit.Session.ExtraInfoJSON, &values) != nil || values == nil {
		return map[string]any{}
	}
	return values
}

// start has another session from here on. Without `remember` its cookie ends with the browser.
func (visit *Visit) start(token string, expires time.Time, remember bool) {
	visit.token = token
	if remember {
		visit.keep(expires)
	} else {
		visit.setCookie(visit.site.cookies.session(), token, 0)
	}
}

// keep has the cookie last as long as the session.
func (visit *Visit) keep(expires time.Time) {
	age := int(time.Until(expires).Seconds())
	if age < 1 {
		age = -1
	}
	visit.setCookie(visit.site.cookies.session(), visit.token, age)
}

// prolong has the session of somebody who wants to be remembered last from now on, once an hour.
func (visit *Visit) prolong() error {
	days := visit.site.options.KeepDays
	if days == 0 || !visit.IsLoggedIn() || visit.Stored()[remembered] != true {
		return nil
	}
	if time.Until(visit.Session.Expires) > time.Duration(days)*24*time.Hour-time.Hour {
		return nil
	}
	params := authnzerver.SessionTouchParams{SessionToken: visit.token, Days: int64(days)}
	answer, err := visit.caller.SessionTouch(visit.request.Context(), params)
	var refused *authnzerver.RefusedError
	if errors.As(err, &refused) {
		return nil
	} else if err != nil {
		return err
	}
	// The operator may allow no more; then there is nothing to tell the browser either.
	if answer.Expires.After(visit.Session.Expires) {
		visit.keep(answer.Expires)
	}
	return nil
}

// forget has no session any more.
func (visit *Visit) forget() {
	visit.token, visit.Session = "", nil
	visit.setCookie(visit.site.cookies.session(), "", -1)
}

func (visit *Visit) setCookie(name, value string, age int) {
	http.SetCookie(visit.writer, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: age,
		Secure: visit.site.cookies.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// forgetVisitor has the forms of before the login be good for nothing.
func (visit *Visit) forgetVisitor() {
	if visit.visitor != "" {
		visit.visitor = ""
		visit.setCookie(visit.site.cookies.visitor(), "", -1)
	}
}

// bound is what forms are bound to: the session or, where there is none, a cookie. The form of a visitor outlives that
// they get a session, and that a session has ended meanwhile.
func (visit *Visit) bound() []string {
	var bound []string
	if visit.token != "" {
		bound = append(bound, "session "+visit.token)
	}
	if visit.visitor != "" {
		bound = append(bound, "visitor "+visit.visitor)
	}
	return bound
}

// CSRFToken is for the hidden field `csrf` of a form, or the header X-CSRF-Token. It is bound to the session, or to a
// cookie where there is none; that may have to be set, so it comes before the body of the answer.
func (visit *Visit) CSRFToken() string {
	if len(visit.bound()) == 0 {
		visit.visitor = random(24)
		visit.setCookie(visit.site.cookies.visitor(), visit.visitor, 0)
	}
	nonce := random(12)
	return nonce + "." + signature(visit.site.csrfKeys[0], nonce, visit.bound()[0])
}

// isForged tells whether what changes something was not sent by a page of ours. An error says that the form is too long.
func (visit *Visit) isForged() (bool, error) {
	r := visit.request
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		// No token can come with a WebSocket, but an origin does.
		return r.Header.Get("Upgrade") != "" && !visit.isOfOurOrigin(), nil
	}
	if !visit.isOfOurOrigin() {
		return true, nil
	}
	if err := visit.readForm(); err != nil {
		return false, err
	}
	token := r.Header.Get(csrfHeader)
	if token == "" {
		token = visit.form.Get(csrfField)
	}
	nonce, given, _ := strings.Cut(token, ".")
	for _, bound := range visit.bound() {
		for _, key := range visit.site.csrfKeys {
			if hmac.Equal([]byte(given), []byte(signature(key, nonce, bound))) {
				return false, nil
			}
		}
	}
	return true, nil
}

func (visit *Visit) isOfOurOrigin() bool {
	if from := visit.request.Header.Values("Sec-Fetch-Site"); len(from) > 0 && (len(from) > 1 || from[0] != "same-origin") {
		return false
	}
	said := visit.request.Header.Values("Origin")
	if len(said) == 0 {
		return true
	}
	for _, origin := range visit.site.options.Origins {
		if len(said) == 1 && said[0] == origin {
			return true
		}
	}
	return false
}

func signature(key []byte, nonce, bound string) string {
	mac := hmac.New(sha256.New, key)
	io.WriteString(mac, nonce+" "+bound)
	return hex.EncodeToString(mac.Sum(nil))
}

// readForm reads a form, and leaves the body as it was for the program. Forms with files and JSON are the program's.
func (visit *Visit) readForm() error {
	r := visit.request
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" || r.Body == nil {
		return nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(visit.writer, r.Body, formBytesMax))
	if err != nil {
		return err
	}
	visit.request = r.WithContext(r.Context())
	visit.request.Body = io.NopCloser(bytes.NewReader(body))
	visit.form, _ = url.ParseQuery(string(body))
	return nil
}

func random(length int) string {
	bytes := make([]byte, length)
	if _, err := rand.Read(bytes); err != nil {
		panic("there are no random numbers: " + err.Error())
	}
	return base64.RawURLEncoding.EncodeToString(bytes)
}

// ownPath is a path of this site, for what a visitor brought along; the front page for anything else.
func ownPath(path string) string {
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") {
		return "/"
	}
	for _, letter := range []byte(path) {
		if letter <= ' ' || letter > '~' || letter == '\\' {
			return "/"
		}
	}
	return path
}
