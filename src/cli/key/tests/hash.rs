//! `key hash`

use super::*;

#[test]
fn hash_reads_a_key_and_prints_what_is_stored_of_it() {
    let place = Place::new("pepper = \"pepper.bin\"");
    let (key, _) = place.create("");
    let pepper = Pepper::new([7; 32]);
    let cases = [
        ("hash", &*key, KeyDigest::blake3(&key)),
        ("hash --keyed", &key, KeyDigest::blake3_keyed(&key, &pepper)),
        ("hash --sha256", &key, KeyDigest::sha256(&key)),
        ("hash --sha256", "tk_elsewhere", KeyDigest::sha256("tk_elsewhere")),
    ];
    for (line, key, expected) in cases {
        for end in ["", "\n", "\r\n"] {
            let done = place.run_with(line, format!("{key}{end}").as_bytes(), NOW);
            assert_eq!((done.code, done.out), (0, format!("{expected}\n")), "{line}");
        }
    }
    let cases = [
        ("hash", "", 2, "standard input: there is no key, only an empty line\n"),
        ("hash", "sg_production_x", 2, "its form or checksum is wrong\n"),
        ("hash", "one\ntwo\n", 2, "without spaces\n"),
        ("hash", &*"x".repeat(5_000), 2, "a key has at most 512 visible ASCII characters"),
        ("hash --sha256 --keyed", &key, 2, "cannot be used with"),
        (&*format!("hash {key}"), "", 2, "unexpected argument"),
    ];
    for (line, input, code, expected) in cases {
        let done = place.run_with(line, input.as_bytes(), NOW);
        assert_eq!((done.code, &*done.out), (code, ""), "{line}");
        assert!(done.err.contains(expected), "{line}: {}", done.err);
    }
    let without = Place::new("").run_with("hash --keyed", key.as_bytes(), NOW);
    assert!(without.code == 3 && without.err.starts_with("no pepper is configured"), "{without:?}");
}
