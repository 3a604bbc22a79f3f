//! `/api/members`: a row a member of a workspace, a column an area, a product or a permission.
//!
//! Thousands of workspaces are not sent and sorted out by a browser: rows are chosen here, and what was
//! looked at for one answer is bounded in number and time. `next` says where to go on.

use std::time::Duration;

use serde::Serialize;

use super::query::Fields;
use super::{Viewed, has};
use crate::admin::status::Generation;
use crate::clock;
use crate::policy::difference::ScopeName;
use crate::policy::draft::DraftWorkspace;
use crate::policy::{Cell, Column, Columns, DenyReason, Level, MemberView, WorkspaceView};

/// Columns, at most.
const MOST_COLUMNS: usize = 100;
/// How long one answer may look.
const PATIENCE: Duration = Duration::from_millis(250);
/// From one look at the clock to the next.
const MEMBERS_A_LOOK: usize = 1024;

#[derive(Debug, Serialize)]
pub(super) struct Members {
    generation: Generation,
    columns: Vec<Shown>,
    /// How many columns are not shown.
    columns_left_out: usize,
    rows: Vec<Row>,
    /// Members that were looked at for this answer.
    looked_at: usize,
    next: Option<String>,
}

#[derive(Debug, Serialize)]
struct Shown {
    /// `area`, `product` or `permission`.
    kind: &'static str,
    name: String,
}

#[derive(Debug, Serialize)]
struct Row {
    workspace: String,
    environment: String,
    account: String,
    role: String,
    /// Whether the role gives everything, whatever the grants say.
    bypass: bool,
    /// Whether it was invited and has not accepted: it reaches nothing.
    pending: bool,
    /// Why it is refused whatever it asks for, where it is: a reason.
    closed: Option<&'static str>,
    /// A level for each column; null where the workspace does not have the product.
    levels: Vec<Option<&'static str>>,
    /// Numbers of the columns of products that have less on some of their rows.
    partly: Vec<usize>,
}

/// Who is asked for.
struct Wanted {
    workspace: String,
    /// Whether a workspace has exactly that name: then no other is meant.
    exactly: bool,
    account: String,
    text: String,
    level: Option<Level>,
}

/// A place in the list: a workspace, and a member in it; pending ones come last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Cursor(usize, usize);

pub(super) fn answer(view: &Viewed<'_>, fields: &mut Fields) -> Result<Members, String> {
    let snapshot = &view.generation.snapshot;
    let workspace = fields.take("workspace").unwrap_or_default();
    let wanted = Wanted {
        exactly: snapshot.workspace(&workspace).is_some(),
        workspace: workspace.to_ascii_lowercase(),
        account: fields.part("account"),
        text: fields.part("text"),
        level: fields.choice("level", &Level::ALL.map(|level| (level.name(), level)))?,
    };
    let kinds = [("products", Columns::Products), ("areas", Columns::Areas)];
    let kind = fields.choice("columns", &kinds)?.unwrap_or(Columns::Products);
    let product = fields.take("product");
    let kind = product.as_deref().map_or(kind, Columns::Rows);
    let mut columns = snapshot.columns(kind);
    if columns.is_empty() && product.is_some() {
        return Err("there is no such product".to_owned());
    }
    let columns_left_out = columns.len().saturating_sub(MOST_COLUMNS);
    columns.truncate(MOST_COLUMNS);
    let limit = fields.limit()?;
    let after = fields.take("after").map(|text| Cursor::parse(&text)).transpose()?;
    let mut walk = Walk {
        view,
        wanted,
        columns: &columns,
        rows: Vec::new(),
        limit,
        looked_at: 0,
        due: clock::instant() + PATIENCE,
    };
    let next = walk.from(after.unwrap_or(Cursor(0, 0)));
    let Walk { rows, looked_at, .. } = walk;
    Ok(Members {
        generation: view.generation(),
        columns: columns.iter().map(Shown::of).collect(),
        columns_left_out,
        rows,
        looked_at,
        next: next.map(|Cursor(workspace, member)| format!("{workspace}.{member}")),
    })
}

struct Walk<'a, 's> {
    view: &'a Viewed<'s>,
    wanted: Wanted,
    columns: &'a [Column<'a>],
    rows: Vec<Row>,
    limit: usize,
    looked_at: usize,
    due: std::time::Instant,
}

impl Walk<'_, '_> {
    /// Where to go on, unless that was all.
    fn from(&mut self, start: Cursor) -> Option<Cursor> {
        let snapshot = &self.view.generation.snapshot;
        let drafts = snapshot.rules().map(|rules| &*rules.draft().workspaces).unwrap_or_default();
        let all = snapshot.workspace_views().enumerate().skip(start.0);
        for (number, (name, workspace)) in all {
            if self.is_over() {
                return Some(Cursor(number, 0));
            }
            self.looked_at += 1;
            if !self.wanted.is_in(name) {
                continue;
            }
            let first = if number == start.0 { start.1 } else { 0 };
            if let Some(member) = self.workspace(name, workspace, drafts.get(number), first) {
                return Some(Cursor(number, member));
            }
        }
        None
    }

    /// The member to go on with, unless those were all.
    fn workspace(
        &mut self,
        name: &str,
        workspace: WorkspaceView<'_>,
        draft: Option<&DraftWorkspace>,
        first: usize,
    ) -> Option<usize> {
        let members = workspace.member_views().count();
        for (at, member) in workspace.member_views().enumerate().skip(first) {
            if self.is_over() {
                return Some(at);
            }
            self.looked_at += 1;
            self.member(name, workspace, member);
        }
        let pending = draft.map(|draft| &*draft.pending).unwrap_or_default();
        for (at, invited) in (members..).zip(pending).filter(|(at, _)| *at >= first) {
            if self.is_over() {
                return Some(at);
            }
            self.looked_at += 1;
            let (account, role) = (&invited.account.value, &invited.role.value);
            if self.wanted.is(name, account, role) && self.wanted.level.is_none_or(is_none) {
                let levels = vec![Some(Level::None.name()); self.columns.len()];
                let (pending, bypass, closed, partly) = (true, false, None, Vec::new());
                let (workspace, environment) =
                    (name.to_owned(), workspace.environment().to_owned());
                let (account, role) = (account.clone(), role.clone());
                let row = Row {
                    workspace,
                    environment,
                    account,
                    role,
                    bypass,
                    pending,
                    closed,
                    levels,
                    partly,
                };
                self.rows.push(row);
            }
        }
        None
    }

    fn member(&mut self, name: &str, workspace: WorkspaceView<'_>, member: MemberView<'_>) {
        let (account, role) = (member.account(), member.role());
        if !self.wanted.is(name, account, role) {
            return;
        }
        let (mut levels, mut partly, mut best) = (Vec::new(), Vec::new(), Level::None);
        for (column, number) in self.columns.iter().zip(0..) {
            let level = match member.cell(column, self.view.now) {
                Cell::Absent => None,
                Cell::Level { level, partly: some } => {
                    partly.extend(some.then_some(number));
                    best = best.max(level);
                    Some(level.name())
                }
            };
            levels.push(level);
        }
        if self.wanted.level.is_none_or(|wanted| wanted == best) {
            self.rows.push(Row {
                workspace: name.to_owned(),
                environment: workspace.environment().to_owned(),
                account: account.to_owned(),
                role: role.to_owned(),
                bypass: member.bypasses(),
                pending: false,
                closed: member.closed().map(DenyReason::code),
                levels,
                partly,
            });
        }
    }

    /// Whether there are enough rows, or it has taken long enough. The first look is for free: each
    /// answer gets further.
    fn is_over(&self) -> bool {
        let looks = self.looked_at > 0 && self.looked_at.is_multiple_of(MEMBERS_A_LOOK);
        self.rows.len() >= self.limit || (looks && clock::instant() >= self.due)
    }
}

fn is_none(level: Level) -> bool {
    level == Level::None
}

impl Wanted {
    fn is_in(&self, workspace: &str) -> bool {
        match self.exactly {
            true => workspace.eq_ignore_ascii_case(&self.workspace),
            false => has(workspace, &self.workspace),
        }
    }

    fn is(&self, workspace: &str, account: &str, role: &str) -> bool {
        has(account, &self.account)
            && [workspace, account, role].iter().any(|name| has(name, &self.text))
    }
}

impl Cursor {
    fn parse(text: &str) -> Result<Self, String> {
        let read = text.split_once('.').and_then(|(workspace, member)| {
            Some(Self(workspace.parse().ok()?, member.parse().ok()?))
        });
        read.ok_or_else(|| "`after` is what `next` was".to_owned())
    }
}

impl Shown {
    fn of(column: &Column<'_>) -> Self {
        let (kind, name) = match column.scope {
            ScopeName::Area(name) => ("area", name),
            ScopeName::Product(name, None) => ("product", name),
            ScopeName::Product(_, Some(name)) => ("permission", name),
        };
        Self { kind, name: name.to_owned() }
    }
}
