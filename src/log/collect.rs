//! Keeps the warnings of some work for whoever had it done, in place of writing them.

use std::cell::RefCell;

thread_local! {
    /// What was warned of on this thread, while somebody collects it.
    static COLLECTED: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Does some work on this thread; gives its result, and what it warned of in place of logging it. It must not wait on a
/// coroutine, which might go on elsewhere.
pub fn collect<T>(work: impl FnOnce() -> T) -> (T, Vec<String>) {
    let before = COLLECTED.replace(Some(Vec::new()));
    let done = work();
    (done, COLLECTED.replace(before).unwrap_or_default())
}

/// Takes a line, if somebody collects here.
pub(super) fn take(level: log::Level, line: impl FnOnce() -> String) -> bool {
    COLLECTED.with_borrow_mut(|collected| match collected {
        None => false,
        Some(lines) => {
            if level <= log::Level::Warn {
                lines.push(line());
            }
            true
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_of_the_work_are_collected_and_nothing_else() {
        crate::log::warning("before", &[]);
        let (done, warnings) = collect(|| {
            crate::log::warning("less memory", &[("kib", 4_u64.into())]);
            crate::log::info("not worth a warning", &[]);
            7
        });
        assert_eq!((done, warnings), (7, vec!["less memory kib=4".to_owned()]));
        assert!(!take(log::Level::Warn, String::new), "nobody collects any more");
    }
}
