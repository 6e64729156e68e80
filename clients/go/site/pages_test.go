package site

import (
	"context"
	"encoding/json"
	"errors"
	"html"
	"html/template"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"authnzerver.example/authnzerver"
	"authnzerver.example/authnzerver/internal/testserver"
)

var german = map[string]map[string]string{"de": {
	textLogIn: "Anmelden", textForbidden: "Das ist nichts für Sie.", inputEmail.Label: "E-Mail-Adresse",
	"Your e-mail address is verified. You can log in now.": "Ihre E-Mail-Adresse ist bestätigt.", textSince: "seit {time}",
	textUnavailable: "Das geht gerade nicht.",
}}

// wholeSite has all pages, and may tell somebody else that it was asked.
func wholeSite(t *testing.T, real *testserver.Real) http.Handler {
	site := newSiteOf(t, real, Options{LoginLink: true, KeepDays: 20, Texts: german, Scopes: "view:dataset"})
	return site.Wrap(http.NotFoundHandler())
}

func (one *browser) shows(parts ...string) {
	one.t.Helper()
	for _, part := range parts {
		if !strings.Contains(one.text, part) {
			one.t.Errorf("%s is missing: %s", part, one.text)
		}
	}
}

func TestPagesSayWhatWasDone(t *testing.T) {
	one := newBrowser(t, wholeSite(t, real), "198.51.103.1")
	for name, text := range saidTexts {
		one.get("/forgot?said=" + name)
		one.shows(`<p class="message" role="status">` + template.HTMLEscapeString(text) + "</p>")
	}
	for _, name := range []string{"", "no-such", "<b>x</b>", "Verified"} {
		one.get("/forgot?said=" + name)
		if strings.Contains(one.text, "role=") || strings.Contains(one.text, "<b>") {
			t.Error(one.text)
		}
	}
	one.expect(422, one.post("/login?said=reset", form("email", "a@example.org", "password", "wrong")))
	one.shows(`role="alert"`, `value="a@example.org"`)
	if strings.Contains(one.text, saidTexts["reset"]) || strings.Contains(one.text, "wrong") {
		t.Error(one.text)
	}
}

func TestLoginByEmail(t *testing.T) {
	const email = "by-email@example.org"
	one := newBrowser(t, wholeSite(t, real), "198.51.103.2")
	one.signUp(email)
	one.expect(200, one.get("/login"))
	one.shows(`href="/login-link"`)
	one.expect(200, one.get("/login-link"))
	one.expect(200, one.post("/login-link", form("email", email)))
	code := real.Code(email)
	one.expect(200, one.get("/login-link?code="+code))
	if one.cookies[sessionCookie] != "" {
		t.Error("something happens by looking")
	}
	one.expect(422, one.post("/login-link", form("code", "wrong")))
	one.expect(303, one.post("/login-link", form("code", code, "next", "//elsewhere.example")))
	one.expectLocation("/")
	one.expect(200, one.get("/sessions"))
	// A link logs in once.
	one.expect(422, one.post("/login-link", form("code", code)))

	other := newBrowser(t, newSite(t, Options{}).Wrap(http.NotFoundHandler()), "198.51.103.2")
	other.expect(200, other.get("/login"))
	if strings.Contains(other.text, "login-link") {
		t.Error(other.text)
	}
	other.expect(404, other.get("/login-link?code="+code))
	other.expect(404, other.post("/login-link", form("email", email)))
}

func TestEmailIsChangedAndChangedBack(t *testing.T) {
	const email, other = "old-one@example.org", "new-one@example.org"
	site := wholeSite(t, real)
	one, stranger := newBrowser(t, site, "198.51.103.3"), newBrowser(t, site, "198.51.103.3")
	one.signUp(email)
	one.logIn(email, passphrase)
	one.expect(200, one.get("/email"))
	one.shows("<strong>" + email + "</strong>")
	one.expect(422, one.post("/email", form("email", email)))
	one.expect(200, one.post("/email", form("email", other)))
	code, undo := real.Code(other), real.Code(email)
	one.expect(200, one.get("/new-address?code="+code))
	// The code alone does not do: whoever it was emailed to is to log in, and does not lose it by that.
	stranger.expect(303, stranger.get("/new-address?code="+code))
	stranger.expectLocation("/login?next=%2Fnew-address%3Fcode%3D" + code)
	stranger.get(stranger.location)
	stranger.shows(`name="next" value="/new-address?code=` + code + `"`)
	one.expect(303, one.post("/new-address", form("code", code)))
	one.expectLocation("/sessions?said=email")
	one.get("/email")
	one.shows("<strong>" + other + "</strong>")
	stranger.expect(200, stranger.get("/old-address?code="+undo))
	stranger.expect(422, stranger.post("/old-address", form("code", "wrong")))
	stranger.expect(303, stranger.post("/old-address", form("code", undo)))
	stranger.expectLocation("/forgot?said=undone")
	// All sessions have ended.
	one.expect(303, one.get("/email"))
}

func TestEveryCodeMayBeTyped(t *testing.T) {
	typing, err := testserver.Start("CODES=typed")
	if err != nil {
		t.Fatal(err)
	}
	defer typing.Close()
	const email, other = "types@example.org", "types-more@example.org"
	site := wholeSite(t, typing)
	one := newBrowser(t, site, "198.51.103.4")
	types := func(one *browser, path, email string, more ...string) {
		t.Helper()
		one.shows(`action="`+path+`"`, `name="email" value="`+email+`"`, "one-time-code")
		given := form(append(more, "email", email, "code", strings.ToLower(typing.Code(email)))...)
		one.expect(303, one.post(path, given))
	}
	one.get("/signup")
	one.post("/signup", form("full_name", "Al", "email", email, "new_password", passphrase))
	types(one, "/verify", email)
	one.get("/login-link")
	one.post("/login-link", form("email", email))
	types(one, "/login-link", email)
	one.expect(200, one.get("/email"))
	one.post("/email", form("email", other))
	types(one, "/new-address", other)
	forgetful := newBrowser(t, site, "198.51.103.4")
	forgetful.get("/forgot")
	forgetful.post("/forgot", form("email", other))
	types(forgetful, "/reset", other, "new_password", otherPassphrase)
	forgetful.expectLocation("/login?said=reset")
	one.expect(303, one.get("/sessions"))
}

func TestPagesSpeakTheVisitorsLanguage(t *testing.T) {
	for header, language := range map[string]string{
		"": "en", "de": "de", "DE-ch": "de", "fr, de;q=0.5": "de", "de;q=0.5, en": "en", "de;q=0, en;q=0.1": "en",
		"de;q=x, fr": "en", "*": "en", ",;,;q=1": "en", "pt-BR, pt-PT;q=0.9": "pt-BR", "pt": "en",
		strings.Repeat("fr,", languagesAskedMax) + "de": "en",
	} {
		if found := preferred(header, []string{"en", "de", "pt-BR"}); found != language {
			t.Errorf("%q: %s", header, found)
		}
	}
	one := newBrowser(t, wholeSite(t, real), "198.51.103.5")
	one.get("/login?said=verified", "Accept-Language", "fr, de-CH;q=0.8, en;q=0.5")
	one.shows(`<html lang="de">`, "<title>Anmelden</title>", "Anmelden</button>", "E-Mail-Adresse</label>", "ist bestätigt", "Password</label>")
	one.get("/login", "Accept-Language", "fr")
	one.shows(`<html lang="en">`, "Log in</button>")
	one.logIn(real.Admin.Email, real.Admin.Password)
	one.get("/sessions", "Accept-Language", "de")
	one.shows(`<span class="detail">seit 20`)

	site := newSite(t, Options{Texts: german, Language: "fr"})
	site.Guard("/staff", Roles("nobody"))
	two := newBrowser(t, site.Wrap(http.NotFoundHandler()), "198.51.103.5")
	two.get("/login")
	two.shows(`<html lang="fr">`)
	two.logIn(real.Admin.Email, real.Admin.Password)
	two.expect(403, two.get("/staff", "Accept-Language", "de"))
	two.shows("Das ist nichts für Sie.")
	real.Tell("stop")
	two.expect(503, two.get("/staff", "Accept-Language", "de"))
	two.shows("Das geht gerade nicht.")
	real.Tell("start")
}

func TestRememberedSessionsLastFromTheLastVisit(t *testing.T) {
	const email = "remembered@example.org"
	site := wholeSite(t, real)
	ring, _ := authnzerver.ParseKeys(real.Key)
	client, err := authnzerver.NewClient(real.URL, ring, authnzerver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, caller := context.Background(), client.At("192.0.2.9", "")
	one := newBrowser(t, site, "198.51.103.6")
	one.signUp(email)
	for _, remember := range []bool{true, false} {
		given := form("email", email, "password", passphrase)
		if remember {
			given.Set("remember", "1")
		}
		one.get("/login")
		one.expect(303, one.post("/login", given))
		one.expect(404, one.get("/"))
		if len(one.set) > 0 {
			t.Error("it has just begun:", one.set)
		}
		// As it is some days later.
		info, err := caller.SessionInfo(ctx, authnzerver.SessionInfoParams{SessionToken: one.cookies[sessionCookie]})
		if err != nil {
			t.Fatal(err)
		}
		old, err := caller.SessionNew(ctx, authnzerver.SessionNewParams{
			UserID: &info.SessionInfo.UserID, Expires: authnzerver.Int(10), ExtraInfoJSON: map[string]any{"remember": remember},
		})
		if err != nil {
			t.Fatal(err)
		}
		one.cookies[sessionCookie] = old.SessionToken
		one.expect(404, one.get("/"))
		found := regexp.MustCompile(`Max-Age=(\d+)`).FindStringSubmatch(strings.Join(one.set, ""))
		if (found != nil) != remember {
			t.Fatal(one.set)
		}
		if remember {
			if age, _ := strconv.Atoi(found[1]); age < 19*86400 || one.cookies[sessionCookie] != old.SessionToken {
				t.Error(one.set)
			}
		}
	}
}

func TestSessionsAreProlongedOnceAnHour(t *testing.T) {
	target, err := url.Parse(real.URL)
	if err != nil {
		t.Fatal(err)
	}
	messages, forward := 0, httputil.NewSingleHostReverseProxy(target)
	between := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		messages++
		forward.ServeHTTP(w, r)
	}))
	defer between.Close()
	counted := *real
	counted.URL = between.URL
	site := newSiteOf(t, &counted, Options{KeepDays: 20})
	one := newBrowser(t, site.Wrap(http.NotFoundHandler()), "198.51.103.11")
	one.get("/login")
	one.expect(303, one.post("/login", form("email", real.Admin.Email, "password", real.Admin.Password, "remember", "1")))
	for expires, asked := range map[time.Duration]int{time.Minute: 0, 61 * time.Minute: 1} {
		info, err := site.newVisit(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)).caller.SessionInfo(
			context.Background(), authnzerver.SessionInfoParams{SessionToken: one.cookies[sessionCookie]})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("GET", "/", nil)
		visit := site.newVisit(httptest.NewRecorder(), r)
		visit.token, visit.Session = one.cookies[sessionCookie], &info.SessionInfo
		visit.Session.Expires = time.Now().Add(20*24*time.Hour - expires)
		messages = 0
		if err := visit.prolong(); err != nil || messages != asked {
			t.Errorf("%v: %d messages, %v", expires, messages, err)
		}
	}
}

func TestSessionThatDoesNotCountYetIsEnded(t *testing.T) {
	site := newSite(t, Options{})
	w, r := httptest.NewRecorder(), httptest.NewRequest("POST", "/login", nil)
	r.RemoteAddr = "198.51.103.7:1"
	visit := site.newVisit(w, r)
	answer, err := visit.caller.Login(r.Context(), authnzerver.LoginParams{Email: real.Admin.Email, Password: real.Admin.Password})
	if err != nil {
		t.Fatal(err)
	}
	if err := visit.enter(entered{answer.SessionToken, answer.Expires, true}, true); err != nil {
		t.Fatal(err)
	}
	if w.Code != 403 || !strings.Contains(w.Body.String(), textSecondFactor) || strings.Contains(strings.Join(w.Header()["Set-Cookie"], ""), answer.SessionToken) {
		t.Error(w.Code, w.Header(), w.Body)
	}
	_, err = visit.caller.SessionExists(r.Context(), authnzerver.SessionExistsParams{SessionToken: answer.SessionToken})
	var refused *authnzerver.RefusedError
	if !errors.As(err, &refused) {
		t.Errorf("the session is live: %v", err)
	}
}

func TestPolicyIsAskedAboutItems(t *testing.T) {
	site := newSite(t, Options{})
	var said []bool
	handler := site.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		said = nil
		SecureHeaders(w.Header())
		for _, item := range []Item{
			{"dataset", 1, "public", nil}, {"dataset", 1, "", nil}, {"dataset", 1, "shared", []int64{7, Of(r).UserID()}},
			{"dataset", 1, "shared", []int64{7}}, {"dataset", Of(r).UserID(), "", nil},
		} {
			may, err := Of(r).May(r.Context(), "view", item)
			if err != nil {
				site.Failed(w, r, err)
				return
			}
			said = append(said, may)
		}
		io.WriteString(w, Of(r).Name()+" "+Of(r).Role())
	}))
	expect := func(one *browser, text string, expected ...bool) {
		t.Helper()
		one.expect(200, one.get("/"))
		for place := range expected {
			if said[place] != expected[place] {
				t.Errorf("item %d: %v", place, said)
			}
		}
		if one.text != text {
			t.Error(one.text)
		}
	}
	one := newBrowser(t, handler, "198.51.103.8")
	expect(one, " anonymous", true, false, false, false)
	one.signUp("items@example.org")
	one.logIn("items@example.org", passphrase)
	expect(one, "Al & Co authenticated", true, false, true, false, true)
	real.Tell("stop")
	stranger := newBrowser(t, handler, "198.51.103.8")
	stranger.expect(503, stranger.get("/"))
	real.Tell("start")
}

func TestBrowsersHaveNames(t *testing.T) {
	for userAgent, name := range map[string]string{
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0 Safari/537.36": "Chrome, Linux",
		"Mozilla/5.0 (Android 16; Mobile) Gecko/150.0 Firefox/150.0":                                        "Firefox, Android",
		"Mozilla/5.0 Edg/1": "Edge", "curl/8": "curl/8", "": "?", strings.Repeat("ü", 70): strings.Repeat("ü", 60),
	} {
		if found := browserName(userAgent); found != name {
			t.Errorf("%s: %s", userAgent, found)
		}
	}
}

func TestPagesMayBeDrawnBySites(t *testing.T) {
	var drawn Page
	site := newSite(t, Options{Scopes: "view:dataset", Render: func(to io.Writer, page Page) error {
		drawn = page
		content, err := page.Content()
		io.WriteString(to, "<main>"+string(content))
		return err
	}})
	one := newBrowser(t, site.Wrap(http.NotFoundHandler()), "198.51.103.9")
	one.logIn(real.Admin.Email, real.Admin.Password)
	one.get("/keys")
	one.expect(200, one.post("/keys", form("name", `<i>"mine"`, "scopes", "view:dataset")))
	if drawn.Name != "keys" || !strings.HasPrefix(drawn.Secret, "azk_") || drawn.Visit.UserID() == 0 || drawn.IsError {
		t.Error(drawn)
	}
	one.shows("<main><h1>Your API keys</h1>", "<code>"+drawn.Secret+"</code>", `aria-label="Revoke: &lt;i&gt;&#34;mine&#34;"`,
		`<label for="0-scopes">Scopes</label><small id="0-scopes-hint">`, `value="view:dataset" id="0-scopes"`, " required>", "until 20")
	one.get("/keys")
	if strings.Contains(one.text, "azk_") {
		t.Error("it is shown once")
	}
}

func TestPagesAreDrawnAsInOtherLanguages(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(testserver.Clients(), "vectors.json"))
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Pages []struct {
			Page Page
			HTML string
		}
	}
	if err := json.Unmarshal(text, &vectors); err != nil || len(vectors.Pages) == 0 {
		t.Fatal(err)
	}
	for _, one := range vectors.Pages {
		// The same letters are written in other ways.
		if content, err := one.Page.Content(); err != nil || html.UnescapeString(string(content)) != html.UnescapeString(one.HTML) {
			t.Errorf("%v\n%s\nand not\n%s", err, content, one.HTML)
		}
	}
}

func TestProgramsMayPutAWriterAroundTheSites(t *testing.T) {
	site := newSite(t, Options{})
	show := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { site.Failed(w, r, http.ErrAbortHandler) })
	mux := http.NewServeMux()
	mux.Handle("/failed", show)
	mux.Handle("/mine", LoginRequired(show))
	mux.Handle("/staff", RoleRequired(show, "nobody"))
	one := newBrowser(t, site.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner := httptest.NewRecorder()
		mux.ServeHTTP(inner, r)
		w.WriteHeader(inner.Code + 1)
	})), "198.51.103.10")
	one.expect(501, one.get("/failed"))
	one.expect(304, one.get("/mine"))
	one.logIn(real.Admin.Email, real.Admin.Password)
	one.expect(404, one.get("/staff"))
}

func TestUnixSocketsHaveNoAddress(t *testing.T) {
	site := newSite(t, Options{Proxies: []string{""}})
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "@"
	r.Header.Set("X-Real-IP", "203.0.113.5")
	if address := site.clientAddress(r); address != "203.0.113.5" {
		t.Error(address)
	}
}
