package site

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"authnzerver.example/authnzerver"
)

// The pages with which users look after their accounts. Each answers the request, or says why it cannot.

func hidden(name, value string) Input { return Input{Name: name, Kind: "hidden", Value: value} }

// filled shows a page and, once its form is sent, does what it is for; it shows why where that is refused.
func (visit *Visit) filled(page Page, then func() error) error {
	if visit.request.Method != http.MethodPost {
		return visit.show(http.StatusOK, page)
	}
	err := then()
	var refused *authnzerver.RefusedError
	if !errors.As(err, &refused) {
		return err
	}
	page.Messages, page.IsError = append([]string{}, refused.Messages...), true
	if refused.RetryAfter > 0 {
		seconds := strconv.Itoa(int(refused.RetryAfter / time.Second))
		page.Messages = append(page.Messages, withValue(visit.Text(textRetryAfter), "seconds", seconds))
	}
	page.Forms = visit.kept(page.Forms)
	return visit.show(http.StatusUnprocessableEntity, page)
}

// kept has what was typed not be typed again; but for passwords and codes.
func (visit *Visit) kept(forms []Form) []Form {
	var kept []Form
	for _, form := range forms {
		form.Inputs = append([]Input{}, form.Inputs...)
		for place, input := range form.Inputs {
			if isTyped := input.Kind == "text" || input.Kind == "email"; isTyped && input.Name != "code" && visit.form.Has(input.Name) {
				form.Inputs[place].Value = visit.form.Get(input.Name)
			}
		}
		kept = append(kept, form)
	}
	return kept
}

// newPassword is the field for one, with what a good one is.
func (visit *Visit) newPassword(input Input) Input {
	input.Hint = visit.site.options.PasswordHint
	return input
}

// sent says what to do with the email that is on its way. Where the server sends codes to type instead of links, there is
// a form for one.
func (visit *Visit) sent(next string, typed Form, others ...Form) error {
	page := Page{Name: "sent", Title: textSent, Messages: []string{textOpenLink}, Forms: others}
	if next == "code" {
		page.Messages, page.Forms = []string{textTypeCode}, append([]Form{typed}, others...)
	}
	return visit.show(http.StatusOK, page)
}

func signUp(visit *Visit) error {
	inputs := []Input{inputFullName, inputEmail, visit.newPassword(inputFirstPassword)}
	page := Page{
		Name: "signup", Title: textSignUp, Links: []Link{{"/login", textLogIn}},
		Forms: []Form{{Button: textSignUp, Inputs: inputs}},
	}
	return visit.filled(page, func() error {
		next, err := visit.startSignUp()
		if err != nil {
			return err
		}
		address := hidden("email", visit.form.Get("email"))
		again := Form{textSendAgain, []Input{address, hidden("resend", "1")}, "/signup"}
		return visit.sent(next, Form{textVerify, []Input{address, inputTypedCode}, "/verify"}, again)
	})
}

func (visit *Visit) startSignUp() (string, error) {
	ctx, site := visit.request.Context(), visit.site
	if visit.form.Has("resend") {
		answer, err := visit.caller.SignupResend(ctx, authnzerver.SignupResendParams{
			Email: visit.form.Get("email"), Link: site.address("/verify"), SiteName: site.options.Name,
			Language: visit.languageAsked(),
		})
		if err != nil {
			return "", err
		}
		return answer.Next, nil
	}
	answer, err := visit.caller.SignupStart(ctx, authnzerver.SignupStartParams{
		FullName: visit.form.Get("full_name"), Email: visit.form.Get("email"),
		Password: visit.form.Get("new_password"), Link: site.address("/verify"), SiteName: site.options.Name,
		Language: visit.languageAsked(),
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
		return Form{Button: button, Inputs: append([]Input{hidden("email", address), inputTypedCode}, more...)}
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
	page := Page{Name: "verify", Title: textVerifyEmail, Forms: []Form{visit.codeForm(textVerify)}}
	return visit.filled(page, func() error {
		params := authnzerver.SignupFinishParams{Code: visit.form.Get("code"), Email: visit.typedFor()}
		answer, err := visit.caller.SignupFinish(visit.request.Context(), params)
		if err != nil {
			return err
		}
		if answer.Next == "reset" {
			return visit.lead("/forgot?said=mixed")
		}
		return visit.lead("/login?said=verified")
	})
}

// logIn logs somebody in, with another session than before.
func logIn(visit *Visit) error {
	onward := visit.request.URL.Query().Get("next")
	if onward == "" {
		onward = visit.form.Get("next")
	}
	page := Page{Name: "login", Title: textLogIn, Links: []Link{{"/signup", textSignUp}, {"/forgot", textForgot}}}
	inputs := []Input{inputEmail, inputPassword, inputRemember, hidden("next", ownPath(onward))}
	page.Forms = []Form{{Button: textLogIn, Inputs: inputs}}
	if visit.site.options.LoginLink {
		page.Links = append(page.Links, Link{"/login-link", textLogInByEmail})
	}
	return visit.filled(page, func() error {
		asked := visit.entering()
		params := authnzerver.LoginParams{
			Email: visit.form.Get("email"), Password: visit.form.Get("password"), SessionToken: asked.token,
			Remember: &asked.remember, Days: asked.days, ExtraInfoJSON: asked.notes,
		}
		answer, err := visit.caller.Login(visit.request.Context(), params)
		if err != nil {
			return visit.notEntered(err)
		}
		return visit.enter(entered{answer.SessionToken, answer.Expires, answer.SecondFactorDue}, asked.remember)
	})
}

// logInByLink logs somebody in by an email.
func logInByLink(visit *Visit) error {
	if !visit.site.options.LoginLink {
		visit.say(http.StatusNotFound, textNoSuchPage)
		return nil
	}
	if visit.request.URL.Query().Get("code") == "" && !visit.form.Has("code") {
		return askForLink(visit)
	}
	page := Page{Name: "login-link", Title: textLogIn, Forms: []Form{visit.codeForm(textLogIn, inputRemember)}}
	return visit.filled(page, func() error {
		asked := visit.entering()
		params := authnzerver.LoginLinkFinishParams{
			Code: visit.form.Get("code"), Email: visit.typedFor(), SessionToken: asked.token,
			Remember: &asked.remember, Days: asked.days, ExtraInfoJSON: asked.notes,
		}
		answer, err := visit.caller.LoginLinkFinish(visit.request.Context(), params)
		if err != nil {
			return visit.notEntered(err)
		}
		return visit.enter(entered{answer.SessionToken, answer.Expires, answer.SecondFactorDue}, asked.remember)
	})
}

func askForLink(visit *Visit) error {
	page := Page{Name: "login-link", Title: textLogInByEmail, Links: []Link{{"/login", textLogIn}}}
	page.Forms = []Form{{Button: textSend, Inputs: []Input{inputEmail}}}
	return visit.filled(page, func() error {
		address, site := visit.form.Get("email"), visit.site
		answer, err := visit.caller.LoginLinkStart(visit.request.Context(), authnzerver.LoginLinkStartParams{
			Email: address, Link: site.address("/login-link"), SiteName: site.options.Name, Language: visit.languageAsked(),
		})
		if err != nil {
			return err
		}
		inputs := []Input{hidden("email", address), inputTypedCode, inputRemember}
		return visit.sent(answer.Next, Form{textLogIn, inputs, "/login-link"})
	})
}

// entering is what a login is asked with, whichever way it is made.
type entering struct {
	token    *string
	remember bool
	days     *int64
	notes    map[string]any
}

func (visit *Visit) entering() entering {
	asked := entering{remember: visit.form.Has("remember"), notes: map[string]any{}}
	if visit.token != "" {
		asked.token = authnzerver.Ptr(visit.token)
	}
	if days := visit.site.options.KeepDays; asked.remember && days > 0 {
		asked.days = authnzerver.Ptr(int64(days))
	}
	// What was noted about the visitor is taken over, but not from one user to another.
	if !visit.IsLoggedIn() {
		asked.notes = visit.Stored()
	}
	asked.notes[remembered] = asked.remember
	return asked
}

// entered is what a login comes to.
type entered struct {
	token           string
	expires         time.Time
	secondFactorDue bool
}

func (visit *Visit) notEntered(err error) error {
	var refused *authnzerver.RefusedError
	if errors.As(err, &refused) && visit.token != "" {
		// The visitor's session may have ended: one that is kept would be asked about each time.
		visit.forget()
	}
	return err
}

// enter takes the session of a login, and leads on. A session that does not count before a second proof is ended: there
// is no page for one.
func (visit *Visit) enter(came entered, remember bool) error {
	if came.secondFactorDue {
		if err := visit.endSession(came.token); err != nil {
			return err
		}
		visit.forget()
		visit.say(http.StatusForbidden, textSecondFactor)
		return nil
	}
	visit.forgetVisitor()
	visit.start(came.token, came.expires, remember)
	return visit.lead(ownPath(visit.form.Get("next")))
}

// endSession ends a session. One that is refused had ended already.
func (visit *Visit) endSession(token string) error {
	_, err := visit.caller.SessionDelete(visit.request.Context(), authnzerver.SessionDeleteParams{SessionToken: token})
	var refused *authnzerver.RefusedError
	if errors.As(err, &refused) {
		return nil
	}
	return err
}

func logOut(visit *Visit) error {
	page := Page{Name: "logout", Title: textLogOut, Forms: []Form{{Button: textLogOut}}}
	return visit.filled(page, func() error {
		if visit.token != "" {
			if err := visit.endSession(visit.token); err != nil {
				return err
			}
			visit.site.forgetHint(visit.token)
		}
		visit.forget()
		return visit.lead("/")
	})
}

func forgot(visit *Visit) error {
	page := Page{Name: "forgot", Title: textForgot, Links: []Link{{"/login", textLogIn}}}
	page.Forms = []Form{{Button: textSend, Inputs: []Input{inputEmail}}}
	return visit.filled(page, func() error {
		answer, err := visit.caller.ResetStart(visit.request.Context(), authnzerver.ResetStartParams{
			Email: visit.form.Get("email"), Link: visit.site.address("/reset"), SiteName: visit.site.options.Name,
			Language: visit.languageAsked(),
		})
		if err != nil {
			return err
		}
		if answer.Next == "code" {
			inputs := []Input{hidden("email", visit.form.Get("email")), inputTypedCode, visit.newPassword(inputNewPassword)}
			return visit.sent(answer.Next, Form{textSetPassword, inputs, "/reset"})
		}
		return visit.show(http.StatusOK, Page{Name: "sent", Title: textSent, Messages: []string{textLinkMayBeSent}})
	})
}

func reset(visit *Visit) error {
	form := visit.codeForm(textSetPassword, visit.newPassword(inputNewPassword))
	return visit.filled(Page{Name: "reset", Title: textChoosePassword, Forms: []Form{form}}, func() error {
		_, err := visit.caller.ResetFinish(visit.request.Context(), authnzerver.ResetFinishParams{
			Code: visit.form.Get("code"), NewPassword: visit.form.Get("new_password"), Email: visit.typedFor(),
		})
		if err != nil {
			return err
		}
		return visit.lead("/login?said=reset")
	})
}
