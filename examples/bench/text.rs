//! Lines for the terminal, and numbers as people read them.

use std::time::Duration;

/// A line of what was measured.
pub fn line(what: &str, value: &str) {
    println!("{what:<40}{value}");
}

/// The same, and whether it is within what the server promises.
pub fn budget(what: &str, value: &str, kept: bool, limit: &str) {
    let verdict = if kept { "within" } else { "OVER" };
    line(what, &format!("{value} ({verdict} {limit})"));
}

/// Bytes, as MiB.
pub fn mebibytes(bytes: u64) -> String {
    mebibytes_of(bytes as f64)
}

/// The same of a mean.
pub fn mebibytes_of(bytes: f64) -> String {
    format!("{:.2} MiB", bytes / (1024.0 * 1024.0))
}

/// KiB, as MiB.
pub fn kibibytes(kibibytes: u64) -> String {
    mebibytes(kibibytes * 1024)
}

/// A time, as milliseconds.
pub fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

/// The middle value; of an even number, the upper one of the two in the middle.
pub fn median<T: Ord + Copy>(mut values: Vec<T>) -> T {
    values.sort_unstable();
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![9, 1, 5]), 5);
        assert_eq!(median(vec![7]), 7);
        assert_eq!(median(vec![4, 3, 2, 1]), 3);
    }
}
