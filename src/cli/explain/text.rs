//! An explanation for people: one step a line, in the order of the checks.

use std::fmt;

use super::needed::NOWHERE;
use super::view::{AccessView, KeyView, PassedOverView, ProtectionView, RouteView, StepView, View};

/// How a step went.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// It is in the way.
    Bad,
    /// It belongs to the step before or after it.
    Detail,
    /// Fine.
    Good,
}

impl Mark {
    fn good(good: bool) -> Self {
        if good { Self::Good } else { Self::Bad }
    }
}

struct Line {
    mark: Mark,
    label: &'static str,
    text: String,
}

impl View {
    /// The steps that are in the way, and what the level is made of: what a failed test shows.
    pub(in crate::cli) fn essence(&self) -> Vec<String> {
        const ALWAYS: [&str; 10] = [
            "route",
            "upgrade",
            "preflight",
            "scope",
            "group",
            "role",
            "grant",
            "subscription",
            "ceiling",
            "needed",
        ];
        let essential = |line: &Line| {
            let in_the_way = line.mark == Mark::Bad && line.label != "decision";
            in_the_way || ALWAYS.contains(&line.label)
        };
        self.lines().iter().filter(|line| essential(line)).map(Line::to_string).collect()
    }

    /// Every step as a page shows it.
    pub(super) fn steps(&self) -> Vec<StepView> {
        let mark = |mark| match mark {
            Mark::Bad => "bad",
            Mark::Detail => "detail",
            Mark::Good => "good",
        };
        let step =
            |line: Line| StepView { mark: mark(line.mark), name: line.label, says: line.text };
        self.lines().into_iter().map(step).collect()
    }

    fn lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        self.target(&mut lines);
        if let Some(route) = &self.route {
            self.route(route, &mut lines);
        } else if self.reason_is_in_the_way("route_unknown") {
            line(&mut lines, Mark::Bad, "route", "none".to_owned());
        }
        lines.extend(self.passed_over.iter().map(passed_over));
        self.upgrade(&mut lines);
        self.preflight(&mut lines);
        if let Some(key) = &self.key {
            lines.push(key_line(key));
            let route = self.route.as_ref().and_then(|route| route.workspace.as_deref());
            if self.reason_is_in_the_way("wrong_workspace") {
                let text = format!("the request is for `{}`", route.unwrap_or_default());
                line(&mut lines, Mark::Bad, "workspace", text);
            }
        }
        if let Some(access) = &self.access {
            self.access(access, &mut lines);
        }
        if let Some(protection) = &self.protection {
            self.protection(protection, &mut lines);
        }
        self.decision(&mut lines);
        lines
    }

    fn target(&self, lines: &mut Vec<Line>) {
        let target = &self.target;
        let text = match (&target.problem, &target.path, &target.host) {
            (Some(problem), ..) => problem.clone(),
            (None, Some(path), Some(host)) if target.as_sent => {
                format!("{path} on {host}, as sent")
            }
            (None, path, host) => format!(
                "{} on {}: the canonical form of what was sent",
                path.as_deref().unwrap_or_default(),
                host.as_deref().unwrap_or_default()
            ),
        };
        line(lines, Mark::good(target.problem.is_none()), "target", text);
    }

    fn route(&self, route: &RouteView, lines: &mut Vec<Line>) {
        let RouteView { name, template, upstream, .. } = route;
        let text = format!("{name}{}: {template} to upstream {upstream}", at(&route.place));
        line(lines, Mark::Good, "route", text);
        let method = &self.request.method;
        let nowhere = NOWHERE.contains(&method.as_str());
        let takes = route.takes_method && !nowhere;
        if route.forwards_preflight {
            return;
        }
        let text = match (takes, route.needs) {
            (false, _) if nowhere => format!("no route takes {method}"),
            (false, _) => format!("{method} is not one of {}", route.methods),
            (true, Some(needs)) if self.opens_websocket() => {
                format!("{method}, to open a WebSocket, needs {needs}")
            }
            (true, Some(needs)) => format!("{method} needs {needs}"),
            (true, None) => format!("{method}, and the route is public: no key is asked for"),
        };
        line(lines, Mark::good(takes), "method", text);
    }

    fn upgrade(&self, lines: &mut Vec<Line>) {
        let (mark, text) = match (self.request.protocol, &self.route) {
            (None, _) => return,
            (Some("websocket"), _) if self.request.method != "GET" => {
                (Mark::Bad, "a WebSocket is opened by GET alone".to_owned())
            }
            (Some("websocket"), None) => (Mark::Detail, "to a WebSocket".to_owned()),
            (Some("websocket"), Some(route)) if route.upgrade == "deny" => {
                (Mark::Bad, "the route lets no WebSocket through".to_owned())
            }
            (Some("websocket"), Some(route)) if route.public => {
                (Mark::Good, "the route lets WebSockets through".to_owned())
            }
            (Some("websocket"), Some(route)) => {
                (Mark::Good, format!("the route asks for {} of a WebSocket", route.upgrade))
            }
            (Some(_), _) => (Mark::Bad, "no route passes it on: it is no WebSocket's".to_owned()),
        };
        line(lines, mark, "upgrade", text);
    }

    fn preflight(&self, lines: &mut Vec<Line>) {
        let Some(route) = self.route.as_ref().filter(|_| self.request.preflight) else { return };
        let (mark, text) = match (route.preflight, route.forwards_preflight) {
            (_, true) => (Mark::Good, "the route forwards it without a key"),
            ("forward", false) => (Mark::Detail, "with a key it is a request as any other"),
            _ => (Mark::Detail, "the route forwards none without a key"),
        };
        line(lines, mark, "preflight", text.to_owned());
    }

    /// Whether it asks for a WebSocket that the route lets through.
    fn opens_websocket(&self) -> bool {
        let lets = self.route.as_ref().is_some_and(|route| route.upgrade != "deny");
        lets && self.request.protocol == Some("websocket")
    }

    fn access(&self, access: &AccessView, lines: &mut Vec<Line>) {
        let suspended = access.workspace_suspended;
        let tail = if suspended { ", suspended" } else { "" };
        let text = format!("{}{}{tail}", access.workspace, at(&access.workspace_place));
        line(lines, Mark::good(!suspended), "workspace", text);
        if let Some(place) = &access.account_suspended {
            line(lines, Mark::Bad, "account", format!("suspended ({place})"));
        }
        let scope = match (&access.product, &access.permission, &access.area) {
            (Some(product), Some(permission), _) => {
                format!("permission {permission} of product {product}")
            }
            (Some(product), None, _) => format!("product {product}"),
            (None, _, area) => format!("area {}", area.as_deref().unwrap_or_default()),
        };
        line(lines, Mark::Detail, "scope", scope);
        if access.role.is_none() {
            let text = match &access.pending {
                Some(it) => {
                    let since = it.invited.iter().map(|since| format!(" since {since}"));
                    let since = since.collect::<String>();
                    format!("none: invited as {}{since}{}, not accepted", it.role, at(&it.place))
                }
                None => "none: the account is not a member".to_owned(),
            };
            line(lines, Mark::Bad, "role", text);
            return;
        }
        for group in &access.groups {
            line(lines, Mark::Detail, "group", format!("{}{}", group.name, at(&group.place)));
        }
        sources(&access.sources, lines);
        let needs = self.needs();
        line(lines, Mark::good(reaches(access.held, needs)), "held", access.held.to_owned());
        match &access.subscription {
            Some(it) => {
                let ends = it.ends.as_ref().map_or(String::new(), |end| format!(", ends {end}"));
                let text = format!("{}{ends}{}: {} at most", it.state, at(&it.place), it.limit);
                line(lines, Mark::good(reaches(it.limit, needs)), "subscription", text);
            }
            None if access.product.is_some() => {
                line(lines, Mark::Bad, "subscription", "the workspace does not have it".to_owned());
            }
            None => {}
        }
        if self.key.as_ref().is_some_and(|key| key.ceiling.is_some()) {
            let text = format!("{} at most", access.ceiling);
            line(lines, Mark::good(reaches(access.ceiling, needs)), "ceiling", text);
        }
        if let Some(level) = access.level {
            line(lines, Mark::Detail, "level", level.to_owned());
        }
    }

    fn protection(&self, protection: &ProtectionView, lines: &mut Vec<Line>) {
        let ProtectionView { account, role, area, held, ceiling, .. } = protection;
        let reached = reaches(held, self.needs()) && reaches(ceiling, self.needs());
        let place = at(&protection.place);
        let text = format!("{account} is {role}, so area {area} is asked for, too{place}");
        line(lines, Mark::good(reached), "protect", text);
        sources(&protection.sources, lines);
    }

    fn decision(&self, lines: &mut Vec<Line>) {
        let (mark, text) = match (self.reason, self.status, &self.target.forwarded) {
            (Some(reason), Some(status), _) => (Mark::Bad, format!("deny: {reason} ({status})")),
            (_, _, Some(target)) => (Mark::Good, format!("allow, forwarded as {target}")),
            (_, _, None) => (Mark::Good, self.decision.to_owned()),
        };
        line(lines, mark, "decision", text);
        lines.extend(self.needed.iter().map(|it| Line {
            mark: Mark::Detail,
            label: "needed",
            text: it.needed.clone(),
        }));
    }

    fn needs(&self) -> &'static str {
        self.route.as_ref().and_then(|route| route.needs).unwrap_or("none")
    }

    fn reason_is_in_the_way(&self, reason: &str) -> bool {
        self.needed.iter().any(|it| it.reason == reason)
    }
}

fn line(lines: &mut Vec<Line>, mark: Mark, label: &'static str, text: String) {
    lines.push(Line { mark, label, text });
}

fn passed_over(it: &PassedOverView) -> Line {
    let why = match (it.why, it.segment) {
        ("another_host", _) => "is for another host".to_owned(),
        ("host", _) => "has a less exact host".to_owned(),
        ("pattern", Some(at)) => format!("has a pattern for segment {at}"),
        _ => "has a shorter prefix".to_owned(),
    };
    let text = format!("{}{}: {} {why}", it.name, at(&it.place), it.template);
    Line { mark: Mark::Detail, label: "not", text }
}

fn key_line(key: &KeyView) -> Line {
    let mark = Mark::good(key.fault.is_none());
    let (Some(id), Some(account), Some(workspace)) = (&key.id, &key.account, &key.workspace) else {
        let text = match key.fault {
            Some("key_missing") => "none was sent",
            Some("key_malformed") => "what was sent cannot be a key",
            _ => "what was sent has no record",
        };
        return Line { mark, label: "key", text: text.to_owned() };
    };
    let environment = key.environment.as_deref().unwrap_or_default();
    let mut text = format!("{id}{} of {account} in {workspace}, {environment}", at(&key.place));
    let times = [("from", &key.not_before), ("expires", &key.expires), ("revoked", &key.revoked)];
    for (word, time) in times {
        text.extend(time.iter().map(|time| format!(", {word} {time}")));
    }
    if let Some(ceiling) = &key.ceiling {
        text.push_str(", ceiling ");
        text.push_str(&crate::cli::key::ceiling(ceiling));
    }
    text.extend(key.fault.iter().map(|fault| format!(": {fault}")));
    Line { mark, label: "key", text }
}

fn sources(sources: &[super::view::SourceView], lines: &mut Vec<Line>) {
    for it in sources {
        let place = at(&it.place);
        let (label, text) = match (it.kind, it.says.as_str()) {
            ("role", "") => ("role", format!("{}{place}", it.name)),
            ("role", says) => ("role", format!("{}{place}, {says}", it.name)),
            (_, says) => ("grant", format!("to {}{place}, {says}", it.name)),
        };
        line(lines, Mark::Detail, label, format!("{text}: gives {}", it.gives));
    }
}

fn at(place: &Option<String>) -> String {
    place.as_ref().map_or(String::new(), |place| format!(" ({place})"))
}

/// Whether a level is at least another one.
fn reaches(level: &str, needs: &str) -> bool {
    use crate::policy::Level;
    Level::parse(level) >= Level::parse(needs)
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.mark {
            Mark::Bad => '✘',
            Mark::Detail => ' ',
            Mark::Good => '✔',
        };
        // What a file or an argument holds may drive a terminal.
        write!(f, "{mark} {:<13}", self.label)?;
        self.text.chars().try_for_each(|character| match character.is_control() {
            true => write!(f, "{}", character.escape_default()),
            false => write!(f, "{character}"),
        })
    }
}

/// The whole explanation, with the request and the time before it.
impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let request = &self.request;
        let what = match (request.protocol, request.preflight) {
            (Some("websocket"), _) => ", for a WebSocket",
            (Some(_), _) => ", with an upgrade",
            (None, true) => ", a preflight",
            (None, false) => "",
        };
        let head = Line {
            mark: Mark::Detail,
            label: "request",
            text: format!("{} {} on {}{what}", request.method, request.target, request.host),
        };
        let at = Line { mark: Mark::Detail, label: "at", text: self.at.clone() };
        [head, at].iter().chain(&self.lines()).try_for_each(|line| writeln!(f, "{line}"))
    }
}
