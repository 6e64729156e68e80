//! The emails that a server of the stories sends by itself.

use crate::TestServer;
use authnzerver::accounts::email_queue;
use authnzerver::outbound::templates::Email;
use std::sync::atomic::Ordering;

impl TestServer {
    /// Has emails stay in the queue until [`TestServer::emails`] is asked, so that what is counted meanwhile is the
    /// requests' own.
    pub fn holds_emails(&self) {
        self.app.mail_stops.store(true, Ordering::Release);
        self.finish_emails();
    }

    /// The emails that were sent since the last time, with those that are due now.
    pub fn emails(&self) -> Vec<Email> {
        self.app.mail_stops.store(false, Ordering::Release);
        self.finish_emails();
        email_queue::wake(&self.app);
        self.finish_emails();
        self.outbox.take()
    }

    /// Waits until what was begun is done: one thread does it all, in its turn.
    fn finish_emails(&self) {
        while self.app.post.run(|| ()).is_none() {
            std::thread::yield_now();
        }
    }

    /// The code in the link of the one email that was sent since the last time.
    pub fn emailed_code(&self) -> String {
        let emails = self.emails();
        assert_eq!(emails.len(), 1, "one email");
        code_in(&emails[0])
    }
}

/// The code in an email that somebody types.
pub fn typed_code_in(email: &Email) -> String {
    let is_code = |line: &&str| line.len() == 9 && line.as_bytes()[4] == b'-';
    email.text.lines().find(is_code).expect("the email has a code on a line of its own").to_owned()
}

/// The code in the link of an email.
pub fn code_in(email: &Email) -> String {
    let lines = email.text.lines();
    let mut codes = lines.filter_map(|line| line.split_once("?code=").map(|(_, code)| code.to_owned()));
    codes.next().expect("the email has a link with a code")
}
