//! From an answer to what is shown of it.

use crate::keystore::{Ceiling, Timestamp};
use crate::policy::draft::{DraftRoute, Gift, Grantee, Rows};
use crate::policy::explain::{
    Access, Credential, Explanation, Matched, Origin, PassedOver, Protection, Scope, Source,
    Unreadable, Weaker,
};
use crate::policy::{Decision, Level, UnixSeconds, Upgrade};

use super::needed;
use super::policy::{Answer, Policy, Request};
use super::view::{
    AccessView, GroupView, KeyView, NeededView, PassedOverView, PendingView, ProtectionView,
    RequestView, RouteView, SourceView, SubscriptionView, TargetView, View,
};

impl View {
    /// What is shown of `answer`.
    pub(in crate::cli) fn new(
        policy: &Policy,
        request: &Request<'_>,
        now: UnixSeconds,
        answer: &Answer<'_>,
    ) -> Self {
        let Answer { decision, explanation } = answer;
        let shown = Shown { policy };
        let (reason, forwarded) = match decision {
            Decision::Allow(permit) => {
                let as_sent = || request.address.target.clone();
                (None, Some(permit.rewritten_target().map_or_else(as_sent, str::to_owned)))
            }
            Decision::Deny(denial) => (Some(denial.reason), None),
        };
        let needed = match reason {
            None => Vec::new(),
            Some(_) => needed::all(policy, request, now, explanation),
        };
        let needed = needed.into_iter();
        Self {
            decision: if reason.is_none() { "allow" } else { "deny" },
            reason: reason.map(|reason| reason.code()),
            status: reason.map(|reason| reason.status(policy.snapshot().hide_none())),
            needed: needed
                .map(|(reason, needed)| NeededView { reason: reason.code(), needed })
                .collect(),
            at: time(now),
            request: RequestView {
                method: request.method.to_owned(),
                host: request.address.host.clone(),
                target: request.address.target.clone(),
                upgrade: request.upgrade != Upgrade::None,
                protocol: match request.upgrade {
                    Upgrade::None => None,
                    Upgrade::Unknown => Some("unknown"),
                    Upgrade::WebSocket => Some("websocket"),
                },
                preflight: request.preflight,
            },
            target: target(explanation, forwarded),
            route: explanation.route.as_ref().map(|it| shown.route(it, explanation.preflight)),
            passed_over: explanation.passed_over.iter().map(|it| shown.passed_over(it)).collect(),
            key: explanation.key.as_ref().map(|key| shown.key(key)),
            access: explanation.access.as_ref().map(|access| shown.access(access)),
            protection: explanation.protection.as_ref().map(|it| shown.protection(it)),
        }
    }
}

fn target(explanation: &Explanation<'_>, forwarded: Option<String>) -> TargetView {
    match &explanation.reading {
        Ok(reading) => TargetView {
            host: Some(reading.host.clone()),
            path: Some(reading.path.clone()),
            query: reading.query.clone(),
            as_sent: reading.as_sent,
            problem: disputed(explanation),
            forwarded,
        },
        Err(why) => TargetView {
            host: None,
            path: None,
            query: None,
            as_sent: false,
            problem: Some(match why {
                Unreadable::Host => "the host is no host".to_owned(),
                Unreadable::Target(error) => {
                    format!("the target has no single reading: {}", error.message())
                }
                Unreadable::WholeServer => "`*` is for OPTIONS alone".to_owned(),
            }),
            forwarded: None,
        },
    }
}

/// What of the path not every reader reads alike, and who refuses it.
fn disputed(explanation: &Explanation<'_>) -> Option<String> {
    let names: Vec<_> = explanation.disputed.names().map(|(what, _)| what).collect();
    let refused = match &explanation.route {
        Some(matched) => format!("which route `{}` refuses", matched.route.label()),
        None => "which is refused where no route keeps it".to_owned(),
    };
    (!names.is_empty()).then(|| format!("the path has {}, {refused}", names.join(" and ")))
}

/// Rules with their places.
struct Shown<'a> {
    policy: &'a Policy,
}

impl Shown<'_> {
    fn route(&self, matched: &Matched<'_>, forwards_preflight: bool) -> RouteView {
        RouteView {
            name: matched.route.label(),
            place: self.policy.place(matched.route.place),
            template: matched.route.template(),
            upstream: matched.route.upstream.value.clone(),
            public: matched.is_public(),
            workspace: matched.workspace.clone(),
            methods: matched.allow.to_string(),
            takes_method: matched.takes_method,
            upgrade: DraftRoute::upgrade_name(matched.route.upgrade),
            preflight: DraftRoute::preflight_name(matched.route.preflight),
            forwards_preflight,
            needs: (!matched.is_public() && !forwards_preflight).then(|| matched.needed.name()),
        }
    }

    fn passed_over(&self, passed_over: &PassedOver<'_>) -> PassedOverView {
        let (why, segment) = match passed_over.why {
            Weaker::AnotherHost => ("another_host", None),
            Weaker::Host => ("host", None),
            Weaker::Pattern(at) => ("pattern", Some(at)),
            Weaker::Shorter => ("shorter", None),
        };
        PassedOverView {
            name: passed_over.route.label(),
            place: self.policy.place(passed_over.route.place),
            template: passed_over.route.template(),
            why,
            segment,
        }
    }

    fn key(&self, key: &Credential<'_>) -> KeyView {
        let record = key.record;
        let text = |text: &str| text.to_owned();
        KeyView {
            fault: key.fault.map(|fault| fault.code()),
            id: record.map(|it| text(&it.id)),
            place: record.and_then(|it| self.policy.place(it.place)),
            account: record.map(|it| text(&it.account)),
            workspace: record.map(|it| text(&it.workspace)),
            environment: record.map(|it| text(&it.environment)),
            not_before: record.and_then(|it| it.not_before).map(time),
            expires: record.and_then(|it| it.expires).map(time),
            revoked: record.and_then(|it| it.revoked).map(time),
            ceiling: record.and_then(|it| it.ceiling.clone()).map(|it| Ceiling {
                level: it.level,
                products: it.products,
                areas: it.areas,
            }),
        }
    }

    fn access(&self, access: &Access<'_>) -> AccessView {
        let (product, permission, area) = match access.scope {
            Scope::Area(area) => (None, None, Some(area.to_owned())),
            Scope::Product(product, permission) => {
                (Some(product.to_owned()), permission.map(str::to_owned), None)
            }
        };
        let group = |it: &&crate::policy::At<String>| GroupView {
            name: it.value.clone(),
            place: self.policy.place(it.place),
        };
        AccessView {
            workspace: access.workspace.name.value.clone(),
            workspace_place: self.policy.place(access.workspace.name.place),
            workspace_suspended: access.workspace.suspended,
            account_suspended: access.suspended.and_then(|place| self.policy.place(place)),
            product,
            permission,
            area,
            role: access.member.map(|(_, role)| role.value.clone()),
            pending: access.pending.map(|it| PendingView {
                role: it.role.value.clone(),
                invited: it.invited.map(time),
                place: self.policy.place(it.account.place),
            }),
            groups: access.groups.iter().map(group).collect(),
            sources: self.sources(&access.sources),
            bypass: access.bypass,
            held: access.held.name(),
            subscription: access.subscription.map(|it| SubscriptionView {
                state: it.state.name(),
                place: self.policy.place(it.product.place),
                ends: it.ends.map(time),
                limit: access.subscribed.name(),
            }),
            ceiling: access.ceiling.name(),
            level: access.level.map(Level::name),
        }
    }

    fn protection(&self, protection: &Protection<'_>) -> ProtectionView {
        let (account, role) = protection.member;
        ProtectionView {
            account: account.value.clone(),
            role: role.value.clone(),
            area: protection.area.value.clone(),
            place: self.policy.place(protection.area.place),
            held: protection.held.name(),
            ceiling: protection.ceiling.name(),
            sources: self.sources(&protection.sources),
        }
    }

    fn sources(&self, sources: &[Source<'_>]) -> Vec<SourceView> {
        let source = |source: &Source<'_>| {
            let (kind, name, says) = match source.origin {
                Origin::Role(role) => {
                    let says = if role.bypass { "bypass: everything" } else { "" };
                    ("role", role.name.value.clone(), says.to_owned())
                }
                Origin::Grant(grant) => {
                    ("grant", grantee(&grant.to.value), self.gift(&grant.gives))
                }
            };
            let place = self.policy.place(source.place());
            SourceView { kind, place, name, says, gives: source.gives.name() }
        };
        sources.iter().map(source).collect()
    }
}

impl Shown<'_> {
    /// What a grant gives, in words.
    fn gift(&self, gift: &Gift) -> String {
        let rows = |rows: &Rows| {
            let rows = rows.iter().map(|(name, level)| format!("{} {level}", name.value));
            rows.collect::<Vec<_>>().join(", ")
        };
        match gift {
            Gift::Areas(areas) => format!("areas {}", rows(areas)),
            Gift::Level(product, level) => format!("{level} on product {}", product.value),
            Gift::Permissions(product, permissions) => {
                format!("product {}: {}", product.value, rows(permissions))
            }
            Gift::Role(product, role) => {
                let place = self.role_place(&product.value, &role.value);
                let place = place.map_or(String::new(), |place| format!(" ({place})"));
                format!("role {} of product {}{place}", role.value, product.value)
            }
        }
    }

    fn role_place(&self, product: &str, role: &str) -> Option<String> {
        let product = self.policy.draft().products.iter().find(|it| it.name.value == product)?;
        let (name, _) = product.roles.iter().find(|(name, _)| name.value == role)?;
        self.policy.place(name.place)
    }
}

/// As the policy writes it.
pub(in crate::cli) fn grantee(to: &Grantee) -> String {
    match to {
        Grantee::Account(name) => format!("account:{name}"),
        Grantee::Group(name) => format!("group:{name}"),
    }
}

/// RFC 3339; a time that no four-digit year holds, in seconds.
pub(in crate::cli) fn time(seconds: UnixSeconds) -> String {
    Timestamp::new(seconds).map_or_else(|| seconds.0.to_string(), |time| time.to_string())
}
