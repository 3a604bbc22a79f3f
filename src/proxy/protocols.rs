//! `Sec-WebSocket-Protocol`, where browsers put their key: a page that opens a WebSocket can choose
//! no other field. `bearer, KEY` is the key, whatever else stands there is for the upstream.

use http::header::{HeaderMap, HeaderValue, SEC_WEBSOCKET_PROTOCOL};

use crate::policy::DenyReason;

/// The element before the key, in any case.
const BEARER: &str = "bearer";

/// The key. Where `bearer` is the last element it is an empty one: malformed, not missing.
///
/// # Errors
///
/// Two keys, or a field that is no text.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<&str>, DenyReason> {
    let mut fields = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    if fields.any(|value| value.to_str().is_err()) {
        return Err(DenyReason::BadRequest);
    }
    let mut elements = elements(headers);
    let mut key = None;
    while let Some(element) = elements.next() {
        if is_bearer(element) && key.replace(elements.next().unwrap_or_default()).is_some() {
            return Err(DenyReason::BadRequest);
        }
    }
    Ok(key)
}

/// Whether a key was sent here.
pub(super) fn has_key(headers: &HeaderMap) -> bool {
    matches!(key(headers), Ok(Some(_)))
}

/// Chooses `bearer` where the upstream has chosen nothing: browsers that offered something and were
/// told of no choice close the connection.
pub(super) fn agree(answer: &mut HeaderMap) {
    answer.entry(SEC_WEBSOCKET_PROTOCOL).or_insert(HeaderValue::from_static(BEARER));
}

/// Whether `text` is an element, as a key would be.
pub(super) fn has(headers: &HeaderMap, text: &[u8]) -> bool {
    elements(headers).any(|element| element.as_bytes() == text)
}

/// Takes the key out, in whichever request it stands, and leaves the others in one field.
pub(super) fn remove_key(headers: &mut HeaderMap) {
    if !headers.contains_key(SEC_WEBSOCKET_PROTOCOL) {
        return;
    }
    let kept = others(headers).join(", ");
    headers.remove(SEC_WEBSOCKET_PROTOCOL);
    if let Some(kept) = HeaderValue::from_str(&kept).ok().filter(|kept| !kept.is_empty()) {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, kept);
    }
}

fn others(headers: &HeaderMap) -> Vec<&str> {
    let mut others = Vec::new();
    let mut elements = elements(headers);
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
fn elements(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let fields = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let texts = fields.filter_map(|value| value.to_str().ok());
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
        for (fields, expected, left) in cases {
            let mut headers = HeaderMap::new();
            for field in fields {
                let value = HeaderValue::from_bytes(field.as_bytes()).unwrap();
                headers.append(SEC_WEBSOCKET_PROTOCOL, value);
            }
            assert_eq!(key(&headers).map_err(|_| ()), expected, "{fields:?}");
            remove_key(&mut headers);
            let seen: Vec<_> = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().collect();
            assert_eq!(seen.len(), usize::from(!left.is_empty()), "{fields:?}");
            assert!(seen.iter().all(|value| *value == left), "{fields:?}: {seen:?}");
        }
    }
}
