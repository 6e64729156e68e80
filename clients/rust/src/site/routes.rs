//! The pages with which people become users, and log in and out.

use super::accounts::Visitor;
use super::pages::{Form, Input, Page};
use super::place::own_path;
use super::texts::*;
use super::web::WebResponse;
use crate::errors::Error;
use crate::requests::{
    LoginLinkStartParams, ResetFinishParams, ResetStartParams, SignupFinishParams, SignupResendParams,
    SignupStartParams,
};

/// Answers what was asked of a page.
pub(super) type Route = fn(&mut Visitor<'_>) -> Result<WebResponse, Error>;

pub(super) const ROUTES: &[(&str, Route)] = &[
    ("/signup", sign_up),
    ("/verify", verify),
    ("/login", log_in),
    ("/login-link", log_in_by_email),
    ("/logout", log_out),
    ("/forgot", forgot),
    ("/reset", reset),
];

/// Shows a page and, once its form is sent, does what it is for; shows why where that is refused.
pub(super) fn filled(
    visitor: &mut Visitor<'_>,
    mut page: Page,
    then: impl FnOnce(&mut Visitor<'_>) -> Result<WebResponse, Error>,
) -> Result<WebResponse, Error> {
    if visitor.request.method() != "POST" {
        return Ok(visitor.show(200, page));
    }
    let refused = match then(visitor) {
        Err(Error::Refused(refused)) => refused,
        done => return done,
    };
    page.messages = refused.messages.iter().cloned().map(Into::into).collect();
    page.is_error = true;
    if let Some(wait) = refused.retry_after.filter(|wait| wait.as_secs() > 0) {
        let text = visitor.text(RETRY_AFTER).replace("{seconds}", &wait.as_secs().to_string());
        page.messages.push(text.into());
    }
    // What was typed need not be typed again; but for passwords and codes.
    for input in page.forms.iter_mut().flat_map(|form| &mut form.inputs) {
        let is_kept = matches!(&*input.kind, "text" | "email") && input.name != INPUT_TYPED_CODE.name;
        if let Some(typed) = visitor.form.get(&input.name).filter(|_| is_kept) {
            input.value = typed.to_owned().into();
        }
    }
    Ok(visitor.show(422, page))
}

pub(super) fn email_typed(visitor: &Visitor<'_>) -> Input {
    Input::hidden("email", visitor.field("email").to_owned())
}

/// The field for a new password, with what a good one is.
pub(super) fn with_hint(visitor: &Visitor<'_>, mut input: Input) -> Input {
    input.hint = visitor.accounts.options.password_hint.clone().into();
    input
}

/// Says what to do with the email that is on its way. Where the server sends codes to type instead of links, there is a
/// form for one.
pub(super) fn sent(visitor: &mut Visitor<'_>, next: &str, typed: Form, others: Vec<Form>) -> WebResponse {
    let mut page = Page::new("sent", SENT);
    if next == "code" {
        page = page.with_message(TYPE_CODE).with_form(typed);
    } else {
        page = page.with_message(OPEN_LINK);
    }
    page.forms.extend(others);
    visitor.show(200, page)
}

/// A button that sends the code of a link; fetching the page alone does nothing, for mail programs do. A code that was
/// typed is asked for again, where it was wrong.
pub(super) fn code_form(visitor: &Visitor<'_>, button: &'static str, more: Vec<Input>) -> Form {
    let mut inputs = if visitor.field("email").is_empty() {
        let code = Some(visitor.query("code")).filter(|code| !code.is_empty());
        vec![Input::hidden("code", code.unwrap_or(visitor.field("code")).to_owned())]
    } else {
        vec![email_typed(visitor), INPUT_TYPED_CODE]
    };
    inputs.extend(more);
    Form::new(button, inputs)
}

/// Whom a typed code was emailed to; `None` with the code of a link, which says so itself.
pub(super) fn typed_for<'a>(visitor: &'a Visitor<'_>) -> Option<&'a str> {
    Some(visitor.field("email")).filter(|email| !email.is_empty())
}

fn sign_up(visitor: &mut Visitor<'_>) -> Result<WebResponse, Error> {
    let inputs = vec![INPUT_FULL_NAME, INPUT_EMAIL, with_hint(visitor, INPUT_FIRST_PASSWORD)];
    let page = Page::new("signup", SIGN_UP).with_form(Form::new(SIGN_UP, inputs)).with_link("/login", LOG_IN);
    filled(visitor, page, |visitor| {
        let next = start_sign_up(visitor)?;
        let again = vec![email_typed(visitor), Input::hidden("resend", "1")];
        let typed = Form::new(VERIFY, vec![email_typed(visitor), INPUT_TYPED_CODE]).to("/verify");
        Ok(sent(visitor, &next, typed, vec![Form::new(SEND_AGAIN, again).to("/signup")]))
    })
}

fn start_sign_up(visitor: &Visitor<'_>) -> Result<String, Error> {
    let (caller, accounts) = (visitor.caller(), visitor.accounts);
    let (link, email) = (accounts.site.address("/verify"), visitor.field("email"));
    let (site_name, language) = (accounts.options.name.as_str(), Some(visitor.language()));
    if visitor.form.get("resend").is_some() {
        let asked = SignupResendParams { email, link: &link, site_name, language, ..Default::default() };
        return caller.signup_resend(&asked).map(|answer| answer.next);
    }
    let asked = SignupStartParams {
        full_name: visitor.field("full_name"),
        email,
        password: visitor.field("new_password"),
        link: &link,
        site_name,
        language,
        ..Default::default()
    };
    caller.signup_start(&asked).map(|answer| answer.next)
}

fn verify(visitor: &mut Visitor<'_>) -> Result<WebResponse, Error> {
    let page = Page::new("verify", VERIFY_EMAIL).with_form(code_form(visitor, VERIFY, Vec::new()));
    filled(visitor, page, |visitor| {
        let asked = SignupFinishParams {
            code: visitor.field("code"),
            email: typed_for(visitor),
            ..Default::default()
        };
        let is_mixed = visitor.caller().signup_finish(&asked)?.next == "reset";
        Ok(WebResponse::to(if is_mixed { "/forgot?said=mixed" } else { "/login?said=verified" }))
    })
}

fn log_in(visitor: &mut Visitor<'_>) -> Result<WebResponse, Error> {
    let onward = Some(visitor.query("next")).filter(|next| !next.is_empty());
    let onward = own_path(onward.unwrap_or(visitor.field("next"))).to_owned();
    let inputs = vec![INPUT_EMAIL, INPUT_PASSWORD, INPUT_REMEMBER, Input::hidden("next", onward)];
    let mut page = Page::new("login", LOG_IN).with_form(Form::new(LOG_IN, inputs));
    page = page.with_link("/signup", SIGN_UP).with_link("/forgot", FORGOT);
    if visitor.accounts.options.login_link {
        page = page.with_link("/login-link", LOG_IN_BY_EMAIL);
    }
    filled(visitor, page, |visitor| {
        let (email, password) = (visitor.field("email").to_owned(), visitor.field("password").to_owned());
        let remember = visitor.form.get("remember").is_some();
        visitor.ask(|visit, caller| visit.log_in(caller, &email, &password, remember))?;
        Ok(WebResponse::to(own_path(visitor.field("next"))))
    })
}

fn log_in_by_email(visitor: &mut Visitor<'_>) -> Result<WebResponse, Error> {
    if !visitor.accounts.options.login_link {
        return Ok(visitor.say(404, NO_SUCH_PAGE));
    }
    if visitor.query("code").is_empty() && visitor.form.get("code").is_none() {
        return ask_for_link(visitor);
    }
    let page = Page::new("login-link", LOG_IN).with_form(code_form(visitor, LOG_IN, vec![INPUT_REMEMBER]));
    filled(visitor, page, |visitor| {
        let (code, email) = (visitor.field("code").to_owned(), typed_for(visitor).map(str::to_owned));
        let remember = visitor.form.get("remember").is_some();
        visitor.ask(|visit, caller| visit.log_in_by_code(caller, &code, email.as_deref(), remember))?;
        Ok(WebResponse::to(own_path(visitor.field("next"))))
    })
}

fn ask_for_link(visitor: &mut Visitor<'_>) -> Result<WebResponse, Error> {
    let page = Page::new("login-link", LOG_IN_BY_EMAIL).with_form(Form::new(SEND, vec![INPUT_EMAIL]));
    filled(visitor, page.with_link("/login", LOG_IN), |visitor| {
        let link = visitor.accounts.site.address("/login-link");
        let asked = LoginLinkStartParams {
            email: visitor.field("email"),
            link: &link,
            site_name: &visitor.accounts.options.name,
            language: Some(visitor.language()),
            ..Default::default()
        };
        let next = visitor.caller().login_link_start(&asked)?.next;
        let inputs = vec![email_typed(visitor), INPUT_TYPED_CODE, INPUT_REMEMBER];
        Ok(sent(visitor, &next, Form::new(LOG_IN, inputs).to("/login-link"), Vec::new()))
    })
}

fn log_out(visitor: &mut Visitor<'_>) -> Result<WebResponse, Error> {
    let page = Page::new("logout", LOG_OUT).with_form(Form::new(LOG_OUT, Vec::new()));
    filled(visitor, page, |visitor| {
        visitor.ask(|visit, caller| visit.log_out(caller))?;
        Ok(WebResponse::to("/"))
    })
}

fn forgot(visitor: &mut Visitor<'_>) -> Result<WebResponse, Error> {
    let page = Page::new("forgot", FORGOT).with_form(Form::new(SEND, vec![INPUT_EMAIL]));
    filled(visitor, page.with_link("/login", LOG_IN), |visitor| {
        let link = visitor.accounts.site.address("/reset");
        let asked = ResetStartParams {
            email: visitor.field("email"),
            link: &link,
            site_name: &visitor.accounts.options.name,
            language: Some(visitor.language()),
            ..Default::default()
        };
        let next = visitor.caller().reset_start(&asked)?.next;
        if next != "code" {
            return Ok(visitor.show(200, Page::new("sent", SENT).with_message(LINK_MAY_BE_SENT)));
        }
        let inputs = vec![email_typed(visitor), INPUT_TYPED_CODE, with_hint(visitor, INPUT_NEW_PASSWORD)];
        Ok(sent(visitor, &next, Form::new(SET_PASSWORD, inputs).to("/reset"), Vec::new()))
    })
}

fn reset(visitor: &mut Visitor<'_>) -> Result<WebResponse, Error> {
    let form = code_form(visitor, SET_PASSWORD, vec![with_hint(visitor, INPUT_NEW_PASSWORD)]);
    filled(visitor, Page::new("reset", CHOOSE_PASSWORD).with_form(form), |visitor| {
        let asked = ResetFinishParams {
            code: visitor.field("code"),
            new_password: visitor.field("new_password"),
            email: typed_for(visitor),
        };
        visitor.caller().reset_finish(&asked)?;
        Ok(WebResponse::to("/login?said=reset"))
    })
}
