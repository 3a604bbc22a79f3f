//! `Sec-WebSocket-Protocol`, where browsers put their key: a page that opens a WebSocket can choose
//! no other field. `bearer, KEY` is the key, whatever else stands there is for the upstream.

use super::fields::{Fields, text};
use crate::policy::DenyReason;

const PROTOCOL: &str = "sec-websocket-protocol";
/// The element before the key, in any case.
const BEARER: &str = "bearer";

/// The key. Where `bearer` is the last element it is an empty one: malformed, not missing.
///
/// # Errors
///
/// Two keys, or a field that is no text.
pub(super) fn key(fields: &Fields) -> Result<Option<&str>, DenyReason> {
    if fields.all(PROTOCOL).any(|value| text(value).is_none()) {
        return Err(DenyReason::BadRequest);
    }
    let mut elements = elements(fields);
    let mut key = None;
    while let Some(element) = elements.next() {
        if is_bearer(element) && key.replace(elements.next().unwrap_or_default()).is_some() {
            return Err(DenyReason::BadRequest);
        }
    }
    Ok(key)
}

/// Whether a key was sent here.
pub(super) fn has_key(fields: &Fields) -> bool {
    matches!(key(fields), Ok(Some(_)))
}

/// Chooses `bearer` where the upstream has chosen nothing: browsers that offered something and were
/// told of no choice close the connection.
pub(super) fn agree(answer: &mut Fields) {
    if !answer.has(PROTOCOL) {
        answer.add(PROTOCOL, BEARER);
    }
}

/// Whether `id` is an element, as a key would be.
pub(super) fn has(fields: &Fields, id: &[u8]) -> bool {
    elements(fields).any(|element| element.as_bytes() == id)
}

/// Takes the key out, in whichever request it stands, and leaves the others in one field.
pub(super) fn remove_key(fields: &mut Fields) {
    if !fields.has(PROTOCOL) {
        return;
    }
    let kept = others(fields).join(", ");
    fields.remove(PROTOCOL);
    if !kept.is_empty() {
        fields.add(PROTOCOL, kept);
    }
}

fn others(fields: &Fields) -> Vec<&str> {
    let mut others = Vec::new();
    let mut elements = elements(fields);
    while let Some(element) = elements.next() {
        match is_bearer(element) {
            true => elements.by_ref().take(1).for_each(drop),
            false => others.push(element),
        }
    }
    others
}

fn is_bearer(element: &str) -> bool {
    element.eq_ignore_ascii_case(BEARER)
}

/// Several fields are one list (RFC 6455 §11.3.4). What is no text is no element.
fn elements(fields: &Fields) -> impl Iterator<Item = &str> {
    let texts = fields.all(PROTOCOL).filter_map(text);
    texts.flat_map(|text| text.split(',')).map(str::trim).filter(|element| !element.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_read_and_taken_out() {
        type Case = (&'static [&'static str], Result<Option<&'static str>, ()>, &'static str);
        let cases: [Case; 13] = [
            (&[], Ok(None), ""),
            (&["chat"], Ok(None), "chat"),
            (&["bearer, k"], Ok(Some("k")), ""),
            (&["bearer,k,chat, v2"], Ok(Some("k")), "chat, v2"),
            (&["chat, bearer, k, v2"], Ok(Some("k")), "chat, v2"),
            (&["chat", "BEARER", "k", "v2"], Ok(Some("k")), "chat, v2"),
            (&["bearer,, ,k"], Ok(Some("k")), ""),
            (&["bearer"], Ok(Some("")), ""),
            (&["chat, bearer,"], Ok(Some("")), "chat"),
            (&["bearer, bearer"], Ok(Some("bearer")), ""),
            (&["bearer, k, bearer, k"], Err(()), ""),
            (&["bearer, k, chat, bearer"], Err(()), "chat"),
            (&["bearer, k", "\u{e9}"], Err(()), ""),
        ];
        for (sent, expected, left) in cases {
            let mut fields = Fields::default();
            for value in sent {
                fields.add(PROTOCOL, value);
            }
            assert_eq!(key(&fields).map_err(|_| ()), expected, "{sent:?}");
            remove_key(&mut fields);
            let seen: Vec<_> = fields.all(PROTOCOL).collect();
            assert_eq!(seen.len(), usize::from(!left.is_empty()), "{sent:?}");
            assert!(seen.iter().all(|value| *value == left.as_bytes()), "{sent:?}: {seen:?}");
        }
    }
}
