package site

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"authnzerver.example/authnzerver"
	"authnzerver.example/authnzerver/internal/testserver"
)

func TestFromSignUpToKeys(t *testing.T) {
	site := program(t)
	one := newBrowser(t, site, "198.51.100.1")
	one.signUp("journey@example.org")
	if one.cookies[sessionCookie] != "" {
		t.Error("a visitor has a session")
	}
	one.expect(303, one.get("/sessions?a=b"))
	one.expectLocation("/login?next=%2Fsessions%3Fa%3Db")
	one.expect(200, one.get(one.location))
	before := one.csrf
	given := form("email", "journey@example.org", "password", passphrase, "next", "/sessions", "remember", "1")
	one.expect(303, one.post("/login", given))
	one.expectLocation("/sessions")
	// The token of before the login is bound to no session.
	one.expect(403, one.postAsIs("/logout", form("csrf", before)))

	one.expect(200, one.get("/sessions"))
	if !strings.Contains(one.text, `<strong>Browser/1.0 (this device)</strong> <span class="detail">198.51.100.1</span>`) {
		t.Error(one.text)
	}
	second := newBrowser(t, site, "198.51.100.1")
	second.logIn("journey@example.org", passphrase)
	one.expect(200, one.get("/sessions"))
	one.expect(303, one.post("/sessions", form("others", "1")))
	second.expect(303, second.get("/sessions"))

	one.get("/password")
	one.expect(422, one.post("/password", form("password", "wrong", "new_password", otherPassphrase)))

	one.get("/keys")
	one.expect(200, one.post("/keys", form("name", "<mine>", "scopes", "view:dataset")))
	key := regexp.MustCompile(`azk_[A-Za-z0-9_-]+`).FindString(one.text)
	if !strings.Contains(one.text, "<strong>&lt;mine&gt;</strong> <span class=\"detail\">view:dataset</span>") {
		t.Error(one.text)
	}
	program := newBrowser(t, site, "198.51.100.1")
	program.expect(401, program.get("/api"))
	program.expect(401, program.get("/api", "Authorization", "Bearer azk_no_key"))
	program.expect(200, program.get("/api/x", "Authorization", "Bearer "+key))
	// No browser sends a key by itself, so nobody forges it.
	program.expect(200, program.postAsIs("/api", form(), "Authorization", "Bearer "+key, "Origin", ""))
	one.get("/keys")
	one.expect(422, one.post("/keys", form("name", "x", "scopes", "no scope")))
	ends := regexp.MustCompile(`name="key_id" value="([^"]+)"`).FindStringSubmatch(one.text)
	one.expect(303, one.post("/keys", form("key_id", ends[1])))
	program.expect(401, program.get("/api", "Authorization", "Bearer "+key))

	one.get("/logout")
	token := one.cookies[sessionCookie]
	one.expect(303, one.post("/logout", form()))
	if one.cookies[sessionCookie] != "" {
		t.Error("the cookie is still there")
	}
	one.cookies[sessionCookie] = token
	one.expect(303, one.get("/sessions"))
}

func TestPasswordIsChanged(t *testing.T) {
	one := newBrowser(t, program(t), "198.51.100.2")
	one.signUp("change@example.org")
	one.logIn("change@example.org", passphrase)
	one.get("/password")
	one.expect(303, one.post("/password", form("password", passphrase, "new_password", otherPassphrase)))
	one.logIn("change@example.org", otherPassphrase)
}

func TestForgottenPasswordEndsSessions(t *testing.T) {
	site := program(t)
	thief := newBrowser(t, site, "198.51.100.3")
	thief.signUp("forgot@example.org")
	thief.logIn("forgot@example.org", passphrase)
	owner := newBrowser(t, site, "198.51.100.3")
	owner.get("/forgot")
	owner.expect(200, owner.post("/forgot", form("email", "forgot@example.org")))
	code := real.Code("forgot@example.org")
	owner.get("/reset?code=" + code)
	owner.expect(422, owner.post("/reset", form("code", code, "new_password", "short")))
	owner.expect(303, owner.post("/reset", form("code", code, "new_password", otherPassphrase)))
	thief.expect(303, thief.get("/sessions"))
}

func TestGuardsLetInOnlyWhoMay(t *testing.T) {
	site := program(t)
	user, stranger := newBrowser(t, site, "198.51.100.4"), newBrowser(t, site, "198.51.100.4")
	user.signUp("guards@example.org")
	user.logIn("guards@example.org", passphrase)
	for _, path := range []string{"/admin", "/admin/x", "/new", "/users", "/keys", "/mine", "/staff"} {
		stranger.expect(303, stranger.get(path))
	}
	for times := 0; times < 2; times++ {
		// First with what is asked after the session, then in one message with it.
		user.expect(403, user.get("/admin"))
		user.expect(200, user.get("/new"))
		user.expect(403, user.get("/users"))
		user.expect(200, user.get("/mine"))
		user.expect(403, user.get("/staff"))
	}
	admin := newBrowser(t, site, "198.51.100.4")
	admin.logIn(real.Admin.Email, real.Admin.Password)
	for _, path := range []string{"/admin", "/administrators", "/staff"} {
		admin.expect(200, admin.get(path))
	}
	// A visitor for whom something was stored is nobody still.
	stranger.get("/")
	stranger.expect(200, stranger.post("/basket", form("item", "pear")))
	stranger.expect(303, stranger.get("/keys"))
	stranger.expect(303, stranger.get("/mine"))
}

func TestGuardsCoverPathsAsRoutersReadThem(t *testing.T) {
	site := newSite(t, Options{})
	site.Guard("/admin", Roles("superuser"))
	for path, covered := range map[string]bool{
		"/admin": true, "/admin/": true, "//admin": true, "/./admin": true, "/x/../admin/y": true, "/x//../admin": true,
		"/Admin": true, "/%61dmin": true, "\\admin": true, "/x\\..\\admin": true, "/x/%2e%2e/ADMIN/y": true,
		"/administrators": false, "/x/admin": false, "/": false, "/100%": false,
	} {
		if len(site.guardsOf(path)) > 0 != covered {
			t.Error(path)
		}
	}
	one := newBrowser(t, site.Wrap(http.NotFoundHandler()), "198.51.100.5")
	one.expect(303, one.get("/x/%2e%2e/%61dmin"))
}

func TestWholeSiteIsGuardedAndStillHasALogin(t *testing.T) {
	site := newSite(t, Options{Static: []string{"/static"}})
	site.Guard("/")
	one := newBrowser(t, site.Wrap(http.NotFoundHandler()), "198.51.100.9")
	one.expect(303, one.get("/anything"))
	one.expectLocation("/login?next=%2Fanything")
	for _, path := range []string{"/login", "/signup", "/verify", "/forgot", "/reset", "/logout"} {
		one.expect(200, one.get(path))
	}
	one.expect(404, one.get("/static/style.css"))
	for _, path := range []string{"/static/../keys", "/static/%2e%2e/keys", "/static\\..\\keys", "/keys", "/static"} {
		one.expect(303, one.get(path))
	}
	one.expect(403, one.postAsIs("/static/x", form()))
	one.logIn(real.Admin.Email, real.Admin.Password)
	one.expect(404, one.get("/anything"))
}

func TestKeyPassesNoGuardThatWantsSomebody(t *testing.T) {
	site := newSite(t, Options{})
	site.Guard("/admin", Roles("superuser"))
	site.Guard("/admin/api", Key("view", "dataset"))
	one := newBrowser(t, site.Wrap(http.NotFoundHandler()), "198.51.100.10")
	one.expect(403, one.get("/admin/api", "Authorization", "Bearer azk_x_y"))
	one.logIn(real.Admin.Email, real.Admin.Password)
	one.expect(403, one.get("/admin/api"))
}

func TestSiteOnOnesOwnMachineHasCookiesOfItsOwn(t *testing.T) {
	site := newSite(t, Options{Origins: []string{"http://127.0.0.1:8080"}})
	one := newBrowser(t, site.Wrap(http.NotFoundHandler()), "198.51.100.11")
	one.get("/login")
	given := form("csrf", one.csrf, "email", real.Admin.Email, "password", real.Admin.Password)
	one.expect(303, one.postAsIs("/login", given, "Origin", "http://127.0.0.1:8080"))
	cookie := one.set[len(one.set)-1]
	if !strings.HasPrefix(cookie, "insecure-session=") || strings.Contains(cookie, "Secure") || !strings.Contains(cookie, "HttpOnly; SameSite=Lax") {
		t.Error(cookie)
	}
	one.expect(200, one.get("/keys"))
}

func TestLoginTakesOverWhatWasStored(t *testing.T) {
	one := newBrowser(t, program(t), "198.51.100.12")
	one.signUp("takes-over@example.org")
	one.get("/")
	one.expect(200, one.post("/basket", form("item", "pear")))
	one.logIn(real.Admin.Email, real.Admin.Password)
	one.expect(200, one.get("/basket"))
	if one.text != "pear" {
		t.Error(one.text)
	}
	// But not from one user to another.
	for _, logsOut := range []bool{false, true} {
		if logsOut {
			one.get("/logout")
			one.expect(303, one.post("/logout", form()))
		} else {
			one.logIn("takes-over@example.org", passphrase)
		}
		one.expect(200, one.get("/basket"))
		if one.text != "" {
			t.Error(one.text)
		}
	}
}

func TestSignUpEmailIsSentAgain(t *testing.T) {
	one := newBrowser(t, program(t), "198.51.100.13")
	one.get("/signup")
	given := form("full_name", "Al", "email", "again@example.org", "new_password", passphrase)
	one.expect(200, one.post("/signup", given))
	real.Code("again@example.org")
	if !strings.Contains(one.text, `action="/signup"`) || !strings.Contains(one.text, "Send it again") {
		t.Error(one.text)
	}
	one.expect(200, one.post("/signup", form("email", "again@example.org", "resend", "1")))
}

func TestTypedCodesVerifyAndReset(t *testing.T) {
	typing, err := testserver.Start("CODES=typed")
	if err != nil {
		t.Fatal(err)
	}
	defer typing.Close()
	const email = "typed@example.org"
	one := newBrowser(t, newSiteOf(t, typing, Options{}).Wrap(http.NotFoundHandler()), "198.51.100.14")
	one.get("/signup")
	one.expect(200, one.post("/signup", form("full_name", "Al", "email", email, "new_password", passphrase)))
	if !strings.Contains(one.text, `action="/verify"`) {
		t.Fatal(one.text)
	}
	code := typing.Code(email)
	one.expect(303, one.post("/verify", form("email", email, "code", code)))
	one.expectLocation("/login?said=verified")
	one.get("/forgot")
	one.expect(200, one.post("/forgot", form("email", email)))
	if !strings.Contains(one.text, `action="/reset"`) || !strings.Contains(one.text, "New password") {
		t.Fatal(one.text)
	}
	given := form("email", email, "code", typing.Code(email), "new_password", otherPassphrase)
	one.expect(303, one.post("/reset", given))
	one.logIn(email, otherPassphrase)
	one.get("/signup")
	// A wrong one is asked for again.
	one.expect(422, one.post("/verify", form("email", email, "code", "AAAA-AAAA")))
	if !strings.Contains(one.text, `value="typed@example.org"`) || !strings.Contains(one.text, "Code from the e-mail") {
		t.Error(one.text)
	}
}

func TestCodesMayBeTyped(t *testing.T) {
	site, w := newSite(t, Options{}), httptest.NewRecorder()
	visit := site.newVisit(w, httptest.NewRequest("GET", "/verify?code=of-a-link", nil))
	if shown := visit.codeForm("Verify"); len(shown.Inputs) != 1 || shown.Inputs[0].Value != "of-a-link" || visit.typedFor() != nil {
		t.Error(shown)
	}
	visit.form = form("email", "a@example.org")
	if shown := visit.codeForm("Verify"); len(shown.Inputs) != 2 || shown.Inputs[1].Kind != "text" || *visit.typedFor() != "a@example.org" {
		t.Error(shown)
	}
	visit.sent("code", Form{Button: "Verify", Inputs: []Input{inputTypedCode}, Action: "/verify"})
	if text := w.Body.String(); !strings.Contains(text, "Type the code") || !strings.Contains(text, `action="/verify"`) {
		t.Error(text)
	}
}

func TestVisitorGetsASessionOnlyWhenSomethingIsStored(t *testing.T) {
	one := newBrowser(t, program(t), "198.51.100.6")
	one.get("/")
	one.get("/login")
	if one.cookies[sessionCookie] != "" {
		t.Error("a visitor has a session")
	}
	one.expect(200, one.post("/basket", form("item", "pear")))
	first := one.cookies[sessionCookie]
	one.expect(200, one.get("/basket"))
	if first == "" || one.text != "pear" {
		t.Error(one.text)
	}
	one.get("/")
	one.expect(200, one.post("/basket", form("item", "apple")))
	one.expect(200, one.get("/basket"))
	if one.cookies[sessionCookie] != first || one.text != "apple" {
		t.Error(one.text)
	}
}

func TestNobodyIsLetInWhileTheServerIsGone(t *testing.T) {
	one := newBrowser(t, program(t), "198.51.100.7")
	one.signUp("gone@example.org")
	one.logIn("gone@example.org", passphrase)
	real.Tell("stop")
	for _, path := range []string{"/sessions", "/new", "/mine", "/api"} {
		one.expect(503, one.get(path, "Authorization", "Bearer azk_x_y"))
		if one.header.Get("Retry-After") == "" || one.cookies[sessionCookie] == "" {
			t.Error(path, one.header)
		}
	}
	real.Tell("start")
	one.expect(200, one.get("/sessions"))
}

func TestPagesAreShownInNothing(t *testing.T) {
	one := newBrowser(t, program(t), "198.51.100.8")
	one.expect(200, one.get("/login"))
	for name, value := range map[string]string{
		"Content-Type":               "text/html; charset=utf-8",
		"Cache-Control":              "no-store",
		"X-Content-Type-Options":     "nosniff",
		"Content-Security-Policy":    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
		"X-Frame-Options":            "DENY",
		"Cross-Origin-Opener-Policy": "same-origin",
		// The forms of a page with "no-referrer" would come without an origin, and be refused.
		"Referrer-Policy": "same-origin",
	} {
		if one.header.Get(name) != value {
			t.Error(name, one.header.Get(name))
		}
	}
	one.expect(405, one.ask("PUT", "/login", form("csrf", one.csrf), nil))
}

func TestOnlyAProxySaysWhoseRequestItIs(t *testing.T) {
	site := newSite(t, Options{Proxies: []string{"192.0.2.1", "2001:db8::1"}})
	for _, one := range [][3]string{
		{"192.0.2.1:80", "203.0.113.5", "203.0.113.5"},
		{"[2001:db8::1]:80", "2001:db8::5", "2001:db8::5"},
		{"[::ffff:192.0.2.1]:80", "203.0.113.5", "203.0.113.5"},
		{"192.0.2.2:80", "203.0.113.5", "192.0.2.2"},
		{"192.0.2.1:80", "<script>", "192.0.2.1"},
		{"192.0.2.1:80", "", "192.0.2.1"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = one[0]
		r.Header.Set("X-Real-IP", one[1])
		if address := site.clientAddress(r); address != one[2] {
			t.Errorf("%v: %s", one, address)
		}
	}
}

func TestSiteHasAnAddress(t *testing.T) {
	client := newSite(t, Options{}).client
	for _, origins := range [][]string{
		nil, {""}, {"site.example"}, {"https://site.example/path"}, {"http://site.example"}, {"http://127.0.0.1.example"},
		{"https://site.example", "http://127.0.0.1"}, {"https://u@site.example"}, {"https://site.example?a"},
	} {
		if _, err := New(client, Options{Origins: origins}); err == nil {
			t.Error(origins)
		}
	}
	site, err := New(client, Options{Origins: []string{"https://site.example/"}})
	if err != nil || site.address("/verify") != "https://site.example/verify" {
		t.Error(err)
	}
}

func TestHintsAreBounded(t *testing.T) {
	site := newSite(t, Options{})
	for number := int64(0); number < hintsMax+100; number++ {
		site.keepHint(random(8), hint{number, "authenticated"})
	}
	if len(site.hints) != hintsMax {
		t.Error(len(site.hints))
	}
}

func TestFailedNamesNothing(t *testing.T) {
	site, w, r := newSite(t, Options{}), httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
	site.Failed(w, r, &url.Error{Op: "the-secret", Err: http.ErrAbortHandler})
	if w.Code != 500 || strings.Contains(w.Body.String(), "the-secret") {
		t.Error(w.Body)
	}
	w = httptest.NewRecorder()
	site.Failed(w, r, &authnzerver.OverLimitError{RetryAfter: 90e9})
	if w.Code != 429 || w.Header().Get("Retry-After") != "90" {
		t.Error(w.Header())
	}
}
