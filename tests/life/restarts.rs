//! Restarts and drains under load: every request is answered.

use crate::harness::{ask, until};
use crate::house::House;
use crate::load::{Load, Seen};

const TIMES: usize = 20;
/// From one end to the next.
const REQUESTS: u64 = 300;

fn answers_more(load: &Load) {
    let before = load.seen().requests();
    until("requests to be answered", || load.seen().requests() >= before + REQUESTS);
}

fn judge(what: &str, seen: &Seen) {
    let Seen { well, told, again, failed } = seen;
    println!(
        "{TIMES} {what}, {} requests {well:?}, {told} connections told to be over, {again} requests \
         said not to be processed, {} failed",
        seen.requests(),
        failed.len()
    );
    assert!(failed.is_empty(), "{:#?}", &failed[..failed.len().min(20)]);
    assert!(*told > 0);
}

#[test]
fn no_request_fails_when_a_process_follows_another() {
    let lines = "workers = 2\nhandover.socket = \"handover.sock\"\ntimeouts.linger = \"2s\"\n";
    let house = House::new(lines);
    let mut running = house.serve("first");
    let load = Load::start(house.port);
    answers_more(&load);
    for number in 0..TIMES {
        let follower = house.follow(&format!("follower-{number}"));
        assert_eq!(running.end(), Some(0));
        running = follower;
        answers_more(&load);
    }
    judge("restarts with hand-over", &load.stop());
    assert_eq!(ask(house.admin, "GET", "/readyz", "").unwrap().status, 200);
}

/// Two instances behind a balancer that looks at `/readyz`; one of them drains in turn.
#[test]
fn no_request_fails_when_one_of_two_instances_drains() {
    let lines = "workers = 2\ntimeouts.linger = \"2s\"\ntimeouts.drain_delay = \"200ms\"\n\
                 handover.socket = \"handover.sock\"\n";
    let houses = [(); 2].map(|()| House::new(lines));
    let mut instances = houses.each_ref().map(|house| house.serve("first"));
    let load = Load::start(houses[0].port);
    answers_more(&load);
    for number in 0..TIMES {
        let (from, to) = (number % 2, (number + 1) % 2);
        instances[from].send("TERM");
        until("it to say that it drains", || {
            ask(houses[from].admin, "GET", "/readyz", "").is_ok_and(|answer| answer.status == 503)
        });
        load.turn_to(houses[to].port);
        assert_eq!(instances[from].end(), Some(0));
        answers_more(&load);
        instances[from] = houses[from].serve(&format!("again-{number}"));
    }
    judge("drains", &load.stop());
}
