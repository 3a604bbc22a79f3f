//! Routes that ask for less than one may think.

use super::code::{Code, Severity};
use super::finding::Findings;
use super::material::Material;
use crate::policy::At;
use crate::policy::draft::DraftScope;

/// RFC 9110 §9.2.1, as far as routes have them.
const SAFE: [&str; 3] = ["GET", "HEAD", "OPTIONS"];

pub(super) fn look(material: &Material<'_>, findings: &mut Findings) {
    for route in &material.draft.routes {
        let label = route.label();
        if matches!(route.scope, DraftScope::Public) {
            let methods = route.methods.as_deref();
            let writes = methods.is_none_or(|methods| methods.iter().any(is_write));
            let severity = if writes { Severity::Low } else { Severity::Info };
            let takes = methods.map_or_else(|| "every method".to_owned(), named);
            let fact = format!("{} takes {takes} without a key", route.template());
            findings.add(Code::PublicRoute, severity, route.place, label, fact);
            continue;
        }
        let writes = route.view_methods.iter().flatten().filter(|method| is_write(method));
        let writes: Vec<_> = writes.collect();
        let Some(first) = writes.first() else { continue };
        let only_post = writes.iter().all(|method| method.value == "POST");
        let severity = if only_post { Severity::Low } else { Severity::Medium };
        let names: Vec<_> = writes.iter().map(|method| &*method.value).collect();
        let fact = format!("{} takes {} with view", route.template(), names.join(", "));
        findings.add(Code::WriteAsView, severity, first.place, label, fact);
    }
}

fn is_write(method: &At<String>) -> bool {
    !SAFE.contains(&&*method.value)
}

fn named(methods: &[At<String>]) -> String {
    let names: Vec<_> = methods.iter().map(|method| &*method.value).collect();
    names.join(", ")
}
