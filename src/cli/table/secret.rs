//! The commands about the keys of messages.

use crate::cli::command::{Command, Word};
use crate::cli::output::JSON;
use crate::cli::secret;

/// `authnzerver secret`.
pub(super) const SECRET: Command =
    Command::group("secret", "list, add and retire the keys of messages", COMMANDS).help(
        "\
A server takes messages that any of its keys has sealed, and answers with the same key. So a key is replaced without a
pause: add a new one, have the server reload, hand the new key to the frontends, retire the old one, reload again.
",
    );

static COMMANDS: &[Command] = &[
    Command::new("new", "make a key and show it; it is kept nowhere", secret::new).without_settings(),
    Command::new("add", "make a key, add it to the server's key file, and show it", secret::add)
        .words(&[Word::Required("NAME")])
        .options(&[secret::REQUESTS, JSON])
        .help(
            "\
The server takes it after a reload: `systemctl reload authnzerver`, or SIGHUP. A frontend that needs few requests gets
a key that may ask no others, such as

    authnzerver secret add web2 --requests=session-info,batch

What such a key may not ask is answered by HTTP 403. A `batch` has to be allowed, and each request in it, too. In the
file the limit stands behind the name, `KEY # web2 requests=session-info,batch`; no limit is taken for everything, and
one that cannot be read, or that names no request of the server, stops a start and is not taken by a reload.
",
        ),
    Command::new("retire", "take a key out of the server's key file", secret::retire)
        .words(&[Word::Required("NAME|FINGERPRINT")])
        .options(&[JSON])
        .help("The last key stays. The server refuses what the key has sealed after a reload.\n"),
    Command::new("list", "list the keys, with what each may ask and when it was last used", secret::list).options(&[JSON]),
];
