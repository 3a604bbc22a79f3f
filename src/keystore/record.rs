//! One line of the key file.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::policy::draft::{DraftCeiling, DraftKey};
use crate::policy::key::KeyDigest;
use crate::policy::{Level, Place, UnixSeconds};

use super::canonical;
use super::text::Text;
use super::timestamp::Timestamp;

/// A key record: all that is kept of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record<'a> {
    /// `k_…`
    #[serde(borrow, deserialize_with = "id")]
    pub id: Text<'a>,
    /// What is kept of the key's text.
    #[serde(deserialize_with = "digest", serialize_with = "display")]
    pub hash: KeyDigest,
    /// The workspace that the key is of.
    pub workspace: Text<'a>,
    /// The account that it speaks for.
    pub account: Text<'a>,
    /// Its workspace's environment, said again.
    pub environment: Text<'a>,
    /// What somebody called it.
    pub label: Option<Text<'a>>,
    /// Who is asked about it: a person or a team. It gives nobody anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Text<'a>>,
    /// When it was made.
    pub created: Timestamp,
    /// Not valid before.
    pub not_before: Option<Timestamp>,
    /// Not valid from this second on.
    pub expires: Option<Timestamp>,
    /// Not valid from this second on, by somebody's word.
    pub revoked: Option<Timestamp>,
    /// Why it was revoked. It changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text<'a>>,
    /// What it can reach at most.
    #[serde(default, deserialize_with = "ceiling")]
    pub ceiling: Option<Ceiling>,
}

/// What a key can reach at most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ceiling {
    /// The level above which it does not go.
    #[serde(deserialize_with = "level", serialize_with = "display")]
    pub level: Level,
    /// If this or `areas` stands, what is on neither is closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub products: Option<Vec<String>>,
    /// If this or `products` stands, what is on neither is closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub areas: Option<Vec<String>>,
}

/// What a key is good for at a time. The order is that of the checks: the first that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Taken back.
    Revoked,
    /// Its time has not come.
    NotYetValid,
    /// Its time is over.
    Expired,
    /// In force.
    Active,
}

impl State {
    /// As it is shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::NotYetValid => "not yet valid",
            Self::Revoked => "revoked",
        }
    }
}

impl<'a> Record<'a> {
    /// Names of the fields, as they are written.
    pub(super) const FIELDS: [&'static str; 16] = [
        "id",
        "hash",
        "workspace",
        "account",
        "environment",
        "label",
        "owner",
        "created",
        "not_before",
        "expires",
        "revoked",
        "reason",
        "ceiling",
        "level",
        "products",
        "areas",
    ];

    /// Reads a line.
    pub(super) fn parse(line: &'a [u8]) -> serde_json::Result<Self> {
        let object = match std::str::from_utf8(line) {
            Ok(text) => match canonical::parse(text) {
                Some(record) => return Ok(record),
                None => serde_json::from_str::<Object<Self>>(text),
            },
            Err(_) => serde_json::from_slice(line),
        };
        object.map(|object| object.0)
    }

    /// What the key is good for at `now`.
    pub fn state(&self, now: UnixSeconds) -> State {
        let past = |time: Option<Timestamp>| time.is_some_and(|time| time.seconds() <= now);
        match () {
            () if past(self.revoked) => State::Revoked,
            () if self.not_before.is_some_and(|time| now < time.seconds()) => State::NotYetValid,
            () if past(self.expires) => State::Expired,
            () => State::Active,
        }
    }

    /// The same record, revoked from `now` on.
    pub(super) fn revoke(self, now: Timestamp, reason: Option<Text<'a>>) -> Self {
        Self { revoked: Some(now), reason, ..self }
    }

    /// Since when, or from when on, it is good for nothing any more.
    pub fn ends(&self) -> Option<Timestamp> {
        self.revoked.into_iter().chain(self.expires).min()
    }

    /// The same record, with a memory of its own.
    pub fn into_owned(self) -> Record<'static> {
        Record {
            id: self.id.into_owned(),
            workspace: self.workspace.into_owned(),
            account: self.account.into_owned(),
            environment: self.environment.into_owned(),
            label: self.label.map(Text::into_owned),
            owner: self.owner.map(Text::into_owned),
            reason: self.reason.map(Text::into_owned),
            ..self
        }
    }

    pub(super) fn into_draft(self, place: Place) -> DraftKey {
        DraftKey {
            place,
            id: Box::from(&*self.id),
            digest: self.hash,
            workspace: Box::from(&*self.workspace),
            account: Box::from(&*self.account),
            environment: Box::from(&*self.environment),
            not_before: self.not_before.map(Timestamp::seconds),
            expires: self.expires.map(Timestamp::seconds),
            revoked: self.revoked.map(Timestamp::seconds),
            ceiling: self.ceiling.map(|ceiling| DraftCeiling {
                level: ceiling.level,
                products: ceiling.products,
                areas: ceiling.areas,
            }),
        }
    }
}

/// serde also reads a struct from a bare array, without names: here that is refused.
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

/// Whether a record can have this id.
pub(super) fn is_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    text.strip_prefix("k_")
        .is_some_and(|rest| (1..=64).contains(&rest.len()) && rest.bytes().all(plain))
}

/// Reads a ceiling that is not null.
pub(super) fn parse_ceiling(text: &str) -> serde_json::Result<Ceiling> {
    serde_json::from_str::<Object<Ceiling>>(text).map(|object| object.0)
}

fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Text<'de>, D::Error> {
    let id = Text::deserialize(deserializer)?;
    if is_id(&id) {
        return Ok(id);
    }
    Err(de::Error::custom("an id is `k_` and 1 to 64 letters, digits, `-` or `_`"))
}

fn digest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<KeyDigest, D::Error> {
    KeyDigest::parse(&Text::deserialize(deserializer)?).map_err(de::Error::custom)
}

fn level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Level, D::Error> {
    let text = Text::deserialize(deserializer)?;
    Level::parse(&text).ok_or_else(|| {
        let known = Level::ALL.map(|level| format!("`{level}`")).join(", ");
        de::Error::custom(format!("unknown level `{text}`, known are {known}"))
    })
}

fn ceiling<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Ceiling>, D::Error> {
    let ceiling = Option::<Object<Ceiling>>::deserialize(deserializer)?;
    Ok(ceiling.map(|object| object.0))
}

fn display<S: Serializer>(value: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) const LINE: &str = concat!(
        r#"{"id":"k_7Q2M","hash":"blake3:"#,
        "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
        r#"","workspace":"acme-prod","account":"svc-reporting","environment":"production","#,
        r#""label":"nightly export","created":"2026-11-20T10:00:00Z","not_before":null,"#,
        r#""expires":"2027-02-18T10:00:00Z","revoked":null,"#,
        r#""ceiling":{"level":"view","products":["vault"]}}"#,
    );

    #[test]
    fn a_record_is_written_as_it_is_read() {
        let told = LINE
            .replace("\"created\"", r#""owner":"team-data","created""#)
            .replace(r#""revoked":null"#, r#""revoked":"2026-12-01T00:00:00Z","reason":"leaked""#);
        for line in [LINE, &told] {
            let record = Record::parse(line.as_bytes()).unwrap();
            assert_eq!(serde_json::to_string(&record).unwrap(), line);
            assert_eq!(record.clone().into_owned(), record);
        }
    }

    #[test]
    fn what_says_nothing_may_be_left_out() {
        let line = LINE
            .replace(r#""label":"nightly export","#, "")
            .replace(r#""not_before":null,"expires":"2027-02-18T10:00:00Z","revoked":null,"#, "")
            .replace(r#","ceiling":{"level":"view","products":["vault"]}"#, "")
            .replace(r#""created":"2026-11-20T10:00:00Z","#, r#""created":"2026-11-20T10:00:00Z""#);
        let record = Record::parse(line.as_bytes()).unwrap();
        assert_eq!((record.label, record.expires, record.ceiling), (None, None, None));
    }

    #[test]
    fn the_state_is_the_first_check_that_fails() {
        let at = |seconds| Timestamp::new(UnixSeconds(seconds));
        let record = Record::parse(LINE.as_bytes()).unwrap();
        let cases = [
            // not_before, expires, revoked, now
            (None, None, None, 5, State::Active),
            (at(5), at(6), None, 5, State::Active),
            (at(6), None, None, 5, State::NotYetValid),
            (None, at(5), None, 5, State::Expired),
            (at(7), at(5), at(5), 5, State::Revoked),
            (None, None, at(6), 5, State::Active),
        ];
        for (not_before, expires, revoked, now, expected) in cases {
            let record = Record { not_before, expires, revoked, ..record.clone() };
            assert_eq!(record.state(UnixSeconds(now)), expected, "{record:?}");
        }
    }
}
