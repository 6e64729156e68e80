//! Pages as plain, accessible HTML, for a site that has no templates of its own yet.

use super::html::escape;
use std::borrow::Cow;

/// A text of ours, or one that was made.
pub type Text = Cow<'static, str>;

/// A field of a form.
#[derive(Clone, Debug)]
pub struct Input {
    /// What it is called in the form that is sent.
    pub name: Text,
    /// What stands beside it.
    pub label: Text,
    /// The `type` of HTML.
    pub kind: Text,
    /// What stands in it.
    pub value: Text,
    /// What browsers may fill in.
    pub autocomplete: Text,
    /// What is good to know about it.
    pub hint: Text,
    /// Whether it has to be filled in.
    pub required: bool,
}

impl Input {
    pub(super) const EMPTY: Self = Self {
        name: Cow::Borrowed(""),
        label: Cow::Borrowed(""),
        kind: Cow::Borrowed("text"),
        value: Cow::Borrowed(""),
        autocomplete: Cow::Borrowed("off"),
        hint: Cow::Borrowed(""),
        required: false,
    };

    /// One that is not seen.
    pub fn hidden(name: &'static str, value: impl Into<Text>) -> Self {
        Self { name: name.into(), kind: "hidden".into(), value: value.into(), ..Self::EMPTY }
    }
}

/// Inputs and a button, sent to the page that it stands on unless `action` says where.
#[derive(Clone, Debug, Default)]
pub struct Form {
    /// What the button says.
    pub button: Text,
    /// The fields.
    pub inputs: Vec<Input>,
    /// A path, or nothing.
    pub action: Text,
}

impl Form {
    /// A form to be sent to its own page.
    pub fn new(button: impl Into<Text>, inputs: Vec<Input>) -> Self {
        Self { button: button.into(), inputs, action: Text::default() }
    }

    /// A form to be sent to another.
    #[must_use]
    pub fn to(mut self, path: &'static str) -> Self {
        self.action = path.into();
        self
    }
}

/// An entry of a list, and what can be done with it.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// What it is.
    pub title: String,
    /// What else there is to know.
    pub details: Vec<String>,
    /// What does something to it.
    pub form: Option<Form>,
}

/// What a page shows. `name` tells which it is, for a site that draws it itself; each form needs the hidden field `csrf`.
#[derive(Clone, Default)]
pub struct Page {
    /// Which page it is.
    pub name: &'static str,
    /// Its title.
    pub title: Text,
    /// What it says.
    pub messages: Vec<Text>,
    /// Whether the messages say what went wrong.
    pub is_error: bool,
    /// Its forms.
    pub forms: Vec<Form>,
    /// Its list.
    pub rows: Vec<Row>,
    /// Paths, and what stands there.
    pub links: Vec<(&'static str, Text)>,
    /// What is shown this once.
    pub secret: Option<String>,
    /// What each form has to send back, in a field of this name.
    pub csrf: String,
    /// The language of its texts.
    pub language: String,
    /// What to call whoever sees it, as plain text; nothing where nobody is logged in.
    pub visitor: String,
}

impl std::fmt::Debug for Page {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The others are keys, codes and names.
        write!(formatter, "the page {}", self.name)
    }
}

impl Page {
    /// A page of this name, with a title.
    pub fn new(name: &'static str, title: impl Into<Text>) -> Self {
        Self { name, title: title.into(), language: "en".to_owned(), ..Self::default() }
    }

    /// With a form.
    #[must_use]
    pub fn with_form(mut self, form: Form) -> Self {
        self.forms.push(form);
        self
    }

    /// With a link.
    #[must_use]
    pub fn with_link(mut self, path: &'static str, text: impl Into<Text>) -> Self {
        self.links.push((path, text.into()));
        self
    }

    /// With a message.
    #[must_use]
    pub fn with_message(mut self, text: impl Into<Text>) -> Self {
        self.messages.push(text.into());
        self
    }

    /// A whole HTML page, without a look.
    pub fn draw(&self) -> String {
        format!(
            "<!doctype html><html lang=\"{}\"><head><meta charset=\"utf-8\"><title>{}</title>\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"></head>\
             <body><main>{}</main></body></html>",
            escape(&self.language),
            escape(&self.title),
            self.content()
        )
    }

    /// What stands within the page, as HTML: for a layout of the site's own. Its classes are `message`, `error`, `secret`,
    /// `rows`, `detail`, `field`, `check` and `links`.
    pub fn content(&self) -> String {
        let (kind, role) = if self.is_error { ("error", "alert") } else { ("message", "status") };
        let mut html = format!("<h1>{}</h1>", escape(&self.title));
        for message in &self.messages {
            html += &format!("<p class=\"{kind}\" role=\"{role}\">{}</p>", escape(message));
        }
        if let Some(secret) = &self.secret {
            html += &format!("<p class=\"secret\"><code>{}</code></p>", escape(secret));
        }
        if !self.rows.is_empty() {
            let rows: String = self.rows.iter().map(|row| self.row(row)).collect();
            html += &format!("<ul class=\"rows\">{rows}</ul>");
        }
        for (number, form) in self.forms.iter().enumerate() {
            html += &self.form(form, &format!("{number}-"), None);
        }
        if !self.links.is_empty() {
            let link = |(path, text): &(&str, Text)| {
                format!("<li><a href=\"{}\">{}</a></li>", escape(path), escape(text))
            };
            html += &format!("<ul class=\"links\">{}</ul>", self.links.iter().map(link).collect::<String>());
        }
        html
    }

    fn row(&self, row: &Row) -> String {
        let detail = |detail: &String| format!(" <span class=\"detail\">{}</span>", escape(detail));
        let details: String = row.details.iter().map(detail).collect();
        // Several buttons with the same word: whoever hears them has to know which is which.
        let form = row.form.as_ref().map(|form| self.form(form, "", Some(&row.title))).unwrap_or_default();
        format!("<li><div><strong>{}</strong>{details}</div>{form}</li>", escape(&row.title))
    }

    fn form(&self, form: &Form, prefix: &str, about: Option<&str>) -> String {
        let action =
            if form.action.is_empty() { String::new() } else { attributes(&[("action", &form.action)]) };
        let mut html = format!("<form method=\"post\"{action}>");
        html += &input(&Input::hidden("csrf", self.csrf.clone()), "");
        for one in &form.inputs {
            html += &input(one, &format!("{prefix}{}", one.name));
        }
        let label = about.map(|about| attributes(&[("aria-label", &format!("{}: {about}", form.button))]));
        html + &format!("<button{}>{}</button></form>", label.unwrap_or_default(), escape(&form.button))
    }

    /// The page with each of its texts in another language, where there is one.
    pub(super) fn translate(&mut self, text: impl Fn(&str) -> Option<String>) {
        let translate = |old: &mut Text| {
            if let Some(new) = text(old) {
                *old = Cow::Owned(new);
            }
        };
        translate(&mut self.title);
        self.messages.iter_mut().for_each(translate);
        self.links.iter_mut().for_each(|(_, text)| translate(text));
        // What else stands in rows most likely is not a text of ours but what users chose.
        let in_rows = self.rows.iter_mut().filter_map(|row| row.form.as_mut());
        for form in self.forms.iter_mut().chain(in_rows) {
            translate(&mut form.button);
            for input in &mut form.inputs {
                translate(&mut input.label);
                translate(&mut input.hint);
            }
        }
    }
}

fn input(one: &Input, id: &str) -> String {
    let about = attributes(&[("type", &one.kind), ("name", &one.name), ("value", &one.value)]);
    let (label, id) = (escape(&one.label), escape(id));
    match &*one.kind {
        "hidden" => format!("<input{about}>"),
        "checkbox" => {
            format!("<p class=\"check\"><input{about} id=\"{id}\"> <label for=\"{id}\">{label}</label></p>")
        }
        _ => {
            let (mut hint, mut described) = (String::new(), String::new());
            if !one.hint.is_empty() {
                hint = format!("<small id=\"{id}-hint\">{}</small>", escape(&one.hint));
                described = format!(" aria-describedby=\"{id}-hint\"");
            }
            let fills = attributes(&[("autocomplete", &one.autocomplete)]);
            let required = if one.required { " required" } else { "" };
            format!(
                "<p class=\"field\"><label for=\"{id}\">{label}</label>{hint}\
                 <input{about} id=\"{id}\"{fills}{described}{required}></p>"
            )
        }
    }
}

fn attributes(about: &[(&str, &str)]) -> String {
    about.iter().map(|(name, value)| format!(" {name}=\"{}\"", escape(value))).collect()
}
