//! A URL on the command line or in a test, taken as it stands: nothing is put right that a client
//! could have sent.

/// A host and what stands behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Address {
    /// The `Host` field.
    pub(in crate::cli) host: String,
    /// The target of the request line.
    pub(in crate::cli) target: String,
}

impl Address {
    /// Reads `https://host/path`, or a path (or `*`) on `host`.
    ///
    /// # Errors
    ///
    /// In the reader's words, what is wrong with it, to be put after the URL.
    pub(in crate::cli) fn read(url: &str, host: Option<&str>) -> Result<Self, &'static str> {
        if url.starts_with('/') || url == "*" {
            let host = host.ok_or("is only a path, and no host is named")?;
            return Ok(Self { host: host.to_owned(), target: url.to_owned() });
        }
        let absolute = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let rest = absolute.ok_or("is neither `https://host/path` nor a path")?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (host, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
        // What every client sends where there is no path (RFC 9110 §4.2.3).
        let root = if behind.starts_with('/') { "" } else { "/" };
        Ok(Self { host: host.to_owned(), target: format!("{root}{behind}") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_as_they_stand() {
        let cases = [
            ("https://a.example/x?y", None, Ok(("a.example", "/x?y"))),
            ("http://A.example:8080", None, Ok(("A.example:8080", "/"))),
            ("https://a?x", None, Ok(("a", "/?x"))),
            ("https://a/b/../c#d", None, Ok(("a", "/b/../c#d"))),
            ("https://u@a//", None, Ok(("u@a", "//"))),
            ("https://a/x", Some("b"), Ok(("a", "/x"))),
            ("/x//y", Some("b"), Ok(("b", "/x//y"))),
            ("*", Some("b"), Ok(("b", "*"))),
            ("/x", None, Err("is only a path, and no host is named")),
            ("a.example/x", Some("b"), Err("is neither `https://host/path` nor a path")),
            ("", None, Err("is neither `https://host/path` nor a path")),
        ];
        for (url, host, expected) in cases {
            let address = Address::read(url, host);
            let seen = address.as_ref().map(|it| (it.host.as_str(), it.target.as_str()));
            assert_eq!(seen.map_err(|wrong| *wrong), expected, "{url}");
        }
    }
}
