//! Routes: where a request belongs, what it needs, where it goes.

use super::branches::Branches;
use super::catalog::{Catalog, Row};
use super::names::{Map, Names};
use super::pattern::{Capture, HostPattern, PathPattern};
use super::trie::Trie;
use crate::policy::draft::{DraftRoute, DraftScope};
use crate::policy::host::Host;
use crate::policy::level::Level;
use crate::policy::method::{self, Methods};
use crate::policy::problem::{At, Problem};

/// Every route.
#[derive(Debug, Default)]
pub(in crate::policy) struct Routes {
    trie: Trie,
    list: Vec<Route>,
}

/// A host and path prefix, mapped to a scope and an upstream. What a decision asks of it lies on its
/// first cache line of 64 bytes.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Route {
    pub(in crate::policy) scope: Scope,
    pub(in crate::policy) workspace: RouteWorkspace,
    account: Option<Capture>,
    /// How many segments are taken off before forwarding.
    strip: u32,
    view_methods: Option<Methods>,
    methods: Option<Methods>,
    upstream: usize,
    name: Box<str>,
    template: Box<str>,
    allow: Box<str>,
    /// By role: the area that is asked for in addition.
    protect: Box<[(u32, u32)]>,
}

/// What a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::policy) enum Scope {
    /// An area of the workspace.
    Area(u32),
    /// A row of a product.
    Product(u32, Row),
    /// Nothing, not even a key.
    Public,
}

/// Whose route it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::policy) enum RouteWorkspace {
    /// This workspace's.
    Fixed(u32),
    /// That of the host's first label.
    Host,
    /// Nobody's: a public route.
    None,
    /// That of a segment of the path.
    Segment(Capture),
}

impl Route {
    /// The label in metrics and logs.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Host and prefix as the policy writes them: what a log shows instead of a path.
    pub fn template(&self) -> &str {
        &self.template
    }

    /// Where it goes: an index into the upstreams that the policy was compiled with.
    pub fn upstream(&self) -> usize {
        self.upstream
    }

    /// The methods that it takes, as the `Allow` field lists them.
    pub fn allow(&self) -> &str {
        &self.allow
    }

    pub(in crate::policy) fn takes(&self, method: &str) -> bool {
        self.methods.as_ref().is_none_or(|methods| methods.contains(method))
    }

    pub(in crate::policy) fn needed(&self, method: &str) -> Level {
        match &self.view_methods {
            Some(view) if view.contains(method) => Level::View,
            Some(_) => Level::Full,
            None => method::needed_by_default(method),
        }
    }

    /// The account that a decoded path captures.
    pub(in crate::policy) fn captured_account<'p>(&self, path: &'p str) -> Option<&'p str> {
        self.account?.of(path)
    }

    pub(in crate::policy) fn protection(&self, role: u32) -> Option<u32> {
        self.protect.iter().find(|(protected, _)| *protected == role).map(|(_, area)| *area)
    }

    /// Whether the name that a decoded path captures is `name`. Fixed workspaces are compared by
    /// number before this is asked.
    pub(in crate::policy) fn captures(&self, host: &Host<'_>, path: &str, name: &str) -> bool {
        match self.workspace {
            RouteWorkspace::Fixed(_) | RouteWorkspace::None => false,
            RouteWorkspace::Host => {
                host.as_str().split_once('.').is_some_and(|(label, _)| label == name)
            }
            RouteWorkspace::Segment(capture) => capture.of(path) == Some(name),
        }
    }

    pub(in crate::policy) fn strips(&self) -> bool {
        self.strip > 0
    }

    /// The path to forward: whole segments taken off where the route strips its prefix.
    pub(in crate::policy) fn forwarded<'p>(&self, path: &'p str) -> &'p str {
        let mut rest = path;
        for _ in 0..self.strip {
            let inner = rest.strip_prefix('/').unwrap_or(rest);
            rest = inner.find('/').and_then(|slash| inner.get(slash..)).unwrap_or("/");
        }
        rest
    }
}

impl Routes {
    pub(super) fn compile(
        drafts: &[DraftRoute],
        upstreams: &[String],
        catalog: &Catalog,
        workspaces: &Names,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut routes = Self::default();
        let mut branches = Branches::default();
        let mut names: Map<Box<str>, u32> = Map::default();
        for (number, draft) in drafts.iter().enumerate() {
            let name = draft.label();
            if let Some(first) = names.insert(name.as_str().into(), draft.place.line) {
                problems.push(Problem::error(
                    draft.name.as_ref().map_or(draft.place, |name| name.place),
                    format!("route `{name}` is declared twice, first in line {first}"),
                ));
            }
            let reader =
                Reader { name: name.clone(), draft, catalog, workspaces, upstreams, problems };
            let Some((host, path, route)) = reader.read() else { continue };
            // A route with a fault of its own has a place, too. Where it is not in the list, its
            // fault keeps the list from being used.
            routes.list.extend(route);
            if let Err(before) = branches.insert(&host, &path, number as u32) {
                let before = drafts.get(before as usize).map(DraftRoute::label).unwrap_or_default();
                problems.push(
                    Problem::error(
                        draft.prefix.place,
                        format!("route `{name}`: no order can separate it from route `{before}`"),
                    )
                    .hint("give one of them another host or prefix, or join them"),
                );
            }
        }
        if drafts.is_empty() {
            let place = crate::policy::problem::Place::default();
            problems.push(
                Problem::warning(place, "the policy has no route: every request is refused")
                    .hint("add a `[[route]]`"),
            );
        }
        routes.trie = branches.finish();
        routes
    }

    /// The route of a canonical host and a canonical path, decoded.
    pub(in crate::policy) fn find(&self, host: &Host<'_>, path: &str) -> Option<(u32, &Route)> {
        let number = self.trie.find(host, path)?;
        Some((number, self.list.get(number as usize)?))
    }

    pub(in crate::policy) fn route(&self, number: u32) -> Option<&Route> {
        self.list.get(number as usize)
    }

    pub(in crate::policy) fn iter(&self) -> impl Iterator<Item = &Route> {
        self.list.iter()
    }

    pub(in crate::policy) fn len(&self) -> usize {
        self.list.len()
    }
}

/// Reads one route, every problem of it at once.
struct Reader<'a> {
    name: String,
    draft: &'a DraftRoute,
    catalog: &'a Catalog,
    workspaces: &'a Names,
    upstreams: &'a [String],
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    /// The place of a route that has one, and the route if it has no fault.
    fn read(mut self) -> Option<(HostPattern, PathPattern, Option<Route>)> {
        let draft = self.draft;
        self.check_label();
        let host = self.host();
        let path = match PathPattern::parse(&draft.prefix.value) {
            Ok(path) => Some(path),
            Err(wrong) => {
                self.problem(
                    &draft.prefix,
                    format!("prefix `{}` is no path: {wrong}", draft.prefix.value),
                );
                None
            }
        };
        let workspace = path.as_ref().zip(host.as_ref()).and_then(|(p, h)| self.workspace(h, p));
        let scope = self.scope();
        let upstream = self.upstream();
        let methods = self.methods(draft.methods.as_deref());
        let view_methods = self.methods(draft.view_methods.as_deref());
        let protect = self.protect(path.as_ref());
        let (host, path) = (host?, path?);
        let whole = upstream.zip(scope).zip(workspace);
        let route = whole.map(|((upstream, scope), workspace)| Route {
            name: self.name.into(),
            template: draft.template().into(),
            upstream,
            scope,
            workspace,
            account: path.account.map(|number| path.capture(number)),
            allow: methods.as_ref().map_or(method::ALLOW_ALL.into(), Methods::allow),
            view_methods,
            methods,
            protect: protect.into(),
            strip: if draft.strip_prefix { path.steps.len() as u32 } else { 0 },
        });
        Some((host, path, route))
    }

    fn problem<T>(&mut self, at: &At<T>, message: String) {
        let message = format!("route `{}`: {message}", self.name);
        self.problems.push(Problem::error(at.place, message));
    }

    fn hint(&mut self, hint: impl Into<String>) {
        if let Some(last) = self.problems.last_mut() {
            last.hint = Some(hint.into());
        }
    }

    fn check_label(&mut self) {
        if let Some(name) = &self.draft.name
            && (name.value.is_empty()
                || name.value.len() > 128
                || !name.value.bytes().all(|byte| byte.is_ascii_graphic()))
        {
            self.problem(name, "a name has 1 to 128 visible ASCII characters".to_owned());
        }
    }

    fn host(&mut self) -> Option<HostPattern> {
        let Some(host) = &self.draft.host else { return Some(HostPattern::Every) };
        match HostPattern::parse(&host.value) {
            Ok(pattern) => Some(pattern),
            Err(wrong) => {
                self.problem(host, format!("`{}` is no host", host.value));
                self.hint(wrong);
                None
            }
        }
    }

    fn workspace(&mut self, host: &HostPattern, path: &PathPattern) -> Option<RouteWorkspace> {
        let draft = self.draft;
        let by_host = matches!(host, HostPattern::Below(_, true));
        let captured = usize::from(by_host) + usize::from(path.workspace.is_some());
        if captured + usize::from(draft.workspace.is_some()) > 1 {
            self.problem(&draft.prefix, "the workspace is named more than once".to_owned());
            self.hint("say it in one of `workspace`, host and prefix");
            return None;
        }
        if let Some(number) = path.workspace {
            return Some(RouteWorkspace::Segment(path.capture(number)));
        }
        if by_host {
            return Some(RouteWorkspace::Host);
        }
        let Some(name) = &draft.workspace else {
            if matches!(draft.scope, DraftScope::Public) {
                return Some(RouteWorkspace::None);
            }
            self.problem(&At::new((), draft.place), "it has no workspace".to_owned());
            self.hint("add `workspace = \"…\"`, or capture `{workspace}` in prefix or host");
            return None;
        };
        let number = self.workspaces.number(&name.value);
        if number.is_none() {
            let message = format!("route `{}`: unknown workspace `{}`", self.name, name.value);
            self.problems.push(
                Problem::error(name.place, message)
                    .did_you_mean(&name.value, self.workspaces.iter()),
            );
        }
        number.map(RouteWorkspace::Fixed)
    }

    fn scope(&mut self) -> Option<Scope> {
        let subject = format!("route `{}`", self.name);
        match &self.draft.scope {
            DraftScope::Public => Some(Scope::Public),
            DraftScope::Area(area) => {
                self.catalog.area(&subject, area, self.problems).map(Scope::Area)
            }
            DraftScope::Product(product, permission) => {
                let number = self.catalog.product(&subject, product, self.problems)?;
                let rows = self.catalog.rows_of(number)?;
                let row = match permission {
                    None => rows.own(),
                    Some(name) => rows.permission(&subject, &product.value, name, self.problems)?,
                };
                Some(Scope::Product(number, row))
            }
        }
    }

    fn upstream(&mut self) -> Option<usize> {
        let name = &self.draft.upstream;
        let number = self.upstreams.iter().position(|upstream| *upstream == name.value);
        if number.is_none() {
            let message = format!("route `{}`: unknown upstream `{}`", self.name, name.value);
            self.problems.push(
                Problem::error(name.place, message)
                    .did_you_mean(&name.value, self.upstreams.iter().map(String::as_str)),
            );
        }
        number
    }

    fn methods(&mut self, names: Option<&[At<String>]>) -> Option<Methods> {
        for name in names? {
            if !method::is_token(&name.value) {
                self.problem(name, format!("`{}` is no method", name.value));
            } else if method::is_refused_everywhere(&name.value) {
                self.problem(name, format!("no route takes {}", name.value));
            } else if name.value.bytes().any(|byte| byte.is_ascii_lowercase()) {
                self.problem(name, format!("method `{}` has lower-case letters", name.value));
                self.hint(format!("methods are case-sensitive: {}", name.value.to_uppercase()));
            }
        }
        Some(Methods::new(names?.iter().map(|name| name.value.clone())))
    }

    fn protect(&mut self, path: Option<&PathPattern>) -> Vec<(u32, u32)> {
        let draft = self.draft;
        let subject = format!("route `{}`", self.name);
        if let Some(((role, _), path)) = draft.protect.first().zip(path)
            && path.account.is_none()
        {
            self.problem(role, "`protect` needs an `{account}` in the prefix".to_owned());
        }
        let mut pairs = Vec::new();
        for (role, area) in &draft.protect {
            let role = self.catalog.role(&subject, role, self.problems);
            let area = self.catalog.area(&subject, area, self.problems);
            pairs.extend(role.zip(area));
        }
        pairs
    }
}
