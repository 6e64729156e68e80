//! The queue before the hashing threads: who has a place in it, and whose turn it is.

use super::super::queue::Queue;
use super::*;
use std::sync::mpsc::TryRecvError;

#[test]
fn a_full_queue_says_so_at_once() {
    let hasher = started(HasherSettings { threads: 1, places: Some(1), ..settings() });
    let busy = keep_busy(&hasher, 1);
    let (queued, is_done) = queues(&hasher, ANYBODY);
    assert!(queued, "there is room for one");
    assert!(!queues(&hasher, ANYBODY).0, "and for no more");

    assert_eq!(hasher.hash(ANYBODY, &PASSWORD.into()).err(), Some(HasherBusy::Queue));
    assert_eq!(hasher.verify(ANYBODY, &PASSWORD.into(), None), Err(HasherBusy::Queue));
    assert_eq!(hasher.verify_dummy(ANYBODY, &PASSWORD.into()), Err(HasherBusy::Queue));
    assert_eq!(hasher.hash_operations(), 0);

    drop(busy);
    is_done.recv().expect("what was queued is done");
    hasher.verify_dummy(ANYBODY, &PASSWORD.into()).expect("there is room again");
}

#[test]
fn a_network_may_fill_the_queue_but_keeps_no_more_than_a_quarter_from_others() {
    let hasher = started(HasherSettings { threads: 1, places: Some(32), ..settings() });
    let _busy = keep_busy(&hasher, 1);
    // Addresses of one network are one asker, in whatever form.
    let neighbours = ["192.0.2.1", "192.0.2.200", "::ffff:192.0.2.7", "64:ff9b::192.0.2.8"];
    let place = |client: &str, account: usize| queues(&hasher, &asker(client, &format!("{account}")));
    let of_neighbours = |number: usize| place(neighbours[number % 4], number);
    let theirs: Vec<_> = (0..40).map(of_neighbours).collect();
    assert_eq!(theirs.iter().filter(|(queued, _)| *queued).count(), 32, "nobody else wants the places");
    let others: Vec<_> = (0..40).map(|number| place(&format!("203.0.{number}.1"), 100 + number)).collect();
    assert_eq!(others.iter().filter(|(queued, _)| *queued).count(), 24, "then others do");
    assert!(!of_neighbours(50).0, "who has most gets no more");
    let is_lost = |(_, done): &(bool, mpsc::Receiver<()>)| done.try_recv() == Err(TryRecvError::Disconnected);
    let kept: Vec<_> = theirs.iter().map(|place| !is_lost(place)).collect();
    assert_eq!(kept, [[true; 8].as_slice(), &[false; 32]].concat(), "the newest make room");
    assert!(!others[..24].iter().any(is_lost), "who has one keeps it");
}

#[test]
fn a_customer_is_one_network_and_an_account_gets_a_few_places() {
    let hasher = started(HasherSettings { threads: 1, places: Some(8), ..settings() });
    let _busy = keep_busy(&hasher, 1);
    let place = |client: &str, account: usize| queues(&hasher, &asker(client, &format!("{account}")));
    let of_one_account: Vec<_> = (0..8).map(|number| place(&format!("198.{number}.100.1"), 300)).collect();
    assert_eq!(of_one_account.iter().filter(|(queued, _)| *queued).count(), 4);
    let subnets: Vec<_> =
        (0..8).map(|number| place(&format!("2001:db8:1:{number}::1"), 100 + number)).collect();
    assert_eq!(subnets.iter().filter(|(queued, _)| *queued).count(), 4, "it fills the queue");
    assert!(place("203.0.113.1", 400).0, "so it makes room for another");
    assert!(!place("2001:db8:1:99::1", 401).0, "but not for itself");
}

/// Puts something into a queue that nobody works off.
fn joins(queue: &Queue, client: &str, account: usize) -> bool {
    let asker = asker(client, &format!("{account}"));
    let work = Box::new(|_: &mut Arena| ());
    queue.push(Ticket { asker, is_large: false, since: Duration::ZERO, work }).is_ok()
}

#[test]
fn a_queue_that_became_shorter_makes_room_for_others_all_the_same() {
    let queue = Queue::new(1, None, Duration::from_millis(100));
    assert!((0..100).all(|account| joins(&queue, "192.0.2.1", account)));
    (0..100).for_each(|_| queue.learn(Duration::from_secs(1)));
    assert_eq!((queue.places(), queue.queued()), (32, 100));
    assert!(!joins(&queue, "192.0.2.1", 200), "who has all of it gets no more");
    assert_eq!(queue.queued(), 100);
    assert!(joins(&queue, "203.0.113.1", 300));
    assert_eq!(queue.queued(), 32);
}

#[test]
fn nobody_leaves_a_queue_for_somebody_who_gets_no_place_in_it() {
    let queue = Queue::new(1, Some(8), Duration::ZERO);
    let networks = ["198.51.100.1", "203.0.113.1", "192.0.3.1", "192.0.4.1"];
    assert!(networks.iter().all(|client| joins(&queue, client, 1)));
    assert!((10..14).all(|account| joins(&queue, "192.0.2.1", account)));
    assert!(!joins(&queue, "192.0.5.1", 1), "its account has too many places");
    assert_eq!(queue.queued(), 8);
    assert!(joins(&queue, "192.0.5.1", 2), "another account does not");
}

#[test]
fn networks_take_turns() {
    let hasher = started(HasherSettings { threads: 1, ..settings() });
    let busy = keep_busy(&hasher, 1);
    let (order, done) = mpsc::channel();
    for (client, account, name) in [
        ("192.0.2.1", "a", "first"),
        ("192.0.2.2", "b", "first"),
        ("192.0.2.3", "c", "first"),
        ("198.51.100.1", "d", "second"),
        ("198.51.100.2", "e", "second"),
        ("203.0.113.1", "f", "third"),
    ] {
        let order = order.clone();
        let work = Box::new(move |_: &mut Arena| order.send(name).expect("the test is waiting"));
        let ticket = Ticket { asker: asker(client, account), is_large: false, since: Duration::ZERO, work };
        assert!(hasher.shared.queue.push(ticket).is_ok());
    }
    drop((busy, order));
    let order: Vec<_> = done.iter().collect();
    assert_eq!(order, ["first", "second", "third", "first", "second", "first"]);
}

#[test]
fn who_is_gone_is_not_worked_for_and_keeps_nobody_out() {
    let hasher = started(HasherSettings { threads: 1, places: Some(4), ..settings() });
    let busy = keep_busy(&hasher, 1);
    let client: Arc<Client> = Arc::default();
    let gone = Asker { presence: Presence::of(client.clone()), ..asker("192.0.2.1", "a") };
    let theirs: Vec<_> = (0..4).map(|_| queues(&hasher, &gone)).collect();
    assert!(theirs.iter().all(|(queued, _)| *queued));
    let neighbour = asker("192.0.2.2", "b");
    assert!(!queues(&hasher, &neighbour).0, "there are no more places");
    client.leave();
    let (queued, is_done) = queues(&hasher, &neighbour);
    assert!(queued, "the gone made room");
    assert!(theirs.iter().all(|(_, done)| done.recv().is_err()), "their work is thrown away");

    let late = Asker { presence: Presence::always(), ..gone.clone() };
    let (_, late_is_done) = queues(&hasher, &late);
    let client: Arc<Client> = Arc::default();
    let (queued, gone_is_done) = queues(&hasher, &Asker { presence: Presence::of(client.clone()), ..gone });
    assert!(queued);
    client.leave();
    drop(busy);
    is_done.recv().expect("whoever stayed is worked for");
    late_is_done.recv().expect("whoever stayed is worked for");
    assert!(gone_is_done.recv().is_err(), "who left before their turn is not");
    assert_eq!(hasher.shared.queue.queued(), 0);
}

#[test]
fn somebody_who_leaves_while_waiting_is_let_go() {
    let hasher = started(HasherSettings { threads: 1, ..settings() });
    let busy = keep_busy(&hasher, 1);
    let client: Arc<Client> = Arc::default();
    let gone = Asker { presence: Presence::of(client.clone()), ..Asker::server() };
    thread::scope(|scope| {
        let waiting = scope.spawn(|| hasher.verify(&gone, &PASSWORD.into(), None));
        while hasher.shared.queue.queued() == 0 {
            thread::yield_now();
        }
        client.leave();
        drop(busy);
        assert_eq!(waiting.join().expect("it ends"), Err(HasherBusy::Queue));
    });
    assert_eq!(hasher.hash_operations(), 0);
}

#[test]
fn the_queue_holds_ten_seconds_of_work() {
    let clock = clock();
    let cost = Argon2Cost::parse("m=50000,t=2,p=1", true).expect("a cost");
    let start = |threads| {
        let measured = HasherSettings { cost, threads, places: None, ..settings() };
        Hasher::start(&measured, Arc::new(SeededRng::new(1)), clock.clone()).expect("starts")
    };
    assert_eq!(start(2).shared.queue.places(), 200, "a tenth of a second each is assumed");
    // One thread alone: they share the clock, and would measure each other's work.
    let hasher = start(1);
    let takes = |time: Duration| {
        for _ in 0..100 {
            let ticking = clock.clone();
            hasher.run(ANYBODY, false, move |_| ticking.advance(time)).expect("there is room");
        }
        hasher.verify_dummy(ANYBODY, &PASSWORD.into()).expect("the last one was measured too");
        hasher.shared.queue.places()
    };
    let places = takes(Duration::from_millis(200));
    assert!((50..=58).contains(&places), "one thread does 50 in ten seconds: {places}");
    assert_eq!(takes(Duration::from_secs(30)), 32, "but never fewer than a few");
    assert_eq!(takes(Duration::from_micros(1)), 1024, "nor more than can be waited for");
}

#[test]
fn as_many_threads_as_asked_for_work_at_once() {
    for threads in [1, 3] {
        let hasher = started(HasherSettings { threads, ..settings() });
        // Each of these begins although none of the others ends.
        let busy = keep_busy(&hasher, threads);
        let (queued, is_done) = queues(&hasher, ANYBODY);
        assert!(queued);
        assert_eq!(hasher.shared.queue.queued(), 1, "nobody is left to begin one more");
        drop(busy);
        is_done.recv().expect("it is done in the end");
    }
}
