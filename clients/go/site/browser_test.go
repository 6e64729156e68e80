package site

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"authnzerver.example/authnzerver"
	"authnzerver.example/authnzerver/internal/testserver"
)

const (
	passphrase      = "quiet-lanterns-over-9-hills"
	otherPassphrase = "seven-harbours-and-1-bridge"
	origin          = "https://site.example"
	sessionCookie   = "__Host-session"
)

var real *testserver.Real

func TestMain(m *testing.M) {
	server, err := testserver.Start()
	if err != nil {
		panic(err)
	}
	real = server
	status := m.Run()
	real.Close()
	os.Exit(status)
}

func newSite(t *testing.T, options Options) *Site {
	t.Helper()
	return newSiteOf(t, real, options)
}

func newSiteOf(t *testing.T, real *testserver.Real, options Options) *Site {
	t.Helper()
	ring, err := authnzerver.ParseKeys(real.Key)
	if err != nil {
		t.Fatal(err)
	}
	client, err := authnzerver.NewClient(real.URL, ring, authnzerver.Options{Policy: authnzerver.Policy{Tries: 1}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	options.Name, options.Log = "A site", log.New(io.Discard, "", 0)
	if options.Origins == nil {
		options.Origins = []string{origin}
	}
	site, err := New(client, options)
	if err != nil {
		t.Fatal(err)
	}
	return site
}

// program is a site whose handler shows who visits, and the body that it got.
func program(t *testing.T) http.Handler {
	site := newSite(t, Options{})
	site.Guard("/admin", Roles("staff", "superuser"))
	site.Guard("/new", May("create", "dataset"))
	site.Guard("/users", May("create", "user"))
	site.Guard("/api", Key("view", "dataset"))
	show := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		visit := Of(r)
		token := visit.CSRFToken()
		io.WriteString(w, `<input name="csrf" value="`+token+`">`+r.URL.Path+"\n")
		io.Copy(w, r.Body)
	})
	mux := http.NewServeMux()
	mux.Handle("/", show)
	mux.HandleFunc("/api/store", func(w http.ResponseWriter, r *http.Request) {
		if err := Of(r).Store(r.Context(), map[string]any{"seen": true}); err != nil {
			site.Failed(w, r, err)
		}
	})
	mux.Handle("/mine", LoginRequired(show))
	mux.Handle("/staff", RoleRequired(show, "superuser"))
	mux.HandleFunc("/basket", func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			if err := Of(r).Store(r.Context(), map[string]any{"basket": r.FormValue("item")}); err != nil {
				site.Failed(w, r, err)
				return
			}
		}
		if item, is := Of(r).Stored()["basket"].(string); is {
			io.WriteString(w, item)
		}
	})
	return site.Wrap(mux)
}

// browser keeps cookies as a browser does, and sends what a browser sends.
type browser struct {
	t       *testing.T
	site    http.Handler
	address string
	cookies map[string]string
	csrf    string
	// Of the last answer.
	set      []string
	location string
	header   http.Header
	text     string
}

func newBrowser(t *testing.T, site http.Handler, address string) *browser {
	return &browser{t: t, site: site, address: address, cookies: map[string]string{}}
}

var csrfIn = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

func (one *browser) get(path string, headers ...string) int {
	return one.ask("GET", path, nil, headers)
}

// post sends a form with the token of the last page that had one.
func (one *browser) post(path string, form url.Values, headers ...string) int {
	filled := url.Values{"csrf": {one.csrf}}
	for name, values := range form {
		filled[name] = values
	}
	return one.postAsIs(path, filled, headers...)
}

func (one *browser) postAsIs(path string, form url.Values, headers ...string) int {
	return one.ask("POST", path, form, append([]string{"Origin", origin, "Sec-Fetch-Site", "same-origin"}, headers...))
}

func (one *browser) ask(method, path string, form url.Values, headers []string) int {
	one.t.Helper()
	r := httptest.NewRequest(method, "https://site.example/", strings.NewReader(form.Encode()))
	parsed, err := url.ParseRequestURI(path)
	if err != nil {
		one.t.Fatal(err)
	}
	r.URL.Path, r.URL.RawPath, r.URL.RawQuery = parsed.Path, parsed.RawPath, parsed.RawQuery
	r.RemoteAddr = one.address + ":4711"
	r.Header.Set("User-Agent", "Browser/1.0")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range one.cookies {
		r.Header.Add("Cookie", name+"="+value)
	}
	for place := 0; place < len(headers); place += 2 {
		r.Header.Set(headers[place], headers[place+1])
		if headers[place+1] == "" {
			r.Header.Del(headers[place])
		}
	}
	w := httptest.NewRecorder()
	one.site.ServeHTTP(w, r)
	answer := w.Result()
	text, _ := io.ReadAll(answer.Body)
	one.text, one.header, one.location = string(text), answer.Header, answer.Header.Get("Location")
	one.set = answer.Header.Values("Set-Cookie")
	for _, cookie := range answer.Cookies() {
		if one.cookies[cookie.Name] = cookie.Value; cookie.MaxAge < 0 {
			delete(one.cookies, cookie.Name)
		}
	}
	if found := csrfIn.FindStringSubmatch(one.text); found != nil {
		one.csrf = found[1]
	}
	return answer.StatusCode
}

func (one *browser) expect(status int, came int) {
	one.t.Helper()
	if came != status {
		one.t.Fatalf("%d instead of %d: %s %s", came, status, one.location, one.text)
	}
}

func (one *browser) expectLocation(location string) {
	one.t.Helper()
	if one.location != location {
		one.t.Fatalf("it leads to %q instead of %q", one.location, location)
	}
}

func form(pairs ...string) url.Values {
	values := url.Values{}
	for place := 0; place < len(pairs); place += 2 {
		values.Set(pairs[place], pairs[place+1])
	}
	return values
}

func (one *browser) signUp(email string) {
	one.t.Helper()
	one.get("/signup")
	one.expect(200, one.post("/signup", form("full_name", "Al & Co", "email", email, "new_password", passphrase)))
	code := real.Code(email)
	one.get("/verify?code=" + code)
	one.expect(303, one.post("/verify", form("code", code)))
	one.expectLocation("/login?said=verified")
}

func (one *browser) logIn(email, password string) {
	one.t.Helper()
	one.get("/login")
	one.expect(303, one.post("/login", form("email", email, "password", password)))
}
