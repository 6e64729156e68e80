//! The commands about backups.

use crate::cli::command::{Command, Word};
use crate::cli::output::JSON;
use crate::cli::{backup, restore};

/// `authnzerver backup`.
pub(super) const BACKUP: Command =
    Command::new("backup", "back the database up, while the server runs or not", backup::run)
        .words(&[Word::Required("FILE|DIR|-")])
        .options(&[backup::KEEP, backup::WITH_SECRETS, JSON])
        .help(
            "\
The copy is of one moment and holds all that was answered before it began. It is read to its end and safely on the disk
before it gets its name: whatever goes wrong, an older backup of that name is still there. Only its owner can read it.

In a directory it is named by the time (UTC). - writes it to standard output, once it was found whole. Key and salt are
not in it; it names those that it belongs to.

Ends with 0 when it is done, with 1 when it failed, and with 2 when the command line makes no sense.
",
        );

/// `authnzerver restore`.
pub(super) const RESTORE: Command =
    Command::new("restore", "put a backup in the place of the database", restore::run)
        .words(&[Word::Required("FILE")])
        .options(&[JSON])
        .help(
            "\
The server has to be stopped. The backup is read to its end first; the database that was there is kept beside the new
one. Sessions and API keys that were ended since the backup are live again.

Ends with 0 when it is done, with 1 when nothing was changed, and with 2 when the command line makes no sense.
",
        );
