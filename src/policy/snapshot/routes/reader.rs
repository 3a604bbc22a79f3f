//! One `[[route]]`, from what was written to what is looked up.

use super::{Route, RouteWorkspace, Scope};
use crate::policy::draft::{DraftRoute, DraftScope};
use crate::policy::level::Level;
use crate::policy::lint::Lint;
use crate::policy::method::{self, Methods};
use crate::policy::problem::{At, Place, Problem};
use crate::policy::snapshot::catalog::Catalog;
use crate::policy::snapshot::names::Names;
use crate::policy::snapshot::pattern::{HostPattern, PathPattern};

/// Reads one route, every problem of it at once.
pub(super) struct Reader<'a> {
    pub(super) name: String,
    pub(super) draft: &'a DraftRoute,
    pub(super) catalog: &'a Catalog,
    pub(super) workspaces: &'a Names,
    pub(super) upstreams: &'a [String],
    pub(super) problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    /// The place of a route that has one, and the route if it has no fault.
    pub(super) fn read(mut self) -> Option<(HostPattern, PathPattern, Option<Route>)> {
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
        if let Some(methods) = &methods {
            self.check_methods(methods);
        }
        let protect = self.protect(path.as_ref());
        self.warn_of_what_is_kept();
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
            common_view: view_methods.as_ref().map(Methods::common).unwrap_or_default(),
            common: methods.as_ref().map(Methods::common).unwrap_or_default(),
            view_methods,
            methods,
            limits: (!draft.limits.is_nothing()).then(|| Box::new(draft.limits)),
            upgrade: draft.upgrade,
            preflight: draft.preflight,
            keeps: draft.keeps(),
            protect: protect.into(),
            strip: if draft.strip_prefix { path.steps.len() as u16 } else { 0 },
        });
        Some((host, path, route))
    }

    fn problem<T>(&mut self, at: &At<T>, message: String) {
        let message = format!("route `{}`: {message}", self.name);
        self.problems.push(Problem::error(at.place, message));
    }

    fn warning(&mut self, lint: Lint, place: Place, message: String) {
        let message = format!("route `{}`: {message}", self.name);
        self.problems.push(Problem::warning(lint, place, message));
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
        if let Some(name) = self.draft.name.as_ref().filter(|name| name.value == "none") {
            self.problem(name, "it cannot be named `none`".to_owned());
            self.hint("metrics say `none` where there is no route: choose another name");
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

    fn upstream(&mut self) -> Option<u32> {
        let name = &self.draft.upstream;
        let number = self.upstreams.iter().position(|upstream| *upstream == name.value);
        if number.is_none() {
            let message = format!("route `{}`: unknown upstream `{}`", self.name, name.value);
            self.problems.push(
                Problem::error(name.place, message)
                    .did_you_mean(&name.value, self.upstreams.iter().map(String::as_str)),
            );
        }
        number.map(|number| number as u32)
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

    /// Warns of what a list of methods makes idle.
    fn check_methods(&mut self, methods: &Methods) {
        let draft = self.draft;
        if draft.methods.as_ref().is_some_and(Vec::is_empty) {
            self.warning(
                Lint::TakesNothing,
                draft.place,
                "`methods` is empty: it takes no request".to_owned(),
            );
            self.hint("name its methods, or drop `methods` to take all");
            return;
        }
        for name in draft.view_methods.iter().flatten() {
            if !methods.contains(&name.value) {
                let message = format!("`view_methods` has {}, `methods` has not", name.value);
                self.warning(Lint::ViewNotTaken, name.place, message);
                self.hint("the route does not take it: add it to `methods`, or drop it");
            }
        }
        if draft.upgrade > Level::None && !methods.contains("GET") {
            let message = "it lets no WebSocket through: `methods` has no GET";
            self.warning(Lint::UpgradeWithoutGet, draft.place, message.to_owned());
            self.hint("a WebSocket is opened by GET: add it, or drop `upgrade`");
        }
    }

    fn warn_of_what_is_kept(&mut self) {
        if let Some(place) = self.draft.encoded_slash {
            self.warning(
                Lint::EncodedSlash,
                place,
                "`%2F` is let through, and is no `/` here".to_owned(),
            );
            self.hint(
                "an upstream that decodes it before it splits reads another path than was judged: \
                 keep it only where it does not",
            );
        }
        if let Some(place) = self.draft.path_params {
            let message = "`;` and what follows it in a segment is let through, and not looked at";
            self.warning(Lint::PathParams, place, message.to_owned());
            self.hint(
                "an upstream that does not cut it off reads another path than was judged: keep it \
                 only where it does",
            );
        }
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
