//! Host and target as request-safety.md reads them, by splitting first and decoding after.

/// A target with one reading.
pub(crate) struct Target {
    /// What each segment means, and the one spelling in which it is forwarded.
    pieces: Vec<(String, String)>,
    /// Whether a slash ends it.
    slash: bool,
    /// Whether a segment means something with a slash in it.
    pub(crate) has_slash: bool,
    /// Whether a segment has params, which mean nothing.
    pub(crate) has_params: bool,
    query: Option<String>,
}

impl Target {
    /// What each segment means.
    pub(crate) fn segments(&self) -> Vec<&str> {
        self.pieces.iter().map(|(text, _)| text.as_str()).collect()
    }

    /// The target to forward once `strip` segments are taken off.
    pub(crate) fn forwarded(&self, strip: usize) -> String {
        let rest: Vec<&str> = self.pieces.iter().skip(strip).map(|(_, s)| s.as_str()).collect();
        let slash = if self.slash && !rest.is_empty() { "/" } else { "" };
        let query = self.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        format!("/{}{slash}{query}", rest.join("/"))
    }
}

pub(crate) fn read(text: &str) -> Option<Target> {
    let (path, query) = match text.find('?') {
        Some(at) => (&text[..at], Some(text[at + 1..].to_owned())),
        None => (text, None),
    };
    let visible = |c: char| c > ' ' && c <= '~' && c != '#';
    if !query.as_deref().unwrap_or_default().chars().all(visible) {
        return None;
    }
    let mut pieces: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    let slash = pieces.last() == Some(&"");
    if slash {
        pieces.pop();
    }
    let pieces = pieces.into_iter().map(piece).collect::<Option<Vec<_>>>()?;
    let whole: Vec<&str> = pieces.iter().map(|(_, spelling)| spelling.as_str()).collect();
    let whole = whole.join("/");
    if !pieces.is_empty() && !is_plain_however_it_is_read(&whole, slash) {
        return None;
    }
    let (has_slash, has_params) = (whole.contains("%2F"), whole.contains(';'));
    Some(Target { pieces, slash, has_slash, has_params, query })
}

/// Whether there are no dot and no empty segments for somebody who takes an encoded slash for one,
/// with or without what follows a `;`. A slash at the end ends the last segment, an encoded one, too.
fn is_plain_however_it_is_read(whole: &str, slash: bool) -> bool {
    let decoded = whole.replace("%2F", "/");
    let inner = if slash { &decoded } else { decoded.strip_suffix('/').unwrap_or(&decoded) };
    inner.split('/').all(|segment| !["", ".", ".."].contains(&segment.split(';').next().unwrap()))
}

/// What a piece means without its params, and the one spelling in which it is forwarded.
fn piece(piece: &str) -> Option<(String, String)> {
    let mut parts = piece.split(';').map(decoded).collect::<Option<Vec<_>>>()?;
    let spelling: Vec<&str> = parts.iter().map(|(_, spelling)| spelling.as_str()).collect();
    let spelling = spelling.join(";");
    Some((parts.remove(0).0, spelling))
}

/// What a part of a piece means, and the one spelling in which it is forwarded.
fn decoded(part: &str) -> Option<(String, String)> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,=:@%".contains(c);
    if !part.chars().all(allowed) {
        return None;
    }
    let mut parts = part.split('%');
    let mut spelling = parts.next()?.to_owned();
    let mut bytes = spelling.clone().into_bytes();
    for part in parts {
        let digits = part.get(..2)?;
        if !digits.chars().all(|c| c.is_ascii_hexdigit()) {
            return None;
        }
        let byte = u8::from_str_radix(digits, 16).ok()?;
        match char::from(byte) {
            c if c.is_ascii_alphanumeric() || "-._~".contains(c) => spelling.push(c),
            _ => spelling.push_str(&format!("%{byte:02X}")),
        }
        spelling.push_str(&part[2..]);
        bytes.push(byte);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    let text = String::from_utf8(bytes).ok()?;
    let syntax = text.contains(['\\', '\0']);
    let again = text.match_indices('%').any(|(at, _)| {
        text.bytes().skip(at + 1).take(2).filter(u8::is_ascii_hexdigit).count() == 2
    });
    (!syntax && !again).then_some((text, spelling))
}

/// Lower-case, without port and one dot at the end.
pub(crate) fn host(text: &str) -> Option<String> {
    let lower = text.to_lowercase();
    let (name, port) = lower.split_once(':').unwrap_or((&lower, ""));
    let is_port = port.len() <= 5 && port.chars().all(|c| c.is_ascii_digit());
    if !is_port || port.parse::<u32>().is_ok_and(|port| port > 65_535) {
        return None;
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        let has = |c: char| c.is_ascii_alphanumeric() || "-_!$&'()*+,;=".contains(c);
        !label.is_empty() && label.chars().all(has)
    };
    name.split('.').all(is_label).then(|| name.to_owned())
}
