package site

import (
	"errors"
	"html"
	"net/http"
	"strings"

	"authnzerver.example/authnzerver"
)

// The pages that only somebody who is logged in can see; and the one that gives an account its former address back.

const notFresh = "the login is not fresh enough"

func password(visit *Visit) error {
	inputs := []Input{inputCurrentPassword, visit.newPassword(inputNewPassword)}
	page := Page{Name: "password", Title: textChangeYourPassword, Forms: []Form{{Button: textChangePassword, Inputs: inputs}}}
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
		return visit.lead("/sessions?said=password")
	})
}

// email has emails sent with which whoever is logged in changes their address.
func email(visit *Visit) error {
	page := Page{Name: "email", Title: textChangeEmail, Rows: []Row{{Title: visit.Session.Email}}}
	page.Forms = []Form{{Button: textSend, Inputs: []Input{inputNewEmail}}}
	return visit.filled(page, func() error {
		address, site := visit.form.Get("email"), visit.site
		answer, err := visit.caller.EmailChangeStart(visit.request.Context(), authnzerver.EmailChangeStartParams{
			SessionToken: visit.token, Email: address, Link: site.address("/new-address"),
			UndoLink: site.address("/old-address"), SiteName: site.options.Name, Language: visit.languageAsked(),
		})
		var refused *authnzerver.RefusedError
		if errors.As(err, &refused) && refused.Reason == notFresh {
			links := []Link{{"/login?next=/email", textLogIn}}
			page := Page{Name: "email", Title: textChangeEmail, Messages: refused.Messages, IsError: true, Links: links}
			return visit.show(http.StatusUnprocessableEntity, page)
		} else if err != nil {
			return err
		}
		inputs := []Input{hidden("email", address), inputTypedCode}
		return visit.sent(answer.Next, Form{textChange, inputs, "/new-address"})
	})
}

// newAddress gives whoever is logged in the address that the code was emailed to.
func newAddress(visit *Visit) error {
	page := Page{Name: "new-address", Title: textChangeEmail, Forms: []Form{visit.codeForm(textChange)}}
	return visit.filled(page, func() error {
		_, err := visit.caller.EmailChangeFinish(visit.request.Context(), authnzerver.EmailChangeFinishParams{
			SessionToken: visit.token, Code: visit.form.Get("code"), Email: visit.typedFor(),
		})
		if err != nil {
			return err
		}
		return visit.lead("/sessions?said=email")
	})
}

// oldAddress gives an account its former address back.
func oldAddress(visit *Visit) error {
	page := Page{Name: "old-address", Title: textKeepEmail, Forms: []Form{visit.codeForm(textUndo)}}
	return visit.filled(page, func() error {
		params := authnzerver.EmailChangeUndoParams{Code: visit.form.Get("code")}
		if _, err := visit.caller.EmailChangeUndo(visit.request.Context(), params); err != nil {
			return err
		}
		return visit.lead("/forgot?said=undone")
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
		return visit.lead("/sessions?said=ended")
	}
	answer, err := visit.caller.SessionList(ctx, authnzerver.SessionListParams{SessionToken: visit.token})
	if err != nil {
		return err
	}
	page := Page{Name: "sessions", Title: textYourSessions}
	page.Links = []Link{{"/password", textChangeYourPassword}, {"/email", textChangeEmail}}
	for _, one := range answer.Sessions {
		title := browserName(one.UserAgent)
		if one.IsCurrent {
			title += " (" + visit.Text(textThisDevice) + ")"
		}
		since := withValue(visit.Text(textSince), "time", one.Created.UTC().Format("2006-01-02 15:04"))
		end := &Form{Button: textEnd, Inputs: []Input{hidden("session_id", one.SessionID)}}
		page.Rows = append(page.Rows, Row{title, []string{one.IPAddress, since}, end})
	}
	if len(page.Rows) > 1 {
		page.Forms = []Form{{Button: textEndOthers, Inputs: []Input{hidden("others", "1")}}}
	}
	return visit.show(http.StatusOK, page)
}

// keys lists the API keys of whoever is logged in, makes new ones, and ends them.
func keys(visit *Visit) error {
	ctx := visit.request.Context()
	page, status := Page{Name: "keys", Title: textYourKeys}, http.StatusOK
	if key := visit.form.Get("key_id"); visit.request.Method == http.MethodPost && key != "" {
		params := authnzerver.APIKeyEndParams{SessionToken: visit.token, KeyID: key}
		if _, err := visit.caller.APIKeyEnd(ctx, params); err != nil {
			return err
		}
		return visit.lead("/keys?said=revoked")
	}
	if visit.request.Method == http.MethodPost {
		issued, err := visit.caller.APIKeyIssue(ctx, authnzerver.APIKeyIssueParams{
			SessionToken: visit.token, Name: visit.form.Get("name"),
			Scopes: authnzerver.Strings(strings.Fields(visit.form.Get("scopes"))...), ExpiresDays: authnzerver.Ptr[int64](365),
		})
		var refused *authnzerver.RefusedError
		if errors.As(err, &refused) {
			page.Messages, page.IsError, status = refused.Messages, true, http.StatusUnprocessableEntity
		} else if err != nil {
			return err
		} else {
			page.Messages, page.Secret = []string{textIssued}, issued.APIKey
		}
	}
	answer, err := visit.caller.APIKeyList(ctx, authnzerver.APIKeyListParams{SessionToken: visit.token})
	if err != nil {
		return err
	}
	for _, one := range answer.APIKeys {
		name, ends := one.KeyID, visit.Text(textExpiresNever)
		if one.Name != nil && *one.Name != "" {
			name = *one.Name
		}
		if one.Expires != nil {
			ends = withValue(visit.Text(textExpires), "date", one.Expires.UTC().Format("2006-01-02"))
		}
		end := &Form{Button: textRevoke, Inputs: []Input{hidden("key_id", one.KeyID)}}
		page.Rows = append(page.Rows, Row{name, []string{strings.Join(one.Scopes, " "), ends}, end})
	}
	scopes := inputScopes
	scopes.Value = visit.site.options.Scopes
	page.Forms = []Form{{Button: textIssue, Inputs: []Input{inputKeyName, scopes}}}
	return visit.show(status, page)
}
