package site

import (
	"bytes"
	"html/template"
	"io"
	"net/http"
	"net/url"
)

// Input is a field of a form.
type Input struct {
	Name, Label  string
	Kind         string
	Value        string
	Autocomplete string
	Hint         string
	Required     bool
}

// Form is inputs and a button, sent to the page that it stands on unless Action says where.
type Form struct {
	Button string
	Inputs []Input
	Action string
}

// Row is an entry of a list, with a form that does something to it.
type Row struct {
	Text string
	Form Form
}

// Link leads to another page.
type Link struct{ Path, Text string }

// Page is what a page shows. Name tells which it is, for a site that draws it itself; each form needs the hidden field
// `csrf`.
type Page struct {
	Name     string
	Title    string
	Messages []string
	Forms    []Form
	Rows     []Row
	Links    []Link
	CSRF     string
}

var drawn = template.Must(template.New("page").Funcs(template.FuncMap{
	"formOf": func(form Form, csrf string) map[string]any { return map[string]any{"Form": form, "CSRF": csrf} },
}).Parse(`
{{- define "form"}}<form method="post"{{with .Form.Action}} action="{{.}}"{{end}}><input type="hidden" name="csrf" value="{{.CSRF}}">
{{- range .Form.Inputs}}
{{- if eq .Kind "hidden"}}<input type="hidden" name="{{.Name}}" value="{{.Value}}">
{{- else if eq .Kind "checkbox"}}<p><label><input type="checkbox" name="{{.Name}}" value="{{.Value}}"> {{.Label}}</label></p>
{{- else}}<p><label>{{.Label}} <input type="{{.Kind}}" name="{{.Name}}" value="{{.Value}}" autocomplete="{{.Autocomplete}}"></label></p>
{{- end}}{{end}}<p><button>{{.Form.Button}}</button></p></form>{{end -}}
<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{{.Title}}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head>
<body><main><h1>{{.Title}}</h1>
{{- range .Messages}}<p role="status">{{.}}</p>{{end}}
{{- if .Rows}}<ul>{{range .Rows}}<li>{{.Text}}{{template "form" (formOf .Form $.CSRF)}}</li>{{end}}</ul>{{end}}
{{- range .Forms}}{{template "form" (formOf . $.CSRF)}}{{end}}
{{- if .Links}}<nav><ul>{{range .Links}}<li><a href="{{.Path}}">{{.Text}}</a></li>{{end}}</ul></nav>{{end -}}
</main></body></html>
`))

// Draw writes a page as plain, accessible HTML, for a site that has no templates of its own yet.
func Draw(to io.Writer, page Page) error { return drawn.Execute(to, page) }

// show answers a page with its token.
func (visit *Visit) show(status int, page Page) error {
	page.CSRF = visit.CSRFToken()
	visit.write(status, page)
	return nil
}

// say answers a message, and is true: there is nothing left to do.
func (visit *Visit) say(status int, message string) bool {
	visit.write(status, Page{Name: "message", Title: visit.site.options.Name, Messages: []string{message}})
	return true
}

func (visit *Visit) sayPlainly(status int, message string) bool {
	http.Error(visit.writer, message, status)
	return true
}

// write answers a page, which shows nothing of others and is shown in nothing; what stands in its address stays here.
// With "no-referrer", browsers would send the forms of a page without its origin.
func (visit *Visit) write(status int, page Page) {
	var text bytes.Buffer
	if err := visit.site.options.Render(&text, page); err != nil {
		visit.site.options.Log.Printf("the page %s cannot be drawn: %v", page.Name, err)
		visit.sayPlainly(http.StatusInternalServerError, "This does not work.")
		return
	}
	headers := visit.writer.Header()
	headers.Set("Content-Type", "text/html; charset=utf-8")
	headers.Set("Cache-Control", "no-store")
	headers.Set("Content-Security-Policy",
		"default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	headers.Set("Cross-Origin-Opener-Policy", "same-origin")
	headers.Set("Referrer-Policy", "same-origin")
	headers.Set("X-Content-Type-Options", "nosniff")
	headers.Set("X-Frame-Options", "DENY")
	visit.writer.WriteHeader(status)
	visit.writer.Write(text.Bytes())
}

// lead leads on to another page.
func (visit *Visit) lead(path string) error {
	visit.writer.Header().Set("Location", path)
	visit.writer.Header().Set("Cache-Control", "no-store")
	visit.writer.WriteHeader(http.StatusSeeOther)
	return nil
}

// toLogin leads to the login and back, and is true: there is nothing left to do.
func (visit *Visit) toLogin() bool {
	onward := "/"
	if visit.request.Method == http.MethodGet {
		onward = ownPath(visit.request.URL.RequestURI())
	}
	visit.lead("/login?next=" + url.QueryEscape(onward))
	return true
}
