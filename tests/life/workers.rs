//! How many workers there are where nobody says so.

use std::thread;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::house::House;

/// What the log of a process says that was begun with only so many CPUs to use.
fn workers_on(cpus: usize) -> Option<String> {
    let house = House::new("handover.socket = \"handover.sock\"\n");
    // A child may use what the thread may that begins it.
    let begun = thread::scope(|scope| {
        let begin = || {
            let whole = sched_getaffinity(None).unwrap();
            let mut part = CpuSet::new();
            let usable = (0..CpuSet::MAX_CPU).filter(|cpu| whole.is_set(*cpu));
            usable.take(cpus).for_each(|cpu| part.set(cpu));
            sched_setaffinity(None, &part).unwrap();
            (part.count() as usize == cpus).then(|| house.begin("serving"))
        };
        scope.spawn(begin).join().unwrap()
    });
    let mut running = begun?;
    house.says(&mut running, "serving", "\"workers\":");
    let log = house.log("serving");
    let (_, rest) = log.split_once("\"workers\":").unwrap();
    Some(rest.split([',', '}']).next().unwrap().to_owned())
}

/// That of a cgroup is what `available_parallelism` of the standard library looks at, too.
#[test]
fn there_are_as_many_as_cpus_that_may_be_used() {
    assert_eq!(workers_on(1).as_deref(), Some("1"));
    // Where there are two.
    if let Some(workers) = workers_on(2) {
        assert_eq!(workers, "2");
    }
}
