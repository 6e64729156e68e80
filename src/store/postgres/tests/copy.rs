//! What is copied, and a copy whose connection is lost on the way.

use super::super::copy;
use super::{clock, engine, open, rng, target};
use crate::store::copy_end::{TABLES, Work};

#[test]
fn a_copy_whose_connection_is_lost_leaves_nothing() {
    let Some((other, _)) = open() else { return };
    let Some(target) = target() else { return };
    let other = engine(&other);
    let schema = target.schema.clone().expect("is named");
    let cut_off: &mut Work<'_> = &mut |end| {
        end.set_highest("users", "user_id", 7).expect("goes on");
        // Who copies is alone in the schema.
        let ended = other.reader().text(&format!(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' \
             AND classid = 1098152532 AND objid::bigint = hashtext('{schema}')::bigint & 4294967295"
        ));
        assert_eq!(ended.expect("reads").as_deref(), Some("t"));
        Ok(())
    };
    let told = copy::write(&target, (&clock(), &rng()), cut_off).expect_err("is cut off").to_string();
    assert!(told.starts_with("TO: "), "{told}");
    let is_there = other.reader().text(&format!("SELECT to_regnamespace('{schema}') IS NOT NULL"));
    assert_eq!(is_there.expect("reads").as_deref(), Some("f"));
}

/// What this engine has by itself: the schema's number, events before they have a number, the highest one, and what processes have for
/// themselves for a while.
const OF_POSTGRES: [&str; 5] =
    ["authnzerver_schema", "event_queue", "event_queue_origins", "events_highest", "leases"];

#[test]
fn no_table_is_left_out() {
    let Some((store, _)) = open() else { return };
    let postgres = engine(&store);
    let there = postgres.reader().text(
        "SELECT string_agg(relname, ' ' ORDER BY relname COLLATE \"C\") FROM pg_class \
         WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'",
    );
    let mut known = [&TABLES[..], &OF_POSTGRES].concat();
    known.sort_unstable();
    assert_eq!(there.expect("reads"), Some(known.join(" ")));
}
