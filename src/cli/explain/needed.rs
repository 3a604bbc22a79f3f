//! What would let a denied request pass, in words: one way out for each thing that is in the way.

use crate::policy::explain::{Access, Explanation, Scope};
use crate::policy::{DenyReason, Level, Place, UnixSeconds, Upgrade};

use super::build::time;
use super::policy::{Policy, Request};

/// Methods that no route takes.
pub(super) const NOWHERE: [&str; 3] = ["CONNECT", "TRACE", "TRACK"];

/// Each thing that is in the way, in the order of the checks, with its way out.
pub(super) fn all(
    policy: &Policy,
    request: &Request<'_>,
    now: UnixSeconds,
    explanation: &Explanation<'_>,
) -> Vec<(DenyReason, String)> {
    let words = Words { policy, request, now, explanation };
    explanation.blockers.iter().map(|reason| (*reason, words.of(*reason))).collect()
}

struct Words<'a> {
    policy: &'a Policy,
    request: &'a Request<'a>,
    now: UnixSeconds,
    explanation: &'a Explanation<'a>,
}

impl Words<'_> {
    fn of(&self, reason: DenyReason) -> String {
        let needed = self.explanation.route.as_ref().map(|route| route.needed).unwrap_or_default();
        match reason {
            DenyReason::AccountSuspended => {
                let place = self.access().and_then(|access| access.suspended);
                format!(
                    "take back `suspended = true` of account `{}`{}",
                    self.account(),
                    self.at(place)
                )
            }
            DenyReason::BadRequest => "a request that can be read in one way".to_owned(),
            DenyReason::BadTarget => self.target(),
            DenyReason::KeyCeiling => format!(
                "a key whose ceiling lets `{needed}` on {} through: a ceiling is final, create a new key{}",
                self.scope(),
                self.create(),
            ),
            DenyReason::KeyExpired => {
                format!("a key that has not expired: create one{}", self.create())
            }
            DenyReason::KeyMalformed => {
                "the whole key, as it was printed: its form or checksum is wrong".to_owned()
            }
            DenyReason::KeyMissing => self.key(),
            DenyReason::KeyNotYetValid => {
                let from = self.record().and_then(|record| record.not_before).unwrap_or(self.now);
                format!("wait until {}", time(from))
            }
            DenyReason::KeyRevoked => {
                format!("another key, for a revocation is final: create one{}", self.create())
            }
            DenyReason::KeyUnknown => format!("a key that has a record{}", self.of_workspace()),
            DenyReason::MethodRefused => self.method(),
            DenyReason::NoAccess | DenyReason::ViewOnly => self.grant(needed),
            DenyReason::RateLimited => "fewer requests of this key in the same time".to_owned(),
            DenyReason::NotAMember => {
                let workspace = self.record().map_or("", |record| &record.workspace);
                if self.access().is_some_and(|access| access.pending.is_some()) {
                    let account = self.account();
                    return format!(
                        "the invitation of `{account}` accepted: `sidegate member accept \
                         --workspace {workspace} {account}`"
                    );
                }
                let place = self.access().map(|access| access.workspace.name.place);
                format!(
                    "account `{}` as a member of workspace `{workspace}`{}",
                    self.account(),
                    self.at(place)
                )
            }
            DenyReason::ProductAbsent => match self.access() {
                Some(Access { workspace, scope: Scope::Product(product, _), .. }) => format!(
                    "a subscription: `[workspace.{}.product.{product}]`",
                    workspace.name.value
                ),
                _ => "a subscription".to_owned(),
            },
            DenyReason::ProtectedAccount => self.protection(needed),
            DenyReason::RouteUnknown => self.route(),
            DenyReason::SubscriptionInactive => self.subscription(needed),
            DenyReason::WorkspaceSuspended => {
                let place = self.access().map(|access| access.workspace.name.place);
                let workspace = self.record().map_or("", |record| &record.workspace);
                format!("take back `suspended = true` of workspace `{workspace}`{}", self.at(place))
            }
            DenyReason::WrongEnvironment => {
                let pin = self.policy.draft().environment.as_deref().unwrap_or_default();
                let own = self.record().map_or("", |record| &record.environment);
                format!(
                    "a key of environment `{pin}`, which sidegate.toml says: this one is of `{own}`"
                )
            }
            DenyReason::WrongWorkspace => {
                let own = self.record().map_or("", |record| &record.workspace);
                match self.route_workspace() {
                    // Its record's environment is not its workspace's: a revocation is due.
                    Some(name) if name == own => {
                        format!("a key of workspace `{name}` and its environment{}", self.create())
                    }
                    Some(name) if self.has_workspace(name) => {
                        format!("a key of workspace `{name}`: this one is of `{own}`")
                    }
                    Some(name) => format!("a workspace `{name}`, which the policy does not have"),
                    None => "a route of a workspace".to_owned(),
                }
            }
        }
    }

    fn target(&self) -> String {
        let names: Vec<_> = self.explanation.disputed.names().collect();
        if names.is_empty() {
            return "a host and a path that can be read in one way: nothing is put right here"
                .to_owned();
        }
        let what: Vec<_> = names.iter().map(|(what, _)| *what).collect();
        let without = format!("a path without {}", what.join(" or "));
        let Some(matched) = &self.explanation.route else { return without };
        let fields: Vec<_> =
            names.iter().map(|(_, field)| format!("`{field} = \"keep\"`")).collect();
        format!(
            "{without}; or {} on route `{}`{}, where its upstream reads such a path as routes match it",
            fields.join(" and "),
            matched.route.label(),
            self.at(Some(matched.route.place))
        )
    }

    fn grant(&self, needed: Level) -> String {
        let Some(access) = self.access() else { return String::new() };
        let groups: Vec<_> = access.groups.iter().map(|group| group.value.as_str()).collect();
        let groups = match groups.as_slice() {
            [] => String::new(),
            [group] => format!(" or to its group (`{group}`)"),
            groups => format!(" or to one of its groups (`{}`)", groups.join("`, `")),
        };
        let mut text = format!(
            "a grant of `{needed}` on {} to account `{}`{groups}",
            self.scope(),
            self.account()
        );
        if access.held == Level::View {
            text.push_str(&format!("; with `view` pass {}", self.view_methods()));
            if self.request.upgrade == Upgrade::WebSocket {
                text.push_str(", but no WebSocket");
            }
        }
        text
    }

    fn view_methods(&self) -> String {
        let route = self.explanation.route.as_ref().map(|matched| matched.route);
        match route.and_then(|route| route.view_methods.as_ref()) {
            None => "GET, HEAD and OPTIONS".to_owned(),
            Some(methods) if methods.is_empty() => "no methods".to_owned(),
            Some(methods) => {
                methods.iter().map(|it| it.value.as_str()).collect::<Vec<_>>().join(", ")
            }
        }
    }

    fn subscription(&self, needed: Level) -> String {
        let Some((access, it)) =
            self.access().and_then(|access| Some((access, access.subscription?)))
        else {
            return String::new();
        };
        let product = format!(
            "product `{}` in workspace `{}`",
            it.product.value, access.workspace.name.value
        );
        let place = self.at(Some(it.product.place));
        match it.ends.filter(|ends| self.now >= *ends) {
            Some(ends) => {
                format!(
                    "a subscription to {product} that goes on{place}: it ended at {}",
                    time(ends)
                )
            }
            None => format!(
                "a subscription to {product} that lets `{needed}` through{place}: it is `{}`",
                it.state.name()
            ),
        }
    }

    fn protection(&self, needed: Level) -> String {
        let Some(protection) = &self.explanation.protection else { return String::new() };
        let (account, role) = protection.member;
        let area = &protection.area.value;
        let mut text = format!(
            "`{needed}` on area `{area}`, for account `{}` is `{}`{}",
            account.value,
            role.value,
            self.at(Some(protection.area.place))
        );
        if protection.held >= needed {
            text.push_str("; the account has it, the key's ceiling keeps it back");
        }
        text
    }

    fn method(&self) -> String {
        let method = self.request.method;
        let route = self.explanation.route.as_ref();
        let upgrade = match self.request.upgrade {
            Upgrade::None => None,
            Upgrade::Unknown => Some(
                "a request without `Upgrade`, or, for a WebSocket, with `Upgrade: websocket` and \
                 `Connection: upgrade`: no route passes anything else on"
                    .to_owned(),
            ),
            Upgrade::WebSocket if method != "GET" => {
                Some("GET: a WebSocket is opened by no other method".to_owned())
            }
            Upgrade::WebSocket => route.filter(|it| !it.takes_upgrade).map(|it| {
                let place = self.at(Some(it.route.place));
                format!(
                    "`upgrade = \"view\"` or `\"full\"` on route `{}`{place}, or a request without \
                     `Upgrade`",
                    it.route.label()
                )
            }),
        };
        let method = match route {
            _ if NOWHERE.contains(&method) => {
                Some(format!("another method: no route takes {method}"))
            }
            Some(route) if !route.takes_method => {
                Some(format!("one of the route's methods: {}", route.allow))
            }
            _ => None,
        };
        upgrade.into_iter().chain(method).collect::<Vec<_>>().join("; and ")
    }

    fn key(&self) -> String {
        let mut text = format!(
            "a key{}, in `Authorization: Bearer KEY` or `X-API-Key: KEY`",
            self.of_workspace()
        );
        if self.request.upgrade == Upgrade::WebSocket {
            text.push_str(", or, in a browser, `Sec-WebSocket-Protocol: bearer, KEY`");
        }
        if let Some(it) = self.explanation.route.as_ref().filter(|_| self.request.preflight) {
            let place = self.at(Some(it.route.place));
            text.push_str(&format!(
                "; or `preflight = \"forward\"` on route `{}`{place}: browsers send preflights \
                 without a key",
                it.route.label()
            ));
        }
        text
    }

    fn route(&self) -> String {
        let near: Vec<_> = self
            .explanation
            .passed_over
            .iter()
            .map(|it| format!("`{}`", it.route.label()))
            .collect();
        match near.as_slice() {
            [] => "a `[[route]]` for this path".to_owned(),
            near => format!("a `[[route]]` for this host: for others there is {}", near.join(", ")),
        }
    }

    /// What the route is of, with its kind.
    fn scope(&self) -> String {
        match self.access().map(|access| access.scope) {
            Some(Scope::Area(area)) => format!("area `{area}`"),
            Some(Scope::Product(product, None)) => format!("product `{product}`"),
            Some(Scope::Product(product, Some(permission))) => {
                format!("permission `{permission}` of product `{product}`")
            }
            None => "the scope".to_owned(),
        }
    }

    fn create(&self) -> String {
        let Some(record) = self.record() else { return String::new() };
        format!(
            " (sidegate key create --workspace {} --account {})",
            record.workspace, record.account
        )
    }

    fn of_workspace(&self) -> String {
        let workspace = self.route_workspace().filter(|name| self.has_workspace(name));
        workspace.map_or(String::new(), |name| format!(" of workspace `{name}`"))
    }

    fn has_workspace(&self, name: &str) -> bool {
        self.policy.draft().workspaces.iter().any(|workspace| workspace.name.value == name)
    }

    fn route_workspace(&self) -> Option<&str> {
        self.explanation.route.as_ref()?.workspace.as_deref()
    }

    fn access(&self) -> Option<&Access<'_>> {
        self.explanation.access.as_ref()
    }

    fn record(&self) -> Option<&crate::policy::draft::DraftKey> {
        self.explanation.key.as_ref()?.record
    }

    fn account(&self) -> &str {
        self.record().map_or("", |record| &record.account)
    }

    fn at(&self, place: Option<Place>) -> String {
        place
            .and_then(|place| self.policy.place(place))
            .map_or(String::new(), |it| format!(" ({it})"))
    }
}
