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
	newPassword   = Input{Name: "new_password", Label: "New password", Kind: "password", Autocomplete: "new-password"}
)

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

func (visit *Visit) sent(message string) error {
	return visit.show(http.StatusOK, Page{Name: "sent", Title: "Look at your e-mail", Messages: []string{message}})
}

func signUp(visit *Visit) error {
	name := Input{Name: "full_name", Label: "Name", Kind: "text", Autocomplete: "name"}
	page := Page{
		Name: "signup", Title: "Sign up", Links: []Link{{"/login", "Log in"}},
		Forms: []Form{{"Sign up", []Input{name, emailInput, newPassword}}},
	}
	return visit.filled(page, func() error {
		_, err := visit.caller.SignupStart(visit.request.Context(), authnzerver.SignupStartParams{
			FullName: visit.form.Get("full_name"), Email: visit.form.Get("email"),
			Password: visit.form.Get("new_password"),
			Link:     visit.site.address("/verify"), SiteName: visit.site.options.Name,
		})
		if err != nil {
			return err
		}
		return visit.sent("Open the link in the e-mail that we have sent you.")
	})
}

func verify(visit *Visit) error {
	code := hidden("code", visit.request.URL.Query().Get("code"))
	page := Page{Name: "verify", Title: "Verify your address", Forms: []Form{{"Verify", []Input{code}}}}
	return visit.filled(page, func() error {
		params := authnzerver.SignupFinishParams{Code: visit.form.Get("code")}
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
		Forms: []Form{{"Log in", []Input{emailInput, passwordInput, remember, onward}}},
	}
	return visit.filled(page, func() error {
		remember := visit.form.Has("remember")
		params := authnzerver.LoginParams{
			Email: visit.form.Get("email"), Password: visit.form.Get("password"), Remember: &remember,
		}
		if visit.token != "" {
			params.SessionToken = authnzerver.Ptr(visit.token)
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
	page := Page{Name: "forgot", Title: "Forgot your password?", Forms: []Form{{"Send", []Input{emailInput}}}}
	return visit.filled(page, func() error {
		_, err := visit.caller.ResetStart(visit.request.Context(), authnzerver.ResetStartParams{
			Email: visit.form.Get("email"), Link: visit.site.address("/reset"), SiteName: visit.site.options.Name,
		})
		if err != nil {
			return err
		}
		return visit.sent("If there is an account with this address, an e-mail with a link is on its way.")
	})
}

func reset(visit *Visit) error {
	code := visit.request.URL.Query().Get("code")
	if code == "" {
		code = visit.form.Get("code")
	}
	page := Page{
		Name: "reset", Title: "Choose a new password",
		Forms: []Form{{"Set password", []Input{hidden("code", code), newPassword}}},
	}
	return visit.filled(page, func() error {
		_, err := visit.caller.ResetFinish(visit.request.Context(), authnzerver.ResetFinishParams{
			Code: visit.form.Get("code"), NewPassword: visit.form.Get("new_password"),
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
		Forms: []Form{{"Change password", []Input{passwordInput, newPassword}}},
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
		page.Rows = append(page.Rows, Row{text, Form{"End", []Input{hidden("session_id", one.SessionID)}}})
	}
	page.Forms = []Form{{"End all others", []Input{hidden("others", "1")}}}
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
		end := Form{"Revoke", []Input{hidden("key_id", one.KeyID)}}
		page.Rows = append(page.Rows, Row{name + ": " + strings.Join(one.Scopes, " "), end})
	}
	page.Forms = []Form{{"Make a key", []Input{
		{Name: "name", Label: "Name", Kind: "text", Autocomplete: "off"},
		{Name: "scopes", Label: "Scopes, such as view:dataset", Kind: "text", Autocomplete: "off"},
	}}}
	return visit.show(http.StatusOK, page)
}
