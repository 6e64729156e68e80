//! Which texts are taken and which are refused, and which one is written in which language.

use super::placeholder::Problem;
use super::*;
use zeroize::Zeroizing;

const SITES: &[&str] = &["https://good.example"];

struct Each(&'static str);

impl Values for Each {
    fn value(&self, placeholder: Placeholder) -> Zeroizing<String> {
        Zeroizing::new(format!("{}{}", placeholder.name(), self.0))
    }
}

fn sites() -> Vec<String> {
    SITES.iter().map(|site| (*site).to_owned()).collect()
}

fn text(body: &str) -> Result<Template, Problem> {
    Template::read(&format!("Subject: A subject\n\n{body}"), Carries::Link, &sites())
}

/// What is wrong with a text, and where.
fn wrong(read: Result<impl Sized, Problem>) -> (usize, String) {
    let Err(Problem { line, what }) = read else { panic!("it was taken") };
    (line, what)
}

fn html(body: &str) -> Result<(), Problem> {
    let mut template = text("{{link}}\n").expect("a text");
    template.add_html(&format!("<a href=\"{{{{link}}}}\">go</a>\n{body}"), Carries::Link, &sites())
}

#[test]
fn the_built_in_texts_can_be_read_and_need_no_others() {
    let texts = EmailTexts::built_in_only();
    assert_eq!(built_in().count(), ROWS.len());
    for (email, row) in EmailText::ALL.iter().zip(ROWS) {
        let (subject, text, html) = texts.write(*email, "", &Each("!"));
        assert!(subject.starts_with("[site!] ") && html.is_none(), "{subject}");
        for placeholder in ["site", "site_url", "email", "browser", "ip_address"] {
            assert!(text.contains(&format!("{placeholder}!")), "{} {placeholder}", row.name);
        }
        let needed = row.carries.needs().map(|needed| format!("{}!", needed.name()));
        assert!(needed.is_none_or(|needed| text.lines().any(|line| line == needed)), "{}", text.as_str());
        assert!(text.is_ascii() && !text.contains("{{"), "{}", text.as_str());
    }
}

#[test]
fn a_text_is_refused_with_its_line() {
    let read = |whole: &str, carries| Template::read(whole, carries, &sites());
    for (whole, line, what) in [
        ("", 1, "Subject: "),
        ("Hello\n\nx", 1, "Subject: "),
        ("Subject:\n\nx", 1, "Subject: "),
        ("Subject: x\ny\n", 2, "blank"),
        ("Subject: x\n\n \n", 3, "no text"),
        ("Subject: x {{code}}\n\n{{code}}\n", 1, "no such placeholder"),
        ("Subject: x {{link}}\n\n{{link}}\n", 1, "list of emails"),
        ("Subject: x\r\nBcc: y\r\n\r\nz", 2, "blank"),
        ("Subject: x\u{b}Bcc: y\n\nz", 1, "U+000B"),
        ("Subject: x\n\na\n\u{1b}[2J", 4, "U+001B"),
        ("Subject: x\n\n{{link}}\n{{nam}}", 4, "no such placeholder here; there are {{site}}"),
        ("Subject: x\n\n{{link}}\n{{ link }}", 4, "no such placeholder"),
        ("Subject: x\n\n{{link}}\n\n{{site", 5, "without }}"),
        ("Subject: x\n\n{{site\n}}", 3, "without }}"),
        ("Subject: x\n\nnothing\n", 3, "nowhere has {{link}}"),
        ("Subject: x\n\n{{link}}.\n", 3, "alone on its line"),
        ("Subject: x\n\n{{link}}&x={{email}}\n", 3, "alone on its line"),
        ("Subject: x\n\n{{link}}\nat {{site_url}}.\n", 4, "blanks around"),
        ("Subject: x\n\n{{link}}\nhttps://good.example/{{email}}\n", 4, "put together"),
        ("Subject: x\n\n{{link}}\nhttps://evil.example/\n", 4, "https://evil.example, which is not among"),
        ("Subject: x\n\n{{link}}\n(http://good.example/)\n", 4, "not among"),
        ("Subject: x\n\n{{link}}\nftp://good.example/\n", 4, "no plain"),
    ] {
        let (found, told) = wrong(read(whole, Carries::Link));
        assert!(found == line && told.contains(what), "{whole:?}: line {found}: {told}");
    }
    let long = format!("Subject: x\n\n{{{{link}}}}\n{}", "x".repeat(999));
    assert!(wrong(read(&long, Carries::Link)).1.contains("998 bytes"));
    assert!(wrong(read("Subject: x\n\n{{page}}\n", Carries::TypedCode)).1.contains("nowhere has {{code}}"));
    assert!(wrong(read("Subject: x\n\n{{expires}}\n", Carries::Nothing)).1.contains("no such placeholder"));
    let fine =
        "Subject: x {{site}}\r\n\r\nHallo {{name}}, see (https://good.example/help).\r\n\r\n  {{link}}\r\n";
    assert!(read(fine, Carries::Link).is_ok());
    let elsewhere = "Subject: x\n\nhttps://any.example/\n";
    assert!(Template::read(elsewhere, Carries::Nothing, &[]).is_ok());
    let plain = elsewhere.replace("https", "http");
    assert!(wrong(Template::read(&plain, Carries::Nothing, &[])).1.contains("must be https"));
}

#[test]
fn html_holds_nothing_that_runs_loads_or_leads_elsewhere() {
    for (body, what) in [
        ("<script>x</script>", "<script>"),
        ("<SCRIPT src=\"https://good.example/x\"></SCRIPT>", "<script>"),
        ("<iframe></iframe>", "<iframe>"),
        ("<form action=\"https://good.example\">", "<form>"),
        ("<base href=\"https://good.example\">", "<base>"),
        ("<svg onload=\"x\">", "<svg>"),
        ("<meta http-equiv=\"refresh\" content=\"0\">", "http-equiv"),
        ("<b onclick=\"x\">", "onclick"),
        ("<b OnClick='x'>", "onclick"),
        ("<a href=\"javascript:x\">", "no plain"),
        ("<a href=\"&#106;avascript:x\">", "no plain"),
        ("<a href=\"https://evil.example\">", "not among"),
        ("<a href=\"//evil.example\">", "no plain"),
        ("<a href=\"https://good.example@evil.example\">", "no plain"),
        ("<a href={{link}}>", "in quotes"),
        ("<a href=\"{{link}}&x=1\">", "put together"),
        ("<a href=\"{{email}}\">", "put together"),
        ("<a href=\"mailto:{{email}}\">", "put together"),
        ("<img src=\"{{link}}\">", "put together"),
        ("<img src=\"https://evil.example/x.png\">", "not among"),
        ("<img src=\"data:image/png;base64,AA\">", "no plain"),
        ("<td background=\"https://evil.example/x.png\">", "not among"),
        ("<img srcset=\"https://good.example/x 2x\">", "srcset"),
        ("<b title=\"{{name}}\">", "attribute title"),
        ("<b {{name}}>", "attribute {{name}}"),
        ("<{{name}}>", "begins no tag"),
        ("<b style=\"background:url(https://evil.example)\">", "url("),
        ("<style>@import 'x';</style>", "@import"),
        ("<style>b { content: '{{name}}' }</style>", "no placeholder"),
        ("<style>b { }", "has no end"),
        ("<!-- {{name}} -->", "no placeholder"),
        ("<!--[if mso]><a href=\"https://evil.example\"><![endif]-->", "not among"),
        ("see https://evil.example", "not among"),
        ("a < b", "begins no tag"),
        ("<b title=\"x", "has no end"),
        ("<b ", "has no end"),
        ("{{code}}", "no such placeholder"),
    ] {
        let (line, told) = wrong(html(body));
        assert!(line == 2 && told.contains(what), "{body}: line {line}: {told}");
    }
    let fine = "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0//EN\" \"http://www.w3.org/TR/xhtml1/DTD/x.dtd\">\n\
        <html xmlns=\"http://www.w3.org/1999/xhtml\"><head><meta charset=\"utf-8\"/><style>b { color: red }</style></head>\n\
        <body bgcolor='#fff'><!-- a note --><p style=\"color: red\">Hallo {{name}}<br/>\n\
        <a href=\"{{link}}\"><img alt=\"\" src=\"https://good.example/x.png\"></a> <a href=\"mailto:x@good.example\">x</a>\n\
        {{link}} https://good.example</p></body></html>";
    assert_eq!(html(fine), Ok(()));
    let mut template = text("{{link}}\n").expect("a text");
    let unclickable = template.add_html("<p>{{link}}</p>", Carries::Link, &[]);
    assert!(wrong(unclickable).1.contains("nobody can click"));
}

#[test]
fn a_value_is_escaped_in_html_and_put_in_once() {
    let mut template = text("{{name}}\n\n{{link}}\n").expect("a text");
    let html = "<p>{{name}}</p><a href=\"{{link}}\">{{email}}</a>";
    template.add_html(html, Carries::Link, &sites()).expect("HTML");
    let (_, text, html) = template.fill(&Each("<b>\"'&{{site}}"));
    assert_eq!(text.as_str(), "name<b>\"'&{{site}}\n\nlink<b>\"'&{{site}}\n");
    let safe = "&lt;b&gt;&quot;&#39;&amp;{{site}}";
    let expected = format!("<p>name{safe}</p><a href=\"link{safe}\">email{safe}</a>");
    assert_eq!(html.as_deref(), Some(&expected));
}

#[test]
fn the_nearest_language_is_taken_and_english_at_last() {
    let room = tempfile::tempdir().expect("a directory");
    let put = |name: &str, subject: &str| {
        let written = std::fs::write(room.path().join(name), format!("Subject: {subject}\n\n{{{{link}}}}\n"));
        written.expect("writes");
    };
    put("signup.de.txt", "deutsch");
    put("signup.de-CH.txt", "schwyzerdütsch");
    put("signup.fr.txt", "français");
    put(".signup.xx.txt.swp", "no text");
    put("README", "no text");
    put(".hidden.txt", "no text");
    let read = |language| EmailTexts::read(room.path(), language, &[]).expect("reads");
    let subject = |texts: &EmailTexts, email, language| texts.write(email, language, &Each("")).0;
    let texts = read("fr-CA");
    assert_eq!(texts.own(), 3);
    for (language, expected) in [
        ("de-CH", "schwyzerdütsch"),
        ("DE-ch-1996", "schwyzerdütsch"),
        ("de-AT", "deutsch"),
        ("it", "français"),
        ("", "français"),
    ] {
        assert_eq!(subject(&texts, EmailText::SignUp, language), expected, "{language}");
    }
    assert_eq!(subject(&texts, EmailText::Reset, "de"), "[site] Please choose a new password");
    let texts = read("en");
    assert_eq!(subject(&texts, EmailText::SignUp, "it"), "[site] Please verify your sign-up");
    put("signup.en.txt", "mine");
    assert_eq!(subject(&read("es"), EmailText::SignUp, "it"), "mine");
}

#[test]
fn all_that_is_wrong_in_a_directory_is_reported_together_by_file() {
    let room = tempfile::tempdir().expect("a directory");
    for (name, content) in [
        ("sign-up.en.txt", "Subject: x\n\n{{link}}\n"),
        ("signup.txt", "Subject: x\n\n{{link}}\n"),
        ("signup.d_e.txt", "Subject: x\n\n{{link}}\n"),
        ("reset.de.txt", "Subject: x\n\n{{link}}\n"),
        ("reset.DE.txt", "Subject: x\n\n{{link}}\n"),
        ("reset.fr.html", "<a href=\"{{link}}\">x</a>"),
        ("reset.de.html", "\n<script>"),
    ] {
        std::fs::write(room.path().join(name), content).expect("writes");
    }
    std::fs::write(room.path().join("reset.it.txt"), b"Subject: \xff").expect("writes");
    let Err(problems) = EmailTexts::read(room.path(), "en", &[]) else { panic!("it was taken") };
    for (name, what) in [
        ("sign-up.en.txt", "no email is called so; there are signup, signup-typed"),
        ("signup.txt", "must stand a language, as in signup.de-CH.txt"),
        ("signup.d_e.txt", "a language"),
        ("reset.de.txt", "another file"),
        ("reset.fr.html", "needs its text, too: reset.fr.txt"),
        ("reset.de.html", "line 2: an email must not have <script>"),
        ("reset.it.txt", "not UTF-8"),
    ] {
        let is_told = problems.iter().any(|problem| {
            problem.as_str().contains(&format!("/{name}: ")) && problem.as_str().contains(what)
        });
        assert!(is_told, "{name}: {problems:#?}");
    }
    assert_eq!(problems.len(), 7);
    assert!(EmailTexts::read(&room.path().join("nowhere"), "en", &[]).is_err());
}
