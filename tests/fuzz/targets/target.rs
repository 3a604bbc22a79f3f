//! For every text: a canonical target has one reading, whoever reads it, or there is none.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sidegate::policy::Target;

#[path = "../../oracle/target.rs"]
#[expect(dead_code, reason = "the oracle strips prefixes and reads hosts")]
mod oracle;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let parsed = Target::parse(text);
    if text == "*" {
        assert_eq!(parsed.unwrap().path(), "*");
        return;
    }
    // `/` alone has no segment, which the oracle spells as a path without one.
    let read = if text.starts_with("/?") || text == "/" { None } else { oracle::read(text) };
    if text != "/" && !text.starts_with("/?") {
        assert_eq!(parsed.is_ok(), read.is_some(), "{text:?}: {parsed:?}");
    }
    let Ok(target) = parsed else { return };
    let (path, query) = (target.path(), target.query());
    let whole = query.map_or(path.to_owned(), |query| format!("{path}?{query}"));
    let disputed = target.disputed();
    if let Some(read) = read {
        assert_eq!(whole, read.forwarded(0));
        let read = (read.has_slash, read.has_params);
        assert_eq!((disputed.encoded_slash, disputed.path_params), read, "{text:?}");
    }
    assert_eq!(target.is_as_sent(), whole == text);
    assert_eq!(query, text.split_once('?').map(|(_, query)| query));

    let again = Target::parse(&whole).unwrap();
    assert_eq!((again.path(), again.query(), again.is_as_sent()), (path, query, true));

    let sent = text.split('?').next().unwrap();
    let meaning = decoded(path.as_bytes());
    assert_eq!(meaning, decoded(sent.as_bytes()), "another path than was sent");
    assert_eq!(meaning, decoded(&meaning), "a second decoding changes {path:?}");
    let meaning = String::from_utf8(meaning).unwrap();
    assert!(!meaning.contains(['\\', '\0']), "{path:?}");
    assert_eq!(path.contains(';'), disputed.path_params, "{path:?}");
    let encoded = meaning.matches('/').count() > path.matches('/').count();
    assert_eq!(encoded, disputed.encoded_slash, "{path:?}");
    assert!(path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'), "{path:?}");
    // Whether an encoded slash is one, and whether params are cut off and when.
    let params = |segment: &str| segment.split(';').next().unwrap().to_owned();
    let cut: Vec<_> = path.split('/').map(params).collect();
    let cut = decoded(cut.join("/").as_bytes());
    let slashes = path.replace("%2F", "/");
    let slashes_cut: Vec<_> = slashes.split('/').map(params).collect();
    for reading in [&meaning, str::from_utf8(&cut).unwrap(), &slashes, &slashes_cut.join("/")] {
        let mut segments = reading.strip_prefix('/').unwrap().split('/').rev();
        let last = segments.next().unwrap();
        assert!(![".", ".."].contains(&last), "{path:?}");
        assert!(segments.all(|segment| !["", ".", ".."].contains(&segment)), "{path:?}");
    }
});

/// What the escapes of a text spell, once.
fn decoded(text: &[u8]) -> Vec<u8> {
    let digit = |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut bytes = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                bytes.push(byte);
                at += 1;
            }
        }
    }
    bytes
}
