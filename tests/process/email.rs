//! Emails as an operator deals with them: their texts, and the commands about them.

use support::machine::Machine;

const SIGN_UP: &str = "Subject: Willkommen\n\n{{link}}\n";

#[test]
fn texts_of_emails_are_checked_at_the_start_and_read_again_on_a_hang_up() {
    let machine = Machine::new();
    let directory = machine.path("emails");
    std::fs::create_dir(&directory).expect("makes");
    let write = |text: &str| std::fs::write(directory.join("signup.de.txt"), text).expect("writes");
    write("Subject: x\n\n{{link}}\n{{nmae}}\n");
    let settings = [("TEMPLATES", "[[basedir]]/emails")];
    let (status, log) = machine.fails(&settings);
    assert_eq!(status, 1);
    assert!(log.contains("signup.de.txt: line 4: there is no such placeholder"), "{log}");
    write(SIGN_UP);
    let server = machine.starts(&settings);
    write("Subject: x\n\nhttps://evil.example\n");
    server.hangs_up("kept the old email texts");
    write(SIGN_UP);
    server.hangs_up("read the email texts again");
}
