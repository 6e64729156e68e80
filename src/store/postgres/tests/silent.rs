//! Servers that say nothing, or not enough, or too slowly: nobody waits for longer than is said, and nothing is left behind.

use super::super::engine::Postgres;
use super::super::pool::Pool;
use super::super::session::{Kind, Session};
use super::super::target::Target;
use super::fake::{Listening, Peer, done, error, ready, row, says};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::rng::SeededRng;
use crate::store::db::Tx;
use crate::store::error::StoreError;
use crate::store::job::{self, Purpose};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

/// A clock by which everything takes long.
struct Hasty(SystemClock);

impl Clock for Hasty {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic() * 20
    }

    fn is_real(&self) -> bool {
        false
    }
}

fn target(hosts: &[&Listening], options: &str) -> Target {
    let hosts: Vec<_> = hosts.iter().map(|host| format!("127.0.0.1:{}", host.port)).collect();
    let url = format!("postgresql://tests@{}/db?sslmode=disable{options}", hosts.join(","));
    let target = Target::parse(&url).unwrap_or_else(|problem| panic!("{problem}"));
    Target { answer_limit: Duration::from_secs(1), ..target }
}

fn pool_of(clock: Arc<dyn Clock>, hosts: &[&Listening], options: &str) -> Arc<Pool> {
    let target = target(hosts, options);
    Arc::new(Pool::new(target, clock, Arc::new(SeededRng::new(7))).expect("starts"))
}

fn real() -> Arc<dyn Clock> {
    Arc::new(SystemClock::new())
}

fn sound() -> Listening {
    Listening::answering(|_| [row(&[Some(b"1")]), done("SELECT 1"), ready()].concat())
}

fn asks(pool: &Pool) -> Result<Option<String>, StoreError> {
    Session::new(pool, Kind::Read).text("SELECT 1")
}

/// Says these bytes over and over, one at a time, so that something always comes and never all of it.
fn trickle(peer: &mut Peer, bytes: &[u8]) -> Option<()> {
    let (_never, paused) = channel::<()>();
    for byte in bytes.iter().cycle() {
        peer.say(&[*byte])?;
        let _ = paused.recv_timeout(Duration::from_millis(20));
    }
    None
}

type Step = fn(&mut Peer) -> Option<()>;

#[test]
fn a_host_that_hangs_is_left_for_the_next_one() {
    let steps: [(&str, Step); 6] = [
        ("accepts", |peer| peer.ignore()),
        ("asks for a password", |peer| {
            peer.startup()?;
            peer.say(&says(b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0"))?;
            peer.ignore()
        }),
        ("logs in", |peer| {
            peer.log_in()?;
            peer.ignore()
        }),
        ("trickles remarks", |peer| {
            peer.startup()?;
            trickle(peer, &says(b'N', b"SNOTICE\0\0"))
        }),
        ("trickles one message", |peer| {
            peer.startup()?;
            peer.say(&[b'N', 0, 16, 0, 0])?;
            trickle(peer, b"x")
        }),
        ("does not get ready", |peer| {
            peer.startup()?;
            peer.say(&says(b'R', &[0; 4]))?;
            trickle(peer, &says(b'S', b"a\0b\0"))
        }),
    ];
    let passes = |what: &str, step: Step| {
        let (first, second) = (Listening::serve(move |_, mut peer| step(&mut peer)), sound());
        let pool = pool_of(real(), &[&first, &second], "");
        assert_eq!(asks(&pool).expect(what).as_deref(), Some("1"), "{what}");
        pool.forget_idle();
        assert_eq!(asks(&pool).expect(what).as_deref(), Some("1"), "{what}");
        assert_eq!((first.connections(), second.connections()), (1, 2), "{what}: it is asked first again");
    };
    std::thread::scope(|scope| {
        for (what, step) in steps {
            scope.spawn(move || passes(what, step));
        }
    });
}

#[test]
fn an_answer_that_takes_too_long_is_given_up() {
    let steps: [(&str, Step); 3] = [
        ("nothing", |peer| peer.ignore()),
        ("remarks", |peer| trickle(peer, &says(b'N', b"SNOTICE\0\0"))),
        ("a row", |peer| {
            peer.say(&[b'D', 0, 16, 0, 0])?;
            trickle(peer, b"x")
        }),
    ];
    for (what, step) in steps {
        let server = Listening::serve(move |_, mut peer| {
            peer.log_in()?;
            let mut others = 0;
            // What it is set to, and whether it takes writes.
            while others < 2 {
                peer.message()?;
                let said = [row(&[Some(b"primary")]), done("SELECT 1"), ready()].concat();
                peer.say(&said)?;
                others += 1;
            }
            peer.message()?;
            step(&mut peer)
        });
        let pool = pool_of(real(), &[&server], "&max_connections=2");
        for _ in 0..2 {
            let given_up = asks(&pool).expect_err(what).to_string();
            assert!(given_up.contains("no connection to PostgreSQL: timed out"), "{what}: {given_up}");
        }
    }
}

#[test]
fn a_write_whose_connections_are_all_lost_is_not_begun_over_and_over() {
    let server = Listening::serve(|_, mut peer| {
        peer.log_in()?;
        for _ in 0..2 {
            peer.message()?;
            peer.say(&[row(&[Some(b"primary")]), done("SELECT 1"), ready()].concat())?;
        }
        peer.ignore()
    });
    let target = target(&[&server], "");
    let rng = Arc::new(SeededRng::new(7));
    let (postgres, changes) = (Postgres::around, Arc::default());
    let postgres = postgres(&target, (Arc::new(Hasty(SystemClock::new())), rng), &changes)
        .unwrap_or_else(|error| panic!("{error}"));
    let work = |tx: &Tx<'_>| tx.execute("SELECT 1", &[]);
    let written = job::write(Purpose::Request, work, |job| {
        postgres.submit(job);
        Ok(())
    });
    assert!(matches!(written, Err(StoreError::Postgres(_))), "{written:?}");
    assert!(server.connections() < 4, "{} were tried", server.connections());
}

#[test]
fn whoever_finds_no_connection_waits_for_their_turn_or_is_refused() {
    let server = sound();
    let pool = pool_of(real(), &[&server], "&max_connections=2");
    let lend = |pool: &Pool| pool.lend().map(|(connection, _)| connection);
    let (first, second) = (lend(&pool).expect("connects"), lend(&pool).expect("connects"));
    assert!(
        matches!(pool.lend().map(drop), Err(StoreError::Busy)),
        "waits for more than two seconds, and not for ever"
    );
    let (lent, has_lent) = channel();
    let waits = {
        let pool = Arc::clone(&pool);
        std::thread::spawn(move || lent.send(lend(&pool).map(drop)).expect("somebody listens"))
    };
    while pool.taken_and_waiting().1 == 0 {
        std::thread::yield_now();
    }
    pool.take_back(first);
    // Whoever comes now comes later.
    let third = pool.lend();
    has_lent.recv().expect("is told").expect("it was given to the one who waited");
    waits.join().expect("ends");
    drop((second, third));
    for _ in 0..20 {
        pool.take_back(lend(&pool).expect("connects"));
    }
    assert_eq!(pool.taken_and_waiting(), (1, 0), "places were lost");
}

#[test]
fn connections_that_come_to_nothing_take_no_place() {
    let is_well = Arc::<AtomicBool>::default();
    let server = {
        let is_well = Arc::clone(&is_well);
        Listening::serve(move |_, mut peer| {
            if is_well.load(Ordering::SeqCst) {
                peer.log_in()?;
                peer.answer_each(&|_| ready())
            } else {
                peer.ignore()
            }
        })
    };
    let pool = pool_of(real(), &[&server], "&max_connections=2");
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| pool.lend().map(drop).expect_err("nothing comes"));
        }
    });
    is_well.store(true, Ordering::SeqCst);
    let lent = (pool.lend().expect("connects"), pool.lend().expect("connects"));
    assert!(matches!(pool.lend().map(drop), Err(StoreError::Busy)), "there were more than allowed");
    drop(lent);
    assert_eq!(pool.taken_and_waiting(), (0, 0), "places were lost");
}

#[test]
fn after_a_failover_the_next_host_is_used() {
    let is_primary = Arc::new(AtomicBool::new(true));
    let first = {
        let is_primary = Arc::clone(&is_primary);
        Listening::serve(move |_, mut peer| {
            peer.log_in()?;
            loop {
                let (kind, contents) = peer.message()?;
                let is_primary = is_primary.load(Ordering::SeqCst);
                let said = if contents.starts_with(b"SELECT CASE WHEN pg_is") {
                    [
                        row(&[Some(if is_primary { b"primary" } else { b"standby" })]),
                        done("SELECT 1"),
                        ready(),
                    ]
                    .concat()
                } else if contents.starts_with(b"SET") || is_primary {
                    [row(&[Some(b"first")]), done("SELECT 1"), ready()].concat()
                } else {
                    [error("25006", &[]), ready()].concat()
                };
                if kind == b'Q' {
                    peer.say(&said)?;
                }
            }
        })
    };
    let second = sound();
    let pool = pool_of(real(), &[&first, &second], "");
    assert_eq!(asks(&pool).expect("reads").as_deref(), Some("first"));
    is_primary.store(false, Ordering::SeqCst);
    asks(&pool).expect_err("it takes no writes any more");
    assert_eq!(asks(&pool).expect("reads").as_deref(), Some("1"), "the next one is used");
    // Nobody takes writes, and nobody answers at all: each is told soon.
    let standby = pool_of(real(), &[&first, &first], "");
    let told = asks(&standby).expect_err("there is no primary").to_string();
    assert!(told.contains("no server takes writes"), "{told}");
}
