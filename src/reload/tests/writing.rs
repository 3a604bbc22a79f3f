//! Files that are half-written, away or without rest.

use super::*;

#[test]
fn a_half_written_file_is_never_loaded_not_even_when_asked() {
    let bench = Bench::new(STRICT, plain);
    let mut file = File::create(bench.path("policy.toml")).unwrap();
    file.write_all(b"ha").unwrap();
    bench.waiting();
    bench.handle.trigger();
    bench.waiting();
    rename_over(&bench.path("keys"), "k2");
    bench.waiting();
    file.write_all(b"lf").unwrap();
    drop(file);
    assert_eq!(bench.loaded(), "half k2");
}

#[test]
fn a_file_left_open_is_loaded_once_it_is_quiet() {
    let bench = Bench::new(Patience { open: SHORT, ..STRICT }, plain);
    let mut file = File::create(bench.path("policy.toml")).unwrap();
    file.write_all(b"v2").unwrap();
    assert_eq!(bench.loaded(), "v2 k1");
}

#[test]
fn a_file_without_rest_is_a_failure_until_it_rests() {
    let bench = Bench::new(Patience { restless: SHORT, ..STRICT }, plain);
    let mut file = File::create(bench.path("policy.toml")).unwrap();
    file.write_all(b"v").unwrap();
    let problem = bench.result().unwrap_err();
    assert!(problem.contains("policy.toml: changes without a pause"), "{problem}");
    file.write_all(b"2").unwrap();
    drop(file);
    assert_eq!(bench.loaded(), "v2 k1");
}

#[test]
fn a_file_that_is_gone_may_come_back() {
    let bench = Bench::new(STRICT, plain);
    fs::remove_file(bench.path("policy.toml")).unwrap();
    bench.waiting();
    fs::write(bench.path("policy.toml"), "v2").unwrap();
    assert_eq!(bench.loaded(), "v2 k1");
}

#[test]
fn a_file_or_folder_that_stays_away_is_an_error_until_it_is_made_anew() {
    for lay in [plain as Step, several] {
        let bench = Bench::new(Patience { gone: SHORT, unproven: SHORT, ..STRICT }, lay);
        fs::rename(bench.path("policy.toml"), bench.path("away")).unwrap();
        assert_eq!(bench.result(), Err("entity not found".to_owned()));
        lay(bench.folder.path());
        while bench.result() != Ok("v1 k1".to_owned()) {}
    }
}

#[test]
fn taking_a_file_out_of_a_folder_counts() {
    let bench = Bench::new(Patience { gone: SHORT, ..STRICT }, |root| {
        several(root);
        fs::write(root.join("policy.toml/b.toml"), "+b").unwrap();
    });
    fs::remove_file(bench.path("policy.toml/b.toml")).unwrap();
    assert_eq!(bench.loaded(), "v1 k1");
}
