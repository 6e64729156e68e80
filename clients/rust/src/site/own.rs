//! The pages that only somebody who is logged in can see; and the one that gives an account its former address back.

use super::accounts::Visitor;
use super::html::unescape;
use super::language::browser_name;
use super::pages::{Form, Input, Page, Row};
use super::routes::{Route, code_form, email_typed, filled, sent, typed_for, with_hint};
use super::texts::*;
use super::web::WebResponse;
use crate::errors::Error;
use crate::requests::{
    ApikeyEndParams, ApikeyIssueParams, ApikeyListParams, EmailChangeFinishParams, EmailChangeStartParams,
    EmailChangeUndoParams, SessionDeleteUseridParams, SessionEndParams, SessionListParams,
    UserChangepassParams,
};
use crate::types::{OwnKey, OwnSession};
use crate::value::date_and_time;

pub(super) const OWN: &[(&str, Route)] = &[
    ("/password", password),
    ("/email", email),
    ("/new-address", new_address),
    ("/sessions", sessions),
    ("/keys", keys),
];
pub(super) const OLD_ADDRESS: (&str, Route) = ("/old-address", old_address);
const NOT_FRESH: &str = "the login is not fresh enough";
const KEY_DAYS: i64 = 365;

/// The session of whoever is logged in: the guards of these pages let nobody else in.
fn token(visitor: &Visitor<'_>) -> String {
    visitor.session_token().unwrap_or_default().to_owned()
}

fn password(visitor: &mut Visitor<'_>) -> Result<WebResponse, Error> {
    let inputs = vec![INPUT_CURRENT_PASSWORD, with_hint(visitor, INPUT_NEW_PASSWORD)];
    let page = Page::new("password", CHANGE_YOUR_PASSWORD).with_form(Form::new(CHANGE_PASSWORD, inputs));
    filled(visitor, page, |visitor| {
        let Some(session) = &visitor.session else { return Ok(WebResponse::to("/login")) };
        let full_name = unescape(session.full_name.as_deref().unwrap_or_default());
        visitor.caller().user_changepass(&UserChangepassParams {
            user_id: session.user_id,
            session_token: &token(visitor),
            full_name: &full_name,
            email: &session.email,
            current_password: visitor.field("password"),
            new_password: visitor.field("new_password"),
        })?;
        Ok(WebResponse::to("/sessions?said=password"))
    })
}

/// Has emails sent with which whoever is logged in changes their address.
fn email(visitor: &mut Visitor<'_>) -> Result<WebResponse, Error> {
    let now = visitor.session.as_ref().map(|session| session.email.clone()).unwrap_or_default();
    let mut page = Page::new("email", CHANGE_EMAIL).with_form(Form::new(SEND, vec![INPUT_NEW_EMAIL]));
    page.rows = vec![Row { title: now, ..Row::default() }];
    filled(visitor, page, |visitor| {
        let site = &visitor.accounts.site;
        let (link, undo_link) = (site.address("/new-address"), site.address("/old-address"));
        let asked = EmailChangeStartParams {
            session_token: &token(visitor),
            email: visitor.field("email"),
            link: &link,
            undo_link: &undo_link,
            site_name: &visitor.accounts.options.name,
            language: Some(visitor.language()),
            ..Default::default()
        };
        let next = match visitor.caller().email_change_start(&asked) {
            Ok(answer) => answer.next,
            Err(Error::Refused(refused)) if refused.reason.as_deref() == Some(NOT_FRESH) => {
                let mut page = Page::new("email", CHANGE_EMAIL).with_link("/login?next=/email", LOG_IN);
                page.messages = refused.messages.iter().cloned().map(Into::into).collect();
                page.is_error = true;
                return Ok(visitor.show(422, page));
            }
            Err(error) => return Err(error),
        };
        let typed = Form::new(CHANGE, vec![email_typed(visitor), INPUT_TYPED_CODE]).to("/new-address");
        Ok(sent(visitor, &next, typed, Vec::new()))
    })
}

/// Gives whoever is logged in the address that the code was emailed to.
fn new_address(visitor: &mut Visitor<'_>) -> Result<WebResponse, Error> {
    let page = Page::new("new-address", CHANGE_EMAIL).with_form(code_form(visitor, CHANGE, Vec::new()));
    filled(visitor, page, |visitor| {
        visitor.caller().email_change_finish(&EmailChangeFinishParams {
            session_token: &token(visitor),
            code: visitor.field("code"),
            email: typed_for(visitor),
        })?;
        Ok(WebResponse::to("/sessions?said=email"))
    })
}

/// Gives an account its former address back.
fn old_address(visitor: &mut Visitor<'_>) -> Result<WebResponse, Error> {
    let page = Page::new("old-address", KEEP_EMAIL).with_form(code_form(visitor, UNDO, Vec::new()));
    filled(visitor, page, |visitor| {
        visitor.caller().email_change_undo(&EmailChangeUndoParams { code: visitor.field("code") })?;
        Ok(WebResponse::to("/forgot?said=undone"))
    })
}

/// Lists the sessions of whoever is logged in, and ends them.
fn sessions(visitor: &mut Visitor<'_>) -> Result<WebResponse, Error> {
    let token = token(visitor);
    if visitor.request.method() == "POST" {
        if visitor.field("others").is_empty() {
            let session_id = visitor.field("session_id");
            visitor.caller().session_end(&SessionEndParams { session_token: &token, session_id })?;
        } else {
            visitor.caller().session_delete_userid(&SessionDeleteUseridParams {
                session_token: &token,
                user_id: visitor.user_id().unwrap_or_default(),
                keep_current_session: true,
            })?;
        }
        return Ok(WebResponse::to("/sessions?said=ended"));
    }
    let listed = visitor.caller().session_list(&SessionListParams { session_token: &token })?.sessions;
    let mut page = Page::new("sessions", YOUR_SESSIONS);
    page = page.with_link("/password", CHANGE_YOUR_PASSWORD).with_link("/email", CHANGE_EMAIL);
    page.rows = listed.iter().map(|one| session_row(visitor, one)).collect();
    if listed.len() > 1 {
        page = page.with_form(Form::new(END_OTHERS, vec![Input::hidden("others", "1")]));
    }
    Ok(visitor.show(200, page))
}

fn session_row(visitor: &Visitor<'_>, one: &OwnSession) -> Row {
    let mut title = browser_name(&one.user_agent);
    if one.is_current {
        title += &format!(" ({})", visitor.text(THIS_DEVICE));
    }
    let since = visitor.text(SINCE).replace("{time}", &date_and_time(one.created));
    let end = Form::new(END, vec![Input::hidden("session_id", one.session_id.clone())]);
    Row { title, details: vec![one.ip_address.clone(), since], form: Some(end) }
}

/// Lists the API keys of whoever is logged in, makes new ones, and ends them.
fn keys(visitor: &mut Visitor<'_>) -> Result<WebResponse, Error> {
    let token = token(visitor);
    let (mut page, mut status) = (Page::new("keys", YOUR_KEYS), 200);
    if visitor.request.method() == "POST" {
        let key_id = visitor.field("key_id");
        if !key_id.is_empty() {
            visitor.caller().apikey_end(&ApikeyEndParams { session_token: &token, key_id })?;
            return Ok(WebResponse::to("/keys?said=revoked"));
        }
        let asked = ApikeyIssueParams {
            session_token: &token,
            name: visitor.field("name"),
            scopes: visitor.field("scopes").split_whitespace().map(Into::into).collect(),
            expires_days: Some(KEY_DAYS),
        };
        match visitor.caller().apikey_issue(&asked) {
            Ok(issued) => {
                page = page.with_message(ISSUED);
                page.secret = Some(issued.apikey);
            }
            Err(Error::Refused(refused)) => {
                page.messages = refused.messages.iter().cloned().map(Into::into).collect();
                (page.is_error, status) = (true, 422);
            }
            Err(error) => return Err(error),
        }
    }
    let listed = visitor.caller().apikey_list(&ApikeyListParams { session_token: &token })?.apikeys;
    page.rows = listed.iter().map(|one| key_row(visitor, one)).collect();
    let scopes = Input { value: visitor.accounts.options.scopes.clone().into(), ..INPUT_SCOPES };
    Ok(visitor.show(status, page.with_form(Form::new(ISSUE, vec![INPUT_KEY_NAME, scopes]))))
}

fn key_row(visitor: &Visitor<'_>, one: &OwnKey) -> Row {
    let title = one.name.clone().filter(|name| !name.is_empty()).unwrap_or_else(|| one.key_id.clone());
    let ends = match one.expires {
        Some(expires) => visitor.text(EXPIRES).replace("{date}", &date_and_time(expires)[..10]),
        None => visitor.text(EXPIRES_NEVER),
    };
    let scopes = one.scopes.as_deref().unwrap_or_default().join(" ");
    let end = Form::new(REVOKE, vec![Input::hidden("key_id", one.key_id.clone())]);
    Row { title, details: vec![scopes, ends], form: Some(end) }
}
