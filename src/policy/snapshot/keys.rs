//! Keys by digest: one record of fixed size each, their ids in one string.

use hashbrown::HashTable;

use super::access::AccessId;
use super::catalog::Catalog;
use super::directory::Directory;
use super::names::{Map, Names};
use super::workspaces::Workspaces;
use crate::policy::draft::{DraftCeiling, DraftKey};
use crate::policy::key::{DigestKind, KeyDigest, Pepper};
use crate::policy::level::Level;
use crate::policy::problem::{Place, Problem};
use crate::policy::time::UnixSeconds;

/// Every key record.
#[derive(Debug, Default)]
pub(in crate::policy) struct Keys {
    /// By kind of digest, then by digest.
    records: Vec<Key>,
    ids: String,
    /// One a kind: a digest of one kind is never taken for one of another.
    directories: [Directory; DigestKind::ALL.len()],
    pepper: Option<Pepper>,
    ceilings: Vec<Ceiling>,
}

/// A credential of one account in one workspace.
#[derive(Debug)]
pub(in crate::policy) struct Key {
    digest: [u8; 32],
    not_before: UnixSeconds,
    expires: UnixSeconds,
    revoked: UnixSeconds,
    /// `u32::MAX` where the workspace is gone or of another environment: such a key is revoked, now or
    /// later, or the policy is refused.
    pub(in crate::policy) workspace: u32,
    pub(in crate::policy) account: u32,
    /// Nothing where the account is no member.
    pub(in crate::policy) access: Option<AccessId>,
    ceiling: u32,
    id_at: u32,
    id_length: u8,
}

/// Why a key is not good at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::policy) enum KeyState {
    Expired,
    Good,
    NotYetValid,
    Revoked,
}

impl Key {
    pub(in crate::policy) fn state(&self, now: UnixSeconds) -> KeyState {
        if now >= self.revoked {
            KeyState::Revoked
        } else if now < self.not_before {
            KeyState::NotYetValid
        } else if now >= self.expires {
            KeyState::Expired
        } else {
            KeyState::Good
        }
    }

    /// The time from which the key is no longer good, where there is one and it was not revoked.
    pub(super) fn expiry(&self) -> Option<UnixSeconds> {
        let live = self.revoked == UnixSeconds::DISTANT_FUTURE;
        (live && self.expires != UnixSeconds::DISTANT_FUTURE).then_some(self.expires)
    }
}

/// What a key reaches at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::policy) struct Ceiling {
    level: Level,
    /// Nothing where both lists are absent.
    only: Option<Only>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Only {
    products: Box<[u32]>,
    areas: Box<[u32]>,
}

impl Ceiling {
    pub(in crate::policy) fn product(&self, product: u32) -> Level {
        self.limit(|only| only.products.contains(&product))
    }

    pub(in crate::policy) fn area(&self, area: u32) -> Level {
        self.limit(|only| only.areas.contains(&area))
    }

    fn limit(&self, allows: impl Fn(&Only) -> bool) -> Level {
        if self.only.as_ref().is_none_or(allows) { self.level } else { Level::None }
    }
}

/// Where an id stands in the one string, its length, and its line.
type Ids = HashTable<(u32, u8, u32)>;

impl Keys {
    pub(super) fn compile(
        drafts: Vec<DraftKey>,
        pepper: Option<Pepper>,
        catalog: &Catalog,
        workspaces: &mut Workspaces,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let open = Ceiling { level: Level::Full, only: None };
        let mut keys = Self {
            records: Vec::with_capacity(drafts.len()),
            ids: String::with_capacity(drafts.iter().map(|draft| draft.id.len()).sum()),
            pepper,
            ceilings: vec![open],
            ..Self::default()
        };
        let mut ceilings: Map<DraftCeiling, u32> = Map::default();
        let mut ids: Ids = HashTable::with_capacity(drafts.len());
        let mut of_kinds: [Vec<(Key, Place)>; DigestKind::ALL.len()] = Default::default();
        for draft in drafts {
            let mut reader = Reader { catalog, workspaces, problems, draft: &draft };
            let (workspace, account, access) = reader.holder();
            let ceiling = match &draft.ceiling {
                None => 0,
                Some(written) => *ceilings.entry(written.clone()).or_insert_with(|| {
                    keys.ceilings.push(reader.ceiling(written));
                    keys.ceilings.len() as u32 - 1
                }),
            };
            let id_at = keys.ids.len() as u32;
            keys.ids.push_str(&draft.id);
            keys.check_id(&draft, id_at, &mut ids, problems);
            keys.check_digest(&draft, problems);
            let key = Key {
                digest: draft.digest.bytes,
                not_before: draft.not_before.unwrap_or(UnixSeconds::DISTANT_PAST),
                expires: draft.expires.unwrap_or(UnixSeconds::DISTANT_FUTURE),
                revoked: draft.revoked.unwrap_or(UnixSeconds::DISTANT_FUTURE),
                workspace,
                account,
                access,
                ceiling,
                id_at,
                id_length: draft.id.len() as u8,
            };
            if let Some(keys) = of_kinds.get_mut(draft.digest.kind as usize) {
                keys.push((key, draft.place));
            }
        }
        for (kind, of_kind) in DigestKind::ALL.into_iter().zip(of_kinds) {
            keys.take(kind, of_kind, problems);
        }
        keys
    }

    fn check_id(&self, draft: &DraftKey, at: u32, ids: &mut Ids, problems: &mut Vec<Problem>) {
        if draft.id.is_empty() || draft.id.len() > 64 || !draft.id.bytes().all(is_id_byte) {
            problems.push(
                Problem::error(draft.place, format!("key `{}`: its id is not one", draft.id))
                    .hint("an id has 1 to 64 letters, digits, `_` or `-`"),
            );
        }
        let text = |(at, length, _): &(u32, u8, u32)| self.id_at(*at, *length);
        let hash = |id: &str| crc32fast::hash(id.as_bytes()).into();
        match ids.find(hash(&draft.id), |other| text(other) == &*draft.id) {
            Some((.., line)) => problems.push(Problem::error(
                draft.place,
                format!("key `{}`: line {line} has the same id", draft.id),
            )),
            None => {
                let id = (at, draft.id.len() as u8, draft.place.line);
                ids.insert_unique(hash(&draft.id), id, |other| hash(text(other)));
            }
        }
    }

    fn check_digest(&self, draft: &DraftKey, problems: &mut Vec<Problem>) {
        if draft.digest.kind == DigestKind::Blake3Keyed && self.pepper.is_none() {
            problems.push(
                Problem::error(
                    draft.place,
                    format!(
                        "key `{}`: its hash is `blake3-keyed` and there is no pepper",
                        draft.id
                    ),
                )
                .hint("name the 32-byte file in `sidegate.toml`: pepper = \"pepper.bin\""),
            );
        }
    }

    /// Takes the keys of one kind of digest, each with its place.
    fn take(&mut self, kind: DigestKind, mut keys: Vec<(Key, Place)>, problems: &mut Vec<Problem>) {
        keys.sort_unstable_by(|(one, here), (other, there)| {
            one.digest.cmp(&other.digest).then(here.cmp(there))
        });
        for same in keys.chunk_by(|(one, _), (other, _)| one.digest == other.digest) {
            let Some(((_, first), others)) = same.split_first() else { continue };
            problems.extend(others.iter().map(|(key, place)| {
                let (id, line) = (self.id(key), first.line);
                Problem::error(*place, format!("key `{id}`: line {line} has the same hash"))
            }));
        }
        if let Some(directory) = self.directories.get_mut(kind as usize) {
            let digests = keys.iter().map(|(key, _)| &key.digest);
            *directory = Directory::new(self.records.len() as u32, digests);
        }
        self.records.extend(keys.into_iter().map(|(key, _)| key));
    }

    /// The key of that text, whatever kind of digest is kept of it.
    pub(in crate::policy) fn find(&self, text: &str) -> Option<(u32, &Key)> {
        DigestKind::ALL.into_iter().find_map(|kind| {
            let directory = self.directories.get(kind as usize).filter(|all| !all.is_empty())?;
            let digest = match (kind, &self.pepper) {
                (DigestKind::Blake3, _) => KeyDigest::blake3(text),
                (DigestKind::Blake3Keyed, Some(pepper)) => KeyDigest::blake3_keyed(text, pepper),
                (DigestKind::Blake3Keyed, None) => return None,
                (DigestKind::Sha256, _) => KeyDigest::sha256(text),
            };
            let range = directory.range(&digest.bytes);
            let near = self.records.get(range.clone())?;
            let at = near.binary_search_by(|key| key.digest.cmp(&digest.bytes)).ok()?;
            Some(((range.start + at) as u32, near.get(at)?))
        })
    }

    pub(in crate::policy) fn key(&self, number: u32) -> Option<&Key> {
        self.records.get(number as usize)
    }

    pub(in crate::policy) fn id(&self, key: &Key) -> &str {
        self.id_at(key.id_at, key.id_length)
    }

    fn id_at(&self, at: u32, length: u8) -> &str {
        let at = at as usize;
        self.ids.get(at..at + usize::from(length)).unwrap_or("")
    }

    pub(in crate::policy) fn ceiling(&self, key: &Key) -> Option<&Ceiling> {
        self.ceilings.get(key.ceiling as usize)
    }

    pub(in crate::policy) fn iter(&self) -> impl Iterator<Item = &Key> {
        self.records.iter()
    }

    pub(in crate::policy) fn len(&self) -> usize {
        self.records.len()
    }
}

fn is_id_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// Reads whose one key is and what bounds it. A revoked key may name what is no longer there.
struct Reader<'a> {
    catalog: &'a Catalog,
    workspaces: &'a mut Workspaces,
    problems: &'a mut Vec<Problem>,
    draft: &'a DraftKey,
}

impl Reader<'_> {
    fn holder(&mut self) -> (u32, u32, Option<AccessId>) {
        let draft = self.draft;
        let live = draft.revoked.is_none();
        let known = self.workspaces.names.number(&draft.workspace);
        let account = self.workspaces.accounts_mut().of_key(&draft.account);
        let Some(number) = known else {
            if live {
                let message =
                    format!("key `{}`: unknown workspace `{}`", draft.id, draft.workspace);
                self.problems.push(
                    Problem::error(draft.place, message)
                        .hint(format!("revoke it first: sidegate key revoke {}", draft.id))
                        .did_you_mean(&draft.workspace, self.workspaces.names.iter()),
                );
            }
            return (u32::MAX, account, None);
        };
        let Some(workspace) = self.workspaces.workspace_at(number) else {
            return (number, account, None);
        };
        let environment = self.workspaces.environments.text(workspace.environment);
        if *draft.environment != *environment {
            // A revocation that is yet to come is no reason to let the key in until then.
            if !live {
                return (u32::MAX, account, None);
            }
            self.problems.push(Problem::error(
                draft.place,
                format!(
                    "key `{}`: environment `{}` is not that of workspace `{}` (`{environment}`)",
                    draft.id, draft.environment, draft.workspace
                ),
            ));
        }
        let member = workspace.member(account);
        if live && member.is_none() {
            self.problems.push(
                Problem::warning(
                    draft.place,
                    format!(
                        "key `{}`: account `{}` is not a member of workspace `{}`, the key is refused",
                        draft.id, draft.account, draft.workspace
                    ),
                )
                .hint(format!("revoke it: sidegate key revoke {}", draft.id)),
            );
        }
        (number, account, member.map(|member| member.access))
    }

    fn ceiling(&mut self, written: &DraftCeiling) -> Ceiling {
        let live = self.draft.revoked.is_none();
        let numbers =
            |names: &Names, kind: &str, list: Option<&[String]>, out: &mut Vec<Problem>| {
                let mut numbers = Vec::new();
                for name in list.unwrap_or_default() {
                    match names.number(name) {
                        Some(number) => numbers.push(number),
                        None if live => out.push(
                            Problem::error(
                                self.draft.place,
                                format!(
                                    "key `{}`: unknown {kind} `{name}` in its ceiling",
                                    self.draft.id
                                ),
                            )
                            .did_you_mean(name, names.iter()),
                        ),
                        None => {}
                    }
                }
                numbers.into_boxed_slice()
            };
        let (products, areas) = (written.products.as_deref(), written.areas.as_deref());
        let only = (products.is_some() || areas.is_some()).then(|| Only {
            products: numbers(&self.catalog.products, "product", products, self.problems),
            areas: numbers(&self.catalog.areas, "area", areas, self.problems),
        });
        Ceiling { level: written.level, only }
    }
}
