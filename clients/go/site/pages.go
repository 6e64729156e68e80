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

// Row is an entry of a list, and what can be done with it; nothing without a Form.
type Row struct {
	Title   string
	Details []string
	Form    *Form
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
	// Whether the messages say what went wrong.
	IsError bool
	// What is shown this once.
	Secret   string
	CSRF     string
	Language string
	// Who sees it, for a layout that tells.
	Visit *Visit
}

var drawn = template.Must(template.New("page").Funcs(template.FuncMap{"part": func(form Form, csrf, prefix, title string) formPart {
	return formPart{form, csrf, prefix, title}
}}).Parse(`
{{- define "input"}}{{if eq .Input.Kind "hidden"}}<input type="hidden" name="{{.Input.Name}}" value="{{.Input.Value}}">
{{- else if eq .Input.Kind "checkbox"}}<p class="check"><input type="checkbox" name="{{.Input.Name}}" value="{{.Input.Value}}" id="{{.ID}}"> <label for="{{.ID}}">{{.Input.Label}}</label></p>
{{- else}}<p class="field"><label for="{{.ID}}">{{.Input.Label}}</label>{{with .Input.Hint}}<small id="{{$.ID}}-hint">{{.}}</small>{{end -}}
<input type="{{or .Input.Kind "text"}}" name="{{.Input.Name}}" value="{{.Input.Value}}" id="{{.ID}}" autocomplete="{{or .Input.Autocomplete "off"}}"
{{- if .Input.Hint}} aria-describedby="{{.ID}}-hint"{{end}}{{if .Input.Required}} required{{end}}></p>
{{- end}}{{end -}}
{{define "form"}}<form method="post"{{with .Form.Action}} action="{{.}}"{{end}}><input type="hidden" name="csrf" value="{{.CSRF}}">
{{- range .Inputs}}{{template "input" .}}{{end -}}
<button{{if .Title}} aria-label="{{.Form.Button}}: {{.Title}}"{{end}}>{{.Form.Button}}</button></form>{{end -}}
{{define "content"}}<h1>{{.Title}}</h1>
{{- range .Messages}}{{if $.IsError}}<p class="error" role="alert">{{.}}</p>{{else}}<p class="message" role="status">{{.}}</p>{{end}}{{end}}
{{- with .Secret}}<p class="secret"><code>{{.}}</code></p>{{end}}
{{- if .Rows}}<ul class="rows">{{range .Rows}}<li><div><strong>{{.Title}}</strong>{{range .Details}} <span class="detail">{{.}}</span>{{end}}</div>
{{- if .Form}}{{template "form" (part .Form $.CSRF "" .Title)}}{{end}}</li>{{end}}</ul>{{end}}
{{- range $number, $form := .Forms}}{{template "form" (part $form $.CSRF (printf "%d-" $number) "")}}{{end}}
{{- if .Links}}<ul class="links">{{range .Links}}<li><a href="{{.Path}}">{{.Text}}</a></li>{{end}}</ul>{{end}}{{end -}}
<!doctype html><html lang="{{.Language}}"><head><meta charset="utf-8"><title>{{.Title}}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head>
<body><main>{{template "content" .}}</main></body></html>
`))

// formPart is a form with what the template needs beside it: the label of an entry's button says which entry it is
// about, for whoever hears several buttons with the same word.
type formPart struct {
	Form                Form
	CSRF, prefix, Title string
}

type inputPart struct {
	Input Input
	ID    string
}

// Inputs are the fields with IDs that no other form of the page has.
func (part formPart) Inputs() []inputPart {
	var parts []inputPart
	for _, input := range part.Form.Inputs {
		parts = append(parts, inputPart{input, part.prefix + input.Name})
	}
	return parts
}

// Draw writes a page as plain, accessible HTML, for a site that has no templates of its own yet.
func Draw(to io.Writer, page Page) error { return drawn.Execute(to, page) }

// Content is what stands within the page, for a layout of the site's own. Its classes are message, error, secret, rows,
// detail, field, check and links.
func (page Page) Content() (template.HTML, error) {
	var text bytes.Buffer
	err := drawn.ExecuteTemplate(&text, "content", page)
	return template.HTML(text.String()), err
}

// translated is the page with each of its texts in another language, where there is one.
func (page Page) translated(text func(string) string) Page {
	page.Title = text(page.Title)
	page.Messages = translatedEach(page.Messages, text)
	page.Forms = append([]Form{}, page.Forms...)
	for place := range page.Forms {
		page.Forms[place] = page.Forms[place].translated(text)
	}
	// What stands in them most likely is not a text of ours but what users chose.
	page.Rows = append([]Row{}, page.Rows...)
	for place, row := range page.Rows {
		if row.Form != nil {
			form := row.Form.translated(text)
			page.Rows[place].Form = &form
		}
	}
	page.Links = append([]Link{}, page.Links...)
	for place := range page.Links {
		page.Links[place].Text = text(page.Links[place].Text)
	}
	return page
}

func (form Form) translated(text func(string) string) Form {
	form.Button = text(form.Button)
	form.Inputs = append([]Input{}, form.Inputs...)
	for place, input := range form.Inputs {
		form.Inputs[place].Label, form.Inputs[place].Hint = text(input.Label), text(input.Hint)
	}
	return form
}

func translatedEach(texts []string, text func(string) string) []string {
	var translated []string
	for _, one := range texts {
		translated = append(translated, text(one))
	}
	return translated
}

// show answers a page with its token, in the visitor's language.
func (visit *Visit) show(status int, page Page) error {
	if said := saidTexts[visit.request.URL.Query().Get("said")]; said != "" && visit.request.Method == http.MethodGet {
		page.Messages = append([]string{said}, page.Messages...)
	}
	page = page.translated(visit.Text)
	page.CSRF, page.Language, page.Visit = visit.CSRFToken(), visit.language, visit
	visit.write(status, page)
	return nil
}

// say answers a message, most likely no, and is true: there is nothing left to do.
func (visit *Visit) say(status int, message string) bool {
	page := Page{Name: "message", Title: visit.site.options.Name, Messages: []string{message}, IsError: status >= 400}
	visit.show(status, page)
	return true
}

func (visit *Visit) sayPlainly(status int, message string) bool {
	http.Error(visit.writer, message, status)
	return true
}

// SecureHeaders sets the headers of the pages of accounts, for pages of the site's own: such a page shows nothing of
// others, is shown in nothing, and is kept nowhere; what stands in its address stays here. With "no-referrer", browsers
// would send the forms of a page without its origin.
func SecureHeaders(headers http.Header) {
	headers.Set("Cache-Control", "no-store")
	headers.Set("Content-Security-Policy",
		"default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	headers.Set("Cross-Origin-Opener-Policy", "same-origin")
	headers.Set("Referrer-Policy", "same-origin")
	headers.Set("X-Content-Type-Options", "nosniff")
	headers.Set("X-Frame-Options", "DENY")
}

func (visit *Visit) write(status int, page Page) {
	var text bytes.Buffer
	if err := visit.site.options.Render(&text, page); err != nil {
		visit.site.options.Log.Printf("the page %s cannot be drawn: %v", page.Name, err)
		visit.sayPlainly(http.StatusInternalServerError, textUnknownError)
		return
	}
	headers := visit.writer.Header()
	SecureHeaders(headers)
	headers.Set("Content-Type", "text/html; charset=utf-8")
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

// toLogin leads to the login and back, with what stands behind the path such as the code of an email, and is true: there
// is nothing left to do.
func (visit *Visit) toLogin() bool {
	onward := "/"
	if visit.request.Method == http.MethodGet {
		onward = ownPath(visit.request.URL.RequestURI())
	}
	visit.lead("/login?next=" + url.QueryEscape(onward))
	return true
}
