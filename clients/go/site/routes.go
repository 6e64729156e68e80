package site

import (
	"errors"
	"fmt"
	"html"
	"net/http"
	"strings"

	"authnzerver.example/authnzerver"
)

// The pages with which users look after their accounts. Each answers the request, or says why it cannot.

var (
	emailInput    = Input{Name: "email", Label: "E-mail address", Kind: "email", Autocomplete: "username"}
	passwordInput = Input{Name: "password", Label: "Password", Kind: "password", Autocomplete: "current-password"}
	typedCode     = Input{Name: "code", Label: "Code from the e-mail", Kind: "text", Autocomplete: "one-time-code"}
	newPassword   = Input{Name: "new_password", Label: "New password", Kind: "password", Autocomplete: "new-password"}
)

const sentTitle = "Look at your e-mail"

func hidden(name, value string) Input { return Input{Name: name, Kind: "hidden", Value: value} }

// filled shows a page and, once its form is sent, does what it is for; it shows why where that is refused.
func (visit *Visit) filled(page Page, then func() error) error {
	if visit.request.Method != http.MethodPost {
		return visit.show(http.StatusOK, page)
	}
	err := then()
	var refused *authnzerver.RefusedError
	if errors.As(err, &refused) {
		page.Messages = refused.Messages
		return visit.show(http.StatusUnprocessableEntity, page)
	}
	return err
}

// sent says what to do with the email that is on its way. Where the server sends codes to type instead of links, there is
// a form for one.
func (visit *Visit) sent(next string, typed Form, others ...Form) error {
	page := Page{Name: "sent", Title: sentTitle, Forms: others}
	page.Messages = []string{"Open the link in the e-mail that we have sent you."}
	if next == "code" {
		page.Messages = []string{"Type the code from the e-mail that we have sent you."}
		page.Forms = append([]Form{typed}, others...)
	}
	return visit.show(http.StatusOK, page)
}

func signUp(visit *Visit) error {
	name := Input{Name: "full_name", Label: "Name", Kind: "text", Autocomplete: "name"}
	page := Page{
		Name: "signup", Title: "Sign up", Links: []Link{{"/login", "Log in"}},
		Forms: []Form{{Button: "Sign up", Inputs: []Input{name, emailInput, newPassword}}},
	}
	return visit.filled(page, func() error {
		next, err := visit.startSignUp()
		if err != nil {
			return err
		}
		address := hidden("email", visit.form.Get("email"))
		again := Form{"Send it again", []Input{address, hidden("resend", "1")}, "/signup"}
		return visit.sent(next, Form{"Verify", []Input{address, typedCode}, "/verify"}, again)
	})
}

func (visit *Visit) startSignUp() (string, error) {
	ctx, site := visit.request.Context(), visit.site
	if visit.form.Has("resend") {
		answer, err := visit.caller.SignupResend(ctx, authnzerver.SignupResendParams{
			Email: visit.form.Get("email"), Link: site.address("/verify"), SiteName: site.options.Name,
		})
		if err != nil {
			return "", err
		}
		return answer.Next, nil
	}
	answer, err := visit.caller.SignupStart(ctx, authnzerver.SignupStartParams{
		FullName: visit.form.Get("full_name"), Email: visit.form.Get("email"),
		Password: visit.form.Get("new_password"), Link: site.address("/verify"), SiteName: site.options.Name,
	})
	if err != nil {
		return "", err
	}
	return answer.Next, nil
}

// codeForm is a button that sends the code of a link; fetching the page alone does nothing, for mail programs do. A code
// that was typed is asked for again, where it was wrong.
func (visit *Visit) codeForm(button string, more ...Input) Form {
	if address := visit.form.Get("email"); address != "" {
		return Form{Button: button, Inputs: append([]Input{hidden("email", address), typedCode}, more...)}
	}
	code := visit.request.URL.Query().Get("code")
	if code == "" {
		code = visit.form.Get("code")
	}
	return Form{Button: button, Inputs: append([]Input{hidden("code", code)}, more...)}
}

// typedFor is whom a typed code was emailed to; nil with the code of a link, which says so itself.
func (visit *Visit) typedFor() *string {
	if address := visit.form.Get("email"); address != "" {
		return &address
	}
	return nil
}

func verify(visit *Visit) error {
	page := Page{Name: "verify", Title: "Verify your address", Forms: []Form{visit.codeForm("Verify")}}
	return visit.filled(page, func() error {
		params := authnzerver.SignupFinishParams{Code: visit.form.Get("code"), Email: visit.typedFor()}
		answer, err := visit.caller.SignupFinish(visit.request.Context(), params)
		if err != nil {
			return err
		}
		if answer.Next == "reset" {
			return visit.lead("/forgot")
		}
		return visit.lead("/login")
	})
}

// logIn logs somebody in, with another session than before.
func logIn(visit *Visit) error {
	remember := Input{Name: "remember", Label: "Remember me", Kind: "checkbox", Value: "1"}
	onward := hidden("next", ownPath(visit.request.URL.Query().Get("next")))
	page := Page{
		Name: "login", Title: "Log in", Links: []Link{{"/signup", "Sign up"}, {"/forgot", "Forgot your password?"}},
		Forms: []Form{{Button: "Log in", Inputs: []Input{emailInput, passwordInput, remember, onward}}},
	}
	return visit.filled(page, func() error {
		remember := visit.form.Has("remember")
		params := authnzerver.LoginParams{
			Email: visit.form.Get("email"), Password: visit.form.Get("password"), Remember: &remember,
		}
		if visit.token != "" {
			params.SessionToken = authnzerver.Ptr(visit.token)
		}
		if !visit.IsLoggedIn() {
			params.ExtraInfoJSON = visit.Stored()
		}
		answer, err := visit.caller.Login(visit.request.Context(), params)
		var refused *authnzerver.RefusedError
		if errors.As(err, &refused) && visit.token != "" {
			// The visitor's session has ended in any case.
			visit.forget()
		}
		if err != nil {
			return err
		}
		visit.forgetVisitor()
		visit.start(answer.SessionToken, answer.Expires, remember)
		return visit.lead(ownPath(visit.form.Get("next")))
	})
}

func logOut(visit *Visit) error {
	page := Page{Name: "logout", Title: "Log out", Forms: []Form{{Button: "Log out"}}}
	return visit.filled(page, func() error {
		if visit.token != "" {
			params := authnzerver.SessionDeleteParams{SessionToken: visit.token}
			_, err := visit.caller.SessionDelete(visit.request.Context(), params)
			var refused *authnzerver.RefusedError
			// One that is refused had ended already.
			if err != nil && !errors.As(err, &refused) {
				return err
			}
			visit.site.forgetHint(visit.token)
		}
		visit.forget()
		return visit.lead("/")
	})
}

func forgot(visit *Visit) error {
	page := Page{Name: "forgot", Title: "Forgot your password?", Forms: []Form{{Button: "Send", Inputs: []Input{emailInput}}}}
	return visit.filled(page, func() error {
		answer, err := visit.caller.ResetStart(visit.request.Context(), authnzerver.ResetStartParams{
			Email: visit.form.Get("email"), Link: visit.site.address("/reset"), SiteName: visit.site.options.Name,
		})
		if err != nil {
			return err
		}
		address := hidden("email", visit.form.Get("email"))
		if answer.Next == "code" {
			return visit.sent(answer.Next, Form{"Set password", []Input{address, typedCode, newPassword}, "/reset"})
		}
		message := "If there is an account with this address, an e-mail with a link is on its way."
		return visit.show(http.StatusOK, Page{Name: "sent", Title: sentTitle, Messages: []string{message}})
	})
}

func reset(visit *Visit) error {
	page := Page{Name: "reset", Title: "Choose a new password", Forms: []Form{visit.codeForm("Set password", newPassword)}}
	return visit.filled(page, func() error {
		_, err := visit.caller.ResetFinish(visit.request.Context(), authnzerver.ResetFinishParams{
			Code: visit.form.Get("code"), NewPassword: visit.form.Get("new_password"), Email: visit.typedFor(),
		})
		if err != nil {
			return err
		}
		return visit.lead("/login")
	})
}

func password(visit *Visit) error {
	page := Page{
		Name: "password", Title: "Change your password",
		Forms: []Form{{Button: "Change password", Inputs: []Input{passwordInput, newPassword}}},
	}
	return visit.filled(page, func() error {
		name := ""
		if visit.Session.FullName != nil {
			name = html.UnescapeString(*visit.Session.FullName)
		}
		_, err := visit.caller.UserChangepass(visit.request.Context(), authnzerver.UserChangepassParams{
			UserID: visit.Session.UserID, SessionToken: visit.token, FullName: name, Email: visit.Session.Email,
			CurrentPassword: visit.form.Get("password"), NewPassword: visit.form.Get("new_password"),
		})
		if err != nil {
			return err
		}
		return visit.lead("/sessions")
	})
}

// sessions lists the sessions of whoever is logged in, and ends them.
func sessions(visit *Visit) error {
	ctx := visit.request.Context()
	if visit.request.Method == http.MethodPost {
		var err error
		if visit.form.Get("others") != "" {
			_, err = visit.caller.SessionDeleteUserID(ctx, authnzerver.SessionDeleteUserIDParams{
				SessionToken: visit.token, UserID: visit.UserID(), KeepCurrentSession: true,
			})
		} else {
			_, err = visit.caller.SessionEnd(ctx, authnzerver.SessionEndParams{
				SessionToken: visit.token, SessionID: visit.form.Get("session_id"),
			})
		}
		if err != nil {
			return err
		}
		return visit.lead("/sessions")
	}
	answer, err := visit.caller.SessionList(ctx, authnzerver.SessionListParams{SessionToken: visit.token})
	if err != nil {
		return err
	}
	page := Page{Name: "sessions", Title: "Your sessions"}
	for _, one := range answer.Sessions {
		created := one.Created.Format("2006-01-02 15:04")
		text := fmt.Sprintf("%s, %s, since %s UTC", one.UserAgent, one.IPAddress, created)
		if one.IsCurrent {
			text += " (this device)"
		}
		page.Rows = append(page.Rows, Row{text, Form{Button: "End", Inputs: []Input{hidden("session_id", one.SessionID)}}})
	}
	page.Forms = []Form{{Button: "End all others", Inputs: []Input{hidden("others", "1")}}}
	return visit.show(http.StatusOK, page)
}

// keys lists the API keys of whoever is logged in, makes new ones, and ends them.
func keys(visit *Visit) error {
	ctx := visit.request.Context()
	page := Page{Name: "keys", Title: "Your API keys"}
	if key := visit.form.Get("key_id"); visit.request.Method == http.MethodPost && key != "" {
		params := authnzerver.APIKeyEndParams{SessionToken: visit.token, KeyID: key}
		if _, err := visit.caller.APIKeyEnd(ctx, params); err != nil {
			return err
		}
		return visit.lead("/keys")
	}
	if visit.request.Method == http.MethodPost {
		issued, err := visit.caller.APIKeyIssue(ctx, authnzerver.APIKeyIssueParams{
			SessionToken: visit.token, Name: visit.form.Get("name"),
			Scopes: authnzerver.Strings(strings.Fields(visit.form.Get("scopes"))...), ExpiresDays: authnzerver.Ptr[int64](365),
		})
		var refused *authnzerver.RefusedError
		if errors.As(err, &refused) {
			page.Messages = refused.Messages
		} else if err != nil {
			return err
		} else {
			page.Messages = []string{"Your new key, shown this once: " + issued.APIKey}
		}
	}
	answer, err := visit.caller.APIKeyList(ctx, authnzerver.APIKeyListParams{SessionToken: visit.token})
	if err != nil {
		return err
	}
	for _, one := range answer.APIKeys {
		name := one.KeyID
		if one.Name != nil && *one.Name != "" {
			name = *one.Name
		}
		end := Form{Button: "Revoke", Inputs: []Input{hidden("key_id", one.KeyID)}}
		page.Rows = append(page.Rows, Row{name + ": " + strings.Join(one.Scopes, " "), end})
	}
	page.Forms = []Form{{Button: "Make a key", Inputs: []Input{
		{Name: "name", Label: "Name", Kind: "text", Autocomplete: "off"},
		{Name: "scopes", Label: "Scopes, such as view:dataset", Kind: "text", Autocomplete: "off"},
	}}}
	return visit.show(http.StatusOK, page)
}
