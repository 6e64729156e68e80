package site

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"authnzerver.example/authnzerver"
)

func TestCookiesAreOnlyForTheSite(t *testing.T) {
	one := newBrowser(t, program(t), "198.51.101.1")
	one.get("/login")
	if len(one.set) != 1 || !strings.HasPrefix(one.set[0], "__Host-visitor=") {
		t.Fatal(one.set)
	}
	set := one.set
	for _, remember := range []string{"", "1"} {
		one.signUpOnce("cookies@example.org")
		given := form("email", "cookies@example.org", "password", passphrase)
		if remember != "" {
			given.Set("remember", remember)
		}
		one.get("/login")
		one.expect(303, one.post("/login", given))
		set = append(set, one.set...)
		if has := strings.Contains(one.set[len(one.set)-1], "Max-Age="); has != (remember != "") {
			t.Error(one.set)
		}
	}
	one.get("/logout")
	one.post("/logout", form())
	set = append(set, one.set...)
	for _, cookie := range set {
		for _, part := range []string{"__Host-", "; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax"} {
			if !strings.Contains(cookie, part) {
				t.Errorf("%s lacks %s", cookie, part)
			}
		}
		if strings.Contains(cookie, "Domain") {
			t.Error(cookie)
		}
	}
	if len(set) != 5 {
		t.Error(set)
	}
}

var signedUp = map[string]bool{}

func (one *browser) signUpOnce(email string) {
	if !signedUp[email] {
		one.signUp(email)
	}
	signedUp[email] = true
}

func TestForgedFormsAreRefused(t *testing.T) {
	site := program(t)
	one := newBrowser(t, site, "198.51.101.2")
	one.signUp("forged@example.org")
	one.logIn("forged@example.org", passphrase)
	one.get("/logout")
	for _, path := range []string{"/logout", "/anything-of-the-program"} {
		one.expect(403, one.postAsIs(path, form()))
		for _, token := range []string{"", ".", "x.y", "x", one.csrf + "0", one.csrf[:len(one.csrf)-1], "ü." + one.csrf} {
			one.expect(403, one.postAsIs(path, form("csrf", token)))
		}
		for _, headers := range [][]string{
			{"Origin", "https://elsewhere.example"}, {"Origin", "null"}, {"Origin", origin + ".elsewhere.example"},
			{"Origin", "http://site.example"}, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"},
			{"Sec-Fetch-Site", "none"},
		} {
			one.expect(403, one.post(path, form(), headers...))
		}
		for _, method := range []string{"PUT", "PATCH", "DELETE", "PROPFIND"} {
			one.expect(403, one.ask(method, path, nil, nil))
		}
		// A form of another kind needs the header.
		one.expect(403, one.post(path, form(), "Content-Type", "text/plain"))
		one.expect(403, one.post(path, form(), "Content-Type", ""))
	}
	one.expect(403, one.get("/", "Upgrade", "websocket", "Origin", "https://elsewhere.example"))
	one.expect(200, one.get("/", "Upgrade", "websocket", "Origin", origin))
	one.expect(413, one.post("/x", form("long", strings.Repeat("x", formBytesMax))))

	one.expect(200, one.post("/x", form("a", "b")))
	if !strings.HasSuffix(one.text, "a=b&csrf="+one.csrfBefore()) {
		t.Error("the program has the form no more:", one.text)
	}
	one.expect(200, one.postAsIs("/x", form(), "X-CSRF-Token", one.csrf, "Content-Type", "application/json"))
}

// csrfBefore is the token that was sent, which the program shows again.
func (one *browser) csrfBefore() string {
	_, sent, _ := strings.Cut(one.text, "&csrf=")
	return sent
}

func TestTokenOfSomebodyElseIsRefused(t *testing.T) {
	site := program(t)
	one, attacker := newBrowser(t, site, "198.51.101.3"), newBrowser(t, site, "198.51.101.3")
	one.signUp("victim@example.org")
	attacker.get("/login")
	one.get("/login")
	// Nor can the attacker have the victim log in as somebody else.
	one.expect(403, one.postAsIs("/login", form("csrf", attacker.csrf, "email", real.Admin.Email, "password", real.Admin.Password)))
	one.logIn("victim@example.org", passphrase)
	one.expect(403, one.postAsIs("/logout", form("csrf", attacker.csrf)))
	attacker.logIn(real.Admin.Email, real.Admin.Password)
	attacker.get("/logout")
	one.expect(403, one.postAsIs("/logout", form("csrf", attacker.csrf)))
}

func TestFormOfAVisitorOutlivesTheirSession(t *testing.T) {
	one := newBrowser(t, program(t), "198.51.101.9")
	one.get("/")
	before := one.csrf
	one.expect(200, one.post("/basket", form("item", "pear")))
	// In another window, the form of before they had a session.
	one.expect(200, one.postAsIs("/basket", form("csrf", before, "item", "apple")))
	one.cookies[sessionCookie] = "has-ended"
	one.expect(200, one.get("/login"))
	one.expect(303, one.post("/login", form("email", real.Admin.Email, "password", real.Admin.Password)))
	// But not the login of somebody.
	one.expect(403, one.postAsIs("/basket", form("csrf", before, "item", "plum")))
	if one.cookies["__Host-visitor"] != "" {
		t.Error(one.cookies)
	}
}

func TestLoginGivesAnotherSession(t *testing.T) {
	site := program(t)
	one := newBrowser(t, site, "198.51.101.4")
	one.signUp("fixed@example.org")
	ring, _ := authnzerver.ParseKeys(real.Key)
	client, err := authnzerver.NewClient(real.URL, ring, authnzerver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	planted, err := client.Itself().SessionNew(context.Background(), authnzerver.SessionNewParams{Expires: authnzerver.Int(1)})
	if err != nil {
		t.Fatal(err)
	}
	one.cookies[sessionCookie] = planted.SessionToken
	one.logIn("fixed@example.org", passphrase)
	_, err = client.Itself().SessionExists(context.Background(), authnzerver.SessionExistsParams{SessionToken: planted.SessionToken})
	var refused *authnzerver.RefusedError
	if !errors.As(err, &refused) {
		t.Errorf("the planted session is live still: %v", err)
	}
	attacker := newBrowser(t, site, "198.51.101.4")
	attacker.cookies[sessionCookie] = planted.SessionToken
	attacker.expect(303, attacker.get("/sessions"))
	if token := one.cookies[sessionCookie]; token == planted.SessionToken {
		t.Error("the session is still the planted one")
	}
	// Of two cookies, one was planted: neither counts.
	one.expect(303, one.get("/sessions", "Cookie", sessionCookie+"="+planted.SessionToken+"; "+sessionCookie+"="+one.cookies[sessionCookie]))
}

func TestLoginLeadsNowhereElse(t *testing.T) {
	one := newBrowser(t, program(t), "198.51.101.5")
	one.signUp("next@example.org")
	for number, onward := range []string{
		"//elsewhere.example", "https://elsewhere.example", "/\\elsewhere.example", "\\\\elsewhere.example", "/a\r\nX: y",
		"/\t/elsewhere.example", " //elsewhere.example", "javascript:alert(1)", "///elsewhere.example", "", "/ünïcödé",
		"/\x00", "/\x7f", "/\x1f/elsewhere.example", "https:", "https:elsewhere.example", "/ /elsewhere.example",
	} {
		// Each login from another address, for there are few a minute.
		one.address = fmt.Sprintf("198.51.102.%d", number)
		one.get("/login?next=" + url.QueryEscape(onward))
		if !strings.Contains(one.text, `name="next" value="/"`) {
			t.Error(onward, one.text)
		}
		given := form("email", "next@example.org", "password", passphrase, "next", onward)
		one.expect(303, one.post("/login", given))
		one.expectLocation("/")
		one.expect(200, one.get("/logout"))
		one.expect(303, one.post("/logout", form()))
	}
	// What leads to the login comes back to nowhere else, either.
	one.expect(303, one.get("/keys//elsewhere.example"))
	one.expectLocation("/login?next=%2Fkeys%2F%2Felsewhere.example")
	site := newSite(t, Options{})
	site.Guard("/")
	other := newBrowser(t, site.Wrap(http.NotFoundHandler()), "198.51.101.5")
	other.expect(303, other.get("/%2Felsewhere.example/"))
	if strings.Contains(other.location, "next=%2F%2F") {
		t.Error(other.location)
	}
}

func TestCookieMeansNothingBehindAKeyGuard(t *testing.T) {
	one := newBrowser(t, program(t), "198.51.101.6")
	one.logIn(real.Admin.Email, real.Admin.Password)
	one.expect(401, one.get("/api"))
	one.expect(401, one.postAsIs("/api", form()))
	one.get("/keys")
	one.expect(200, one.post("/keys", form("name", "mine", "scopes", "view:dataset")))
	key := regexp.MustCompile(`azk_[A-Za-z0-9_-]+`).FindString(one.text)
	session := one.cookies[sessionCookie]
	// What the program notes now is not noted about the session that the cookie names.
	one.expect(200, one.get("/api/store", "Authorization", "Bearer "+key))
	if one.cookies[sessionCookie] == session {
		t.Error("the cookie still counts")
	}
}

func TestWhatWasKnownOfSomebodyElseDoesNotCount(t *testing.T) {
	site := newSite(t, Options{})
	site.Guard("/new", May("create", "dataset"))
	one := newBrowser(t, site.Wrap(http.NotFoundHandler()), "198.51.101.8")
	one.logIn(real.Admin.Email, real.Admin.Password)
	token := one.cookies[sessionCookie]
	for _, stale := range []hint{{1, "locked"}, {99, "superuser"}, {2, "anonymous"}} {
		site.keepHint(token, stale)
		one.expect(404, one.get("/new"))
		if known, _ := site.hintOf(token); known == stale {
			t.Error("nothing was learned")
		}
	}
}

func TestMarkupOfVisitorsIsText(t *testing.T) {
	one := newBrowser(t, program(t), "198.51.101.7")
	one.expect(200, one.get("/reset?code="+url.QueryEscape(`"><script>alert(1)</script>`)))
	if strings.Contains(one.text, "<script") {
		t.Error(one.text)
	}
}
