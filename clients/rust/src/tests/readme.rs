//! The README's example, as a program that depends on this package.

use super::clients;
use super::real::real;
use std::path::{Path, PathBuf};
use std::process::Command;

fn run(folder: &Path, replaced: &[(&str, &str)]) -> String {
    let package = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(package.join("README.md")).unwrap();
    let (_, example) = readme.split_once("```rust,no_run\n").unwrap();
    let mut program = example.split_once("```").unwrap().0.to_owned();
    for (old, new) in replaced {
        assert!(program.contains(old), "{old}");
        program = program.replace(old, new);
    }
    let manifest = format!(
        "[package]\nname = \"user\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n\
         authnzerver-client = {{ path = {package:?} }}\n[profile.dev.package.\"*\"]\nopt-level = 2\n"
    );
    std::fs::create_dir_all(folder.join("src")).unwrap();
    std::fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    std::fs::write(folder.join("src/main.rs"), program).unwrap();
    std::fs::copy(package.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--offline"]).current_dir(folder);
    // Those of this package, which cargo would take for a reason to build all anew.
    let ours = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_", "CARGO_BIN_", "CARGO_PRIMARY_"];
    for (name, _) in std::env::vars_os() {
        if ours.iter().any(|start| name.to_string_lossy().starts_with(start)) {
            command.env_remove(name);
        }
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_readme_logs_in() {
    let real = real();
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| clients().join("../target"), PathBuf::from);
    let folder = target.join("clients/rust-user");
    let (key_file, url) = (folder.join("key"), real.url.clone());
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(&key_file, &real.key).unwrap();
    let here =
        [("run/.authnzerver-secret-key", key_file.to_str().unwrap()), ("http://127.0.0.1:13431", &url)];
    assert!(run(&folder, &here).starts_with('['), "what the server says");
    let (email, password) = &real.admin;
    let known = [("alice@example.org", email.as_str()), ("correct horse battery staple", password.as_str())];
    assert!(run(&folder, &[here, known].concat()).starts_with(email.as_str()));
}
