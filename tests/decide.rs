//! What is decided, sentence by sentence of domain.md: each table is a heading of it, each row a
//! request to the policy in `decide/policy.toml`.
//!
//! A row is key, request, second and outcome. The key `-` is none, what starts with `sg_` is sent as
//! it is, anything else names one of [`KEYS`]. A request is `METHOD TARGET` or `METHOD HOST TARGET`,
//! and a method is `METHOD+websocket`, `METHOD+other` or `METHOD+preflight`, where it asks for that.
//! Seconds count from [`NEW_YEAR`]. The outcome is a level, `public`, or the code of a reason.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use sidegate::config::{self, Loaded};
use sidegate::keystore::Permissions;
use sidegate::policy::key::{DigestKind, KeyDigest, Pepper, checksum};
use sidegate::policy::{Decision, Denial, DenyReason, Query, Snapshot, UnixSeconds, Upgrade};

type Row = (&'static str, &'static str, i64, &'static str);

const POLICY: &str = include_str!("decide/policy.toml");
const PEPPER: [u8; 32] = [7; 32];

/// 2030-01-01T00:00:00Z
const NEW_YEAR: i64 = 1_893_456_000;
const HOST: &str = "h.example";
/// Text of a key in our own form that nobody has.
const UNKNOWN: &str = "sg_production_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg_";

/// Id, workspace, account, environment, digest, and the rest of the record.
const KEYS: &[(&str, &str, &str, &str, DigestKind, &str)] = {
    use DigestKind::{Blake3, Blake3Keyed, Sha256};
    &[
        ("olga", "main", "olga", "production", Blake3, ""),
        ("otto", "main", "Otto@Acme.example", "production", Blake3, ""),
        ("adam", "main", "adam", "production", Blake3Keyed, ""),
        ("vera", "main", "vera", "production", Sha256, ""),
        ("bill", "main", "bill", "production", Blake3, ""),
        ("mia", "main", "mia", "production", Blake3, ""),
        ("banned", "main", "banned", "production", Blake3, ""),
        ("level", "main", "level", "production", Blake3, ""),
        ("rows", "main", "rows", "production", Blake3, ""),
        ("analyst", "main", "analyst", "production", Blake3, ""),
        ("editor", "main", "editor", "production", Blake3, ""),
        ("grouped", "main", "grouped", "production", Blake3, ""),
        ("areas", "main", "areas", "production", Blake3, ""),
        ("star", "main", "star", "production", Blake3, ""),
        ("highest", "main", "highest", "production", Blake3, ""),
        ("raised", "main", "raised", "production", Blake3, ""),
        ("stranger", "main", "stranger", "production", Blake3, ""),
        ("otto-lower", "main", "otto@acme.example", "production", Blake3, ""),
        ("banned-stranger", "Other", "banned", "production", Blake3, ""),
        ("olga-other", "Other", "olga", "production", Blake3, ""),
        ("pam", "Other", "pam", "production", Blake3, ""),
        ("olga-closed", "closed", "olga", "production", Blake3, ""),
        ("banned-closed", "closed", "banned", "production", Blake3, ""),
        ("stage", "stage", "olga", "staging", Blake3, ""),
        (
            "stage-expired",
            "stage",
            "olga",
            "staging",
            Blake3,
            r#","expires":"2030-01-01T00:00:00Z""#,
        ),
        ("early", "main", "olga", "production", Blake3, r#","not_before":"2030-01-01T00:00:00Z""#),
        ("short", "main", "olga", "production", Blake3, r#","expires":"2030-01-01T00:00:00Z""#),
        ("revoked", "main", "olga", "production", Blake3, r#","revoked":"2030-01-01T00:00:00Z""#),
        (
            "revoked-early-short",
            "main",
            "olga",
            "production",
            Blake3,
            r#","not_before":"2030-01-01T00:00:10Z","expires":"2030-01-01T00:00:05Z","revoked":"2030-01-01T00:00:20Z""#,
        ),
        ("astray", "main", "olga", "staging", Blake3, r#","revoked":"2030-01-01T00:00:00Z""#),
        ("gone", "torn-down", "olga", "production", Blake3, r#","revoked":"2030-01-01T00:00:00Z""#),
        ("c-view", "main", "olga", "production", Blake3, r#","ceiling":{"level":"view"}"#),
        ("c-none", "main", "olga", "production", Blake3, r#","ceiling":{"level":"none"}"#),
        (
            "c-vault",
            "main",
            "olga",
            "production",
            Blake3,
            r#","ceiling":{"level":"full","products":["vault"]}"#,
        ),
        (
            "c-members",
            "main",
            "olga",
            "production",
            Blake3,
            r#","ceiling":{"level":"full","areas":["members"]}"#,
        ),
        (
            "c-both",
            "main",
            "olga",
            "production",
            Blake3,
            r#","ceiling":{"level":"view","products":["vault"],"areas":["general"]}"#,
        ),
        (
            "c-nothing",
            "main",
            "olga",
            "production",
            Blake3,
            r#","ceiling":{"level":"full","products":[]}"#,
        ),
        ("c-late", "main", "olga", "production", Blake3, r#","ceiling":{"level":"view"}"#),
        ("c-vera", "main", "vera", "production", Blake3, r#","ceiling":{"level":"view"}"#),
        ("c-mia", "main", "mia", "production", Blake3, r#","ceiling":{"level":"none"}"#),
    ]
};

/// One row a reason: what each looks like alone.
const REASONS: &[Row] = &[
    ("olga", "GET /vault/../keys", 0, "bad_target"),
    ("olga", "TRACE /vault", 0, "method_refused"),
    ("-", "GET /vault", 0, "key_missing"),
    ("sg_production_short", "GET /vault", 0, "key_malformed"),
    ("nobody", "GET /vault", 0, "key_unknown"),
    ("revoked", "GET /vault", 0, "key_revoked"),
    ("early", "GET /vault", -1, "key_not_yet_valid"),
    ("short", "GET /vault", 0, "key_expired"),
    ("stage", "GET /stage", 0, "wrong_environment"),
    ("olga", "GET /nowhere", 0, "route_unknown"),
    ("olga", "PUT /search", 0, "method_refused"),
    ("pam", "GET /general", 0, "wrong_workspace"),
    ("olga-closed", "GET /closed", 0, "workspace_suspended"),
    ("banned", "GET /general", 0, "account_suspended"),
    ("stranger", "GET /general", 0, "not_a_member"),
    ("olga", "GET /absent", 0, "product_absent"),
    ("mia", "GET /vault", 0, "no_access"),
    ("olga", "GET /canceled", 0, "subscription_inactive"),
    ("vera", "POST /vault", 0, "view_only"),
    ("c-view", "POST /vault", 0, "key_ceiling"),
    ("adam", "PUT /members/olga", 0, "protected_account"),
];

/// "First failure wins": each request has two faults or more, and the earlier one is told.
const ORDER: &[Row] = &[
    ("olga", "TRACE //", 0, "bad_target"),
    ("olga", "CONNECT a..b /", 0, "bad_target"),
    ("-", "TRACE /vault", 0, "method_refused"),
    ("-", "GET /nowhere", 0, "key_missing"),
    ("sg_", "GET /nowhere", 0, "key_malformed"),
    ("nobody", "GET /nowhere", 0, "key_unknown"),
    ("revoked-early-short", "GET /nowhere", 20, "key_revoked"),
    ("revoked-early-short", "GET /nowhere", 9, "key_not_yet_valid"),
    ("revoked-early-short", "GET /nowhere", 10, "key_expired"),
    ("stage-expired", "GET /nowhere", 0, "key_expired"),
    ("stage-expired", "GET /nowhere", -1, "wrong_environment"),
    ("gone", "GET /vault", 0, "key_revoked"),
    ("stage", "PUT /search", 0, "wrong_environment"),
    ("olga", "PUT /searching", 0, "route_unknown"),
    ("pam", "PUT /search", 0, "method_refused"),
    ("olga", "GET /closed", 0, "wrong_workspace"),
    ("pam", "GET /closed", 0, "wrong_workspace"),
    ("pam", "GET /absent", 0, "wrong_workspace"),
    ("banned-closed", "GET /closed", 0, "workspace_suspended"),
    ("banned-stranger", "GET /w/Other", 0, "account_suspended"),
    ("banned", "GET /absent", 0, "account_suspended"),
    ("stranger", "GET /absent", 0, "not_a_member"),
    ("mia", "GET /absent", 0, "product_absent"),
    ("mia", "GET /canceled", 0, "no_access"),
    ("c-mia", "GET /vault", 0, "no_access"),
    ("vera", "POST /late", 0, "subscription_inactive"),
    ("c-late", "POST /late", 0, "subscription_inactive"),
    ("c-none", "GET /halted", 0, "subscription_inactive"),
    ("c-vera", "POST /vault", 0, "view_only"),
    ("vera", "POST /members/olga", 0, "view_only"),
    ("c-view", "POST /members/olga", 0, "key_ceiling"),
];

/// Roles: bypass, areas with `*`, `products`.
const ROLES: &[Row] = &[
    ("olga", "GET /vault", 0, "full"),
    ("olga", "DELETE /vault/keys", 0, "full"),
    ("olga", "POST /ownership", 0, "full"),
    ("adam", "POST /general", 0, "full"),
    ("adam", "GET /ownership", 0, "no_access"),
    ("adam", "GET /billing", 0, "view"),
    ("adam", "POST /billing", 0, "view_only"),
    ("adam", "POST /vault", 0, "full"),
    ("adam", "POST /vault/reports", 0, "full"),
    ("vera", "GET /general", 0, "view"),
    ("vera", "GET /ownership", 0, "view"),
    ("vera", "GET /billing", 0, "no_access"),
    ("vera", "GET /vault/keys", 0, "view"),
    ("bill", "POST /billing", 0, "full"),
    ("bill", "GET /general", 0, "no_access"),
    ("bill", "GET /vault", 0, "no_access"),
    // Being a member gives no product by itself.
    ("mia", "GET /vault/reports", 0, "no_access"),
    ("mia", "GET /general", 0, "no_access"),
    // A role is one workspace's: an owner here is a member there.
    ("olga-other", "GET /w/Other", 0, "no_access"),
    ("pam", "GET /w/Other", 0, "full"),
];

/// Grants: by level, role, permissions and areas, to an account and to its groups.
const GRANTS: &[Row] = &[
    // A level gives the product and all its permissions.
    ("level", "GET /vault", 0, "view"),
    ("level", "GET /vault/reports", 0, "view"),
    ("level", "POST /vault/keys", 0, "view_only"),
    ("level", "GET /trial", 0, "no_access"),
    // A named permission does not open the product as a whole.
    ("rows", "GET /vault", 0, "no_access"),
    ("rows", "POST /vault/reports", 0, "full"),
    ("rows", "GET /vault/keys", 0, "view"),
    ("rows", "POST /vault/keys", 0, "view_only"),
    ("analyst", "GET /vault/reports", 0, "view"),
    ("analyst", "GET /vault/keys", 0, "no_access"),
    ("analyst", "GET /vault", 0, "no_access"),
    // `*` of a product role is every permission not named, and the product itself.
    ("editor", "GET /vault", 0, "view"),
    ("editor", "POST /vault/reports", 0, "full"),
    ("editor", "GET /vault/keys", 0, "no_access"),
    ("grouped", "GET /vault/reports", 0, "view"),
    ("grouped", "GET /vault", 0, "no_access"),
    ("grouped", "GET /members", 0, "view"),
    ("grouped", "GET /general", 0, "no_access"),
    ("areas", "GET /members", 0, "view"),
    ("areas", "POST /general", 0, "full"),
    ("areas", "GET /billing", 0, "no_access"),
    ("star", "GET /billing", 0, "view"),
    ("star", "GET /ownership", 0, "no_access"),
    ("star", "GET /vault", 0, "view"),
    ("star", "GET /vault/reports", 0, "view"),
    ("star", "GET /vault/keys", 0, "no_access"),
    // The highest wins: a grant of less takes nothing away, of role, group or grant.
    ("highest", "POST /vault/reports", 0, "full"),
    ("highest", "GET /vault", 0, "no_access"),
    ("raised", "POST /vault/keys", 0, "full"),
    ("raised", "GET /vault/reports", 0, "view"),
    ("raised", "GET /billing", 0, "view"),
    ("raised", "GET /general", 0, "view"),
];

/// `level = min(level, subscription's limit, key's ceiling)`
const LIMITS: &[Row] = &[
    ("olga", "POST /trial", 0, "full"),
    ("olga", "GET /late", 0, "view"),
    ("olga", "POST /late", 0, "subscription_inactive"),
    ("vera", "GET /late", 0, "view"),
    ("olga", "GET /halted", 0, "subscription_inactive"),
    ("olga", "GET /canceled", 0, "subscription_inactive"),
    ("olga", "POST /ending", -1, "full"),
    ("olga", "GET /ending", 0, "subscription_inactive"),
    ("olga", "POST /ending", 1, "subscription_inactive"),
    // No subscription stands between an area and anybody.
    ("olga", "POST /general", 9_999_999, "full"),
    ("c-view", "GET /vault", 0, "view"),
    ("c-view", "GET /general", 0, "view"),
    ("c-view", "POST /general", 0, "key_ceiling"),
    ("c-none", "GET /vault", 0, "key_ceiling"),
    ("c-vault", "POST /vault/keys", 0, "full"),
    ("c-vault", "GET /trial", 0, "key_ceiling"),
    ("c-vault", "GET /general", 0, "key_ceiling"),
    ("c-members", "POST /members", 0, "full"),
    ("c-members", "GET /general", 0, "key_ceiling"),
    ("c-members", "GET /vault", 0, "key_ceiling"),
    ("c-both", "GET /vault/reports", 0, "view"),
    ("c-both", "POST /vault/reports", 0, "key_ceiling"),
    ("c-both", "GET /general", 0, "view"),
    ("c-both", "GET /members", 0, "key_ceiling"),
    ("c-both", "GET /late", 0, "key_ceiling"),
    ("c-nothing", "GET /vault", 0, "key_ceiling"),
    ("c-nothing", "GET /general", 0, "key_ceiling"),
    ("c-vera", "GET /vault", 0, "view"),
];

/// Keys: their times to the second, their form, whose they are.
const OF_KEYS: &[Row] = &[
    ("early", "GET /vault", -1, "key_not_yet_valid"),
    ("early", "GET /vault", 0, "full"),
    ("short", "GET /vault", -1, "full"),
    ("short", "GET /vault", 0, "key_expired"),
    ("revoked", "GET /vault", -1, "full"),
    ("revoked", "GET /vault", 0, "key_revoked"),
    ("gone", "GET /vault", -1, "wrong_environment"),
    ("astray", "GET /vault", -1, "wrong_environment"),
    ("astray", "GET /vault", 0, "key_revoked"),
    (
        "sg_production_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg_000000",
        "GET /vault",
        0,
        "key_malformed",
    ),
    (UNKNOWN, "GET /vault", 0, "key_unknown"),
    ("olga ", "GET /vault", 0, "key_malformed"),
    ("otto", "GET /vault", 0, "full"),
    ("otto-lower", "GET /vault", 0, "not_a_member"),
];

/// Public routes ask for no key and look at none, bad as it may be.
const PUBLIC: &[Row] = &[
    ("-", "GET /health", 0, "public"),
    ("-", "HEAD /health/deep", 0, "public"),
    ("nobody", "GET /health", 0, "public"),
    ("sg_", "GET /health", 0, "public"),
    ("revoked", "GET /health", 0, "public"),
    ("olga", "GET /health", 0, "public"),
    ("-", "POST /health", 0, "method_refused"),
    ("-", "GET /healthy", 0, "key_missing"),
    ("-", "GET /health/%2e%2e/vault", 0, "bad_target"),
];

/// Methods: what is taken, what needs full. HEAD is GET.
const METHODS: &[Row] = &[
    ("vera", "HEAD /general", 0, "view"),
    ("vera", "OPTIONS /general", 0, "view"),
    ("vera", "PUT /general", 0, "view_only"),
    ("vera", "PATCH /general", 0, "view_only"),
    ("vera", "DELETE /general", 0, "view_only"),
    ("vera", "get /general", 0, "view_only"),
    ("vera", "PROPFIND /general", 0, "view_only"),
    ("olga", "PROPFIND /general", 0, "full"),
    ("vera", "POST /search", 0, "view"),
    ("vera", "GET /search", 0, "view"),
    ("vera", "HEAD /search", 0, "view"),
    ("vera", "DELETE /search", 0, "view_only"),
    ("olga", "OPTIONS /search", 0, "method_refused"),
    ("olga", "get /search", 0, "method_refused"),
    ("vera", "GET /strict", 0, "view_only"),
    ("olga", "HEAD /strict", 0, "full"),
    ("olga", "TRACE /general", 0, "method_refused"),
    ("olga", "CONNECT /general", 0, "method_refused"),
    ("olga", "CONNECT /health", 0, "method_refused"),
    // `*` is the server as a whole: only OPTIONS asks for it, and no route is there.
    ("olga", "OPTIONS *", 0, "route_unknown"),
    ("-", "OPTIONS *", 0, "key_missing"),
    ("olga", "GET *", 0, "bad_target"),
];

/// Captures of the workspace, by path and by host.
const CAPTURES: &[Row] = &[
    ("olga", "GET /w/main", 0, "full"),
    ("olga", "GET /w/main/x/y", 0, "full"),
    ("olga", "GET /w/Other", 0, "wrong_workspace"),
    ("olga", "GET /w/no-such", 0, "wrong_workspace"),
    ("olga", "GET /w/Main", 0, "wrong_workspace"),
    ("olga", "GET /w/mai%6e", 0, "full"),
    ("olga", "GET /w/m%61in/", 0, "full"),
    ("olga", "GET /w/main%20", 0, "wrong_workspace"),
    ("olga", "GET /w", 0, "route_unknown"),
    ("pam", "GET /w/Other", 0, "full"),
    ("pam", "GET /w/other", 0, "wrong_workspace"),
    ("olga", "GET main.tenants.example /", 0, "full"),
    ("olga", "GET MAIN.Tenants.Example.:8080 /x", 0, "full"),
    ("olga", "GET closed.tenants.example /", 0, "wrong_workspace"),
    ("olga", "GET a.main.tenants.example /x", 0, "route_unknown"),
    ("olga", "GET tenants.example /x", 0, "route_unknown"),
    // Hosts have no case: a workspace with a capital is reached by path only.
    ("pam", "GET Other.tenants.example /", 0, "wrong_workspace"),
];

/// `protect`: the captured account in any spelling, in the key's own workspace.
const PROTECT: &[Row] = &[
    ("adam", "PUT /members", 0, "full"),
    ("adam", "PUT /members/mia", 0, "full"),
    ("adam", "PUT /members/no-such", 0, "full"),
    ("adam", "GET /members/olga", 0, "protected_account"),
    ("adam", "PUT /members/olga/role", 0, "protected_account"),
    ("adam", "PUT /members/olga/", 0, "protected_account"),
    ("adam", "PUT /members/OLGA", 0, "protected_account"),
    ("adam", "PUT /members/ol%67a", 0, "protected_account"),
    ("adam", "PUT /members/%4fLGA", 0, "protected_account"),
    ("adam", "PUT /members/Otto@Acme.example", 0, "protected_account"),
    ("adam", "PUT /members/otto%40acme.example", 0, "protected_account"),
    ("adam", "PUT /members/OTTO%40ACME%2EEXAMPLE", 0, "protected_account"),
    // As much is needed on the protecting area as on the route's own.
    ("adam", "GET /members/bill", 0, "full"),
    ("adam", "PUT /members/bill", 0, "protected_account"),
    ("vera", "GET /members/olga", 0, "view"),
    ("vera", "GET /members/bill", 0, "protected_account"),
    ("olga", "PUT /members/otto@acme.example", 0, "full"),
    ("olga", "PUT /members/olga", 0, "full"),
    ("c-members", "PUT /members/mia", 0, "full"),
    ("c-members", "PUT /members/olga", 0, "protected_account"),
    // Who is an owner elsewhere is nobody's owner here.
    ("adam", "PUT /members/pam", 0, "full"),
    ("adam", "PUT /main/people/olga", 0, "protected_account"),
    ("adam", "PUT /m%61in/people/olga", 0, "protected_account"),
    ("adam", "PUT /main/people/mia", 0, "full"),
    ("adam", "PUT /Other/people/olga", 0, "wrong_workspace"),
];

/// Which route wins, and what is one target.
const ROUTES: &[Row] = &[
    ("olga", "GET /vaults", 0, "route_unknown"),
    ("analyst", "GET /vault/reports/", 0, "view"),
    ("analyst", "GET /vault/reports/deep/er", 0, "view"),
    ("analyst", "GET /vault/report%73", 0, "view"),
    ("analyst", "GET /vault/reports?x=/../", 0, "view"),
    ("analyst", "GET /vault/Reports", 0, "no_access"),
    ("olga", "GET /VAULT", 0, "route_unknown"),
    // Segment by segment from the left, a literal before any: not the longer prefix.
    ("adam", "GET /order/a/b", 0, "full"),
    ("adam", "GET /order/x/b", 0, "no_access"),
    ("adam", "GET /order/x", 0, "route_unknown"),
    ("adam", "GET /order/a/b/c", 0, "full"),
    // A literal that leads to no route leaves the path to the next: here a captured workspace.
    ("olga", "GET /order/people/olga", 0, "wrong_workspace"),
    ("olga", "GET /order/peoples/olga", 0, "route_unknown"),
    // An exact host before a label before no host; the next is asked where one has no route.
    ("vera", "GET api.acme.example /vault", 0, "view"),
    ("bill", "GET api.acme.example /billing", 0, "no_access"),
    ("bill", "GET web.acme.example /vault", 0, "full"),
    ("bill", "GET web.acme.example /billing", 0, "full"),
    ("bill", "GET a.web.acme.example /vault", 0, "no_access"),
    ("bill", "GET acme.example /vault", 0, "no_access"),
    ("bill", "GET WEB.acme.EXAMPLE.:443 /vault", 0, "full"),
    ("vera", "GET /caf%C3%A9/me@x", 0, "view"),
    ("vera", "GET /caf%c3%a9/me%40x/", 0, "view"),
    ("vera", "GET /cafe/me@x", 0, "route_unknown"),
    ("vera", "GET /strip/it", 0, "view"),
    ("vera", "GET /strip/main/anything", 0, "view"),
    ("vera", "GET /strip/main", 0, "route_unknown"),
    ("olga", "GET /general%2fx", 0, "bad_target"),
    ("olga", "GET /general%5cx", 0, "bad_target"),
    ("olga", "GET /general;x", 0, "bad_target"),
    ("olga", "GET /general%252e", 0, "bad_target"),
    ("olga", "GET //general", 0, "bad_target"),
    ("olga", "GET /general/.", 0, "bad_target"),
    ("olga", "GET /general%00", 0, "bad_target"),
    ("olga", "GET /general%0d%0a", 0, "route_unknown"),
    ("olga", "GET /general/%0d%0a", 0, "full"),
    ("olga", "GET /general\r\n", 0, "bad_target"),
    ("olga", "GET h.example,api.acme.example /general", 0, "full"),
    ("olga", "GET /général", 0, "bad_target"),
    ("olga", "GET general", 0, "bad_target"),
    ("olga", "GET http://h.example/general", 0, "bad_target"),
    ("olga", "GET h.example:x /general", 0, "bad_target"),
    ("olga", "GET me@h.example /general", 0, "bad_target"),
];

/// An upgrade raises what is needed and never lowers it; the rest is judged as ever.
const UPGRADES: &[Row] = &[
    ("vera", "GET+websocket /live/view", 0, "view"),
    ("vera", "GET /live/full", 0, "view"),
    ("vera", "GET+websocket /live/full", 0, "view_only"),
    ("olga", "GET+websocket /live/full", 0, "full"),
    ("olga", "GET+websocket /vault", 0, "method_refused"),
    ("c-view", "GET+websocket /live/full", 0, "key_ceiling"),
    ("c-view", "GET+websocket /live/view", 0, "view"),
    ("mia", "GET+websocket /live/view", 0, "no_access"),
    // Without view methods GET needs full, and `upgrade = "view"` takes nothing of it away.
    ("vera", "GET+websocket /live/strict", 0, "view_only"),
    ("olga", "GET+websocket /live/strict", 0, "full"),
    ("olga", "GET /live/late", 0, "view"),
    ("olga", "GET+websocket /live/late", 0, "subscription_inactive"),
    ("adam", "GET /live/members/bill", 0, "full"),
    ("adam", "GET+websocket /live/members/bill", 0, "protected_account"),
    ("olga", "GET+websocket /live/members/bill", 0, "full"),
    // Only GET opens one, and nothing else is spoken, key or none.
    ("olga", "POST+websocket /live/full", 0, "method_refused"),
    ("-", "POST+websocket /live/full", 0, "method_refused"),
    ("olga", "HEAD+websocket /live/full", 0, "method_refused"),
    ("-", "GET+other /live/full", 0, "method_refused"),
    ("olga", "GET+other /live/full", 0, "method_refused"),
    ("-", "GET+other /live/public", 0, "method_refused"),
    ("olga", "GET+websocket //", 0, "bad_target"),
    // What a route lets through is said to a good key alone.
    ("-", "GET+websocket /vault", 0, "key_missing"),
    ("-", "GET+websocket /live/full", 0, "key_missing"),
    ("pam", "GET+websocket /vault", 0, "method_refused"),
    ("pam", "GET+websocket /live/full", 0, "wrong_workspace"),
    ("olga", "GET+websocket /live/posts", 0, "method_refused"),
    ("-", "GET+websocket /live/public", 0, "public"),
    ("-", "POST+websocket /live/public", 0, "method_refused"),
    ("-", "GET+websocket /health", 0, "method_refused"),
];

/// Preflights without a key go on where the route says so; with one they are requests as any other.
const PREFLIGHTS: &[Row] = &[
    ("-", "OPTIONS+preflight /pages", 0, "public"),
    ("-", "OPTIONS+preflight /pages/deep", 0, "public"),
    ("-", "OPTIONS /pages", 0, "key_missing"),
    ("-", "GET+preflight /pages", 0, "key_missing"),
    ("-", "OPTIONS+preflight /vault", 0, "key_missing"),
    ("-", "OPTIONS+preflight /nowhere", 0, "key_missing"),
    ("-", "OPTIONS+preflight *", 0, "key_missing"),
    ("-", "OPTIONS+preflight /pages/..", 0, "bad_target"),
    ("-", "TRACE+preflight /pages", 0, "method_refused"),
    ("olga", "OPTIONS+preflight /pages", 0, "method_refused"),
    ("olga", "OPTIONS+preflight /vault", 0, "full"),
    ("mia", "OPTIONS+preflight /vault", 0, "no_access"),
    ("nobody", "OPTIONS+preflight /pages", 0, "key_unknown"),
    ("sg_", "OPTIONS+preflight /pages", 0, "key_malformed"),
    ("-", "OPTIONS+preflight /health", 0, "method_refused"),
    ("-", "OPTIONS+preflight /live/public", 0, "public"),
    ("-", "OPTIONS /live/public", 0, "method_refused"),
    ("olga", "OPTIONS+preflight /live/public", 0, "method_refused"),
];

/// `%2F` and `;`: for routes that keep them, and matched as if there were none.
const KEPT: &[Row] = &[
    ("vera", "GET /keep/slash/a%2fb%2F", 0, "view"),
    ("vera", "GET /keep/slash/a;b", 0, "bad_target"),
    ("vera", "GET /keep/slash/a%2fb;c", 0, "bad_target"),
    ("vera", "GET /keep/params;v=1/a;b;c/d;", 0, "view"),
    ("vera", "GET /keep/params/a%2fb", 0, "bad_target"),
    ("vera", "GET /keep/params;v=%2F/a", 0, "bad_target"),
    ("vera", "GET /keep;/params", 0, "view"),
    ("vera", "POST /keep/params;v=1", 0, "view_only"),
    // It ends no segment: these are of no route.
    ("vera", "GET /keep%2Fslash", 0, "bad_target"),
    ("vera", "GET /keep%2Fslash/a", 0, "bad_target"),
    ("vera", "GET /keep/slash%2Fa", 0, "bad_target"),
    ("vera", "GET /no%2Froute", 0, "bad_target"),
    ("-", "GET /no;route", 0, "bad_target"),
    // No route keeps what some reader could walk up or merge.
    ("vera", "GET /keep/slash/..%2fx", 0, "bad_target"),
    ("vera", "GET /keep/slash/a%2f%2e%2e%2fb", 0, "bad_target"),
    ("vera", "GET /keep/slash/%2fa", 0, "bad_target"),
    ("vera", "GET /keep/slash/a%252fb", 0, "bad_target"),
    ("vera", "GET /keep/slash/a%5cb", 0, "bad_target"),
    ("vera", "GET /keep/params/..;x", 0, "bad_target"),
    ("vera", "GET /keep/params/.%2e;x/a", 0, "bad_target"),
    ("vera", "GET /keep/params/;x/a", 0, "bad_target"),
    ("olga", "GET /keep/both/main/mia;x%2F..%2Fy", 0, "bad_target"),
    ("olga", "GET /keep/both/main/mia;x%2F/y", 0, "bad_target"),
    // Captures are without params, and never a part of a segment.
    ("adam", "PUT /keep/both/main;v=1/mia;v=2", 0, "full"),
    ("adam", "PUT /keep/both/main/olga", 0, "protected_account"),
    ("adam", "PUT /keep/both/main/olga;v=1", 0, "protected_account"),
    ("adam", "PUT /keep/both/main/ol%67a;mia/x", 0, "protected_account"),
    ("adam", "PUT /keep/both/main/OLGA;v=%2F1/x%2fy", 0, "protected_account"),
    ("adam", "PUT /keep/both/main/olga%2Fx", 0, "full"),
    ("adam", "PUT /keep/both/main%2Fx/mia", 0, "wrong_workspace"),
    ("adam", "PUT /keep/both/Other;main/mia", 0, "wrong_workspace"),
    // The most specific route has to keep it, not any that matches.
    ("adam", "PUT /keep/both/main/mia/deep;v=1", 0, "bad_target"),
    ("adam", "PUT /keep/both/main;v=1/mia/deep", 0, "bad_target"),
    ("adam", "PUT /keep/both/main/mia%2Fdeep", 0, "full"),
    // It is told before the key and the method are looked at.
    ("-", "GET /keep/params/a;b", 0, "key_missing"),
    ("-", "GET /keep/slash/a;b", 0, "bad_target"),
    ("-", "GET /keep/public/a;b", 0, "public"),
    ("-", "GET /keep/public/a%2fb", 0, "bad_target"),
    ("-", "POST /keep/public/a%2fb", 0, "bad_target"),
    ("-", "POST /keep/public/a;b", 0, "method_refused"),
    ("-", "OPTIONS+preflight /keep/public;v=1", 0, "public"),
    ("-", "OPTIONS+preflight /keep/public%2fa/b", 0, "bad_target"),
    ("-", "OPTIONS+preflight /pages;v=1", 0, "bad_target"),
    ("-", "TRACE /keep/slash/a;b", 0, "bad_target"),
    ("-", "TRACE /keep/slash/a%2fb", 0, "method_refused"),
    ("-", "POST+websocket /vault;v=1", 0, "bad_target"),
    ("-", "GET /health;v=1", 0, "bad_target"),
];

const TABLES: [&[Row]; 14] = [
    REASONS, ORDER, ROLES, GRANTS, LIMITS, OF_KEYS, PUBLIC, METHODS, CAPTURES, PROTECT, ROUTES,
    UPGRADES, PREFLIGHTS, KEPT,
];

#[test]
fn every_row_is_decided_as_it_says() {
    let snapshot = pinned(POLICY);
    let mut wrong = String::new();
    for &(key, request, second, expected) in TABLES.concat().iter() {
        let outcome = outcome(&snapshot, key, request, second);
        if outcome != expected {
            writeln!(wrong, "{key}: {request} at {second}: {outcome}, not {expected}").unwrap();
        }
    }
    assert_eq!(wrong, "");
}

#[test]
fn the_table_of_reasons_has_every_reason_of_the_core() {
    let told: BTreeSet<_> = REASONS.iter().map(|(.., outcome)| *outcome).collect();
    let of_the_core = DenyReason::ALL.into_iter().filter(|reason| reason.is_of_policy());
    assert_eq!(told, of_the_core.map(DenyReason::code).collect());
    let levels: BTreeSet<_> = TABLES.concat().iter().map(|(.., outcome)| *outcome).collect();
    assert!(["view", "full", "public"].iter().all(|level| levels.contains(level)));
}

#[test]
fn without_a_pin_every_environment_is_good() {
    let snapshot = load(POLICY, "");
    for (key, request, expected) in [
        ("stage", "GET /stage", "full"),
        ("stage", "GET /vault", "wrong_workspace"),
        ("stage", "GET /w/stage", "full"),
        ("olga", "GET /stage", "wrong_workspace"),
        // Its workspace is gone and its last second has not come: it reaches nothing.
        ("gone", "GET /vault", "wrong_workspace"),
        ("gone", "GET /w/torn-down", "wrong_workspace"),
        // Nor does one whose record is of another environment than its workspace.
        ("astray", "GET /vault", "wrong_workspace"),
        ("astray", "GET /w/main", "wrong_workspace"),
    ] {
        assert_eq!(outcome(&snapshot, key, request, -1), expected, "{key}: {request}");
    }
}

#[test]
fn hide_none_hides_what_is_not_the_callers_and_nothing_else() {
    let shown = pinned(POLICY);
    let hidden = pinned(&POLICY.replacen("version = 1", "version = 1\nhide_none = true", 1));
    let status = |snapshot: &Snapshot, row: &Row| {
        let denial = denial(snapshot, row.0, row.1, row.2);
        denial.reason.status(snapshot.hide_none())
    };
    for row in REASONS {
        let (code, without, with) = (row.3, status(&shown, row), status(&hidden, row));
        let expected = match code {
            "bad_target" => (400, 400),
            "wrong_environment" => (401, 401),
            _ if code.starts_with("key_") && code != "key_ceiling" => (401, 401),
            "route_unknown" => (404, 404),
            "method_refused" => (405, 405),
            "no_access" | "product_absent" | "wrong_workspace" => (403, 404),
            _ => (403, 403),
        };
        assert_eq!((without, with), expected, "{code}");
    }
}

#[test]
fn only_a_permitted_websocket_upgrades() {
    let snapshot = pinned(POLICY);
    for (key, request, expected) in [
        ("olga", "GET+websocket /live/full", true),
        ("-", "GET+websocket /live/public", true),
        ("olga", "GET /live/full", false),
        ("-", "GET /live/public", false),
        ("-", "OPTIONS+preflight /pages", false),
    ] {
        asked(key, request, |query| match snapshot.decide(query, UnixSeconds(NEW_YEAR)) {
            Decision::Allow(permit) => assert_eq!(permit.upgrades(), expected, "{request}"),
            Decision::Deny(denial) => panic!("{request}: {}", denial.reason),
        });
    }
}

#[test]
fn a_preflight_is_of_nobody() {
    let snapshot = pinned(POLICY);
    asked("-", "OPTIONS+preflight /pages", |query| {
        let Decision::Allow(permit) = snapshot.decide(query, UnixSeconds(NEW_YEAR)) else {
            panic!("refused")
        };
        let words = snapshot.describe(&permit.facts());
        assert_eq!(words.route, Some("pages"));
        let of_somebody = [words.key_id, words.account, words.workspace, words.environment];
        assert_eq!(of_somebody, [None; 4]);
        assert_eq!((words.needed, words.level), (None, None));
    });
}

#[test]
fn what_is_forwarded_is_what_was_judged() {
    let snapshot = pinned(POLICY);
    for (key, target, expected) in [
        ("olga", "/vault/x?%zz", None),
        ("olga", "/v%61ult/caf%c3%a9?a=%61", Some("/vault/caf%C3%A9?a=%61")),
        ("olga", "/strip/it", Some("/")),
        ("olga", "/strip/it/", Some("/")),
        ("olga", "/strip/it?", Some("/?")),
        ("olga", "/strip/it/a/b/?q", Some("/a/b/?q")),
        ("olga", "/strip/%69t/%c3%a9", Some("/%C3%A9")),
        ("olga", "/strip/main/x/y", Some("/y")),
        ("olga", "/strip/m%61in/x%40/%7e", Some("/~")),
        ("-", "/health", None),
        ("olga", "/keep/slash/a%2fb/%7e%2F", Some("/a%2Fb/~%2F")),
        ("olga", "/keep/slash", Some("/")),
        ("olga", "/keep;x/params;v=%7e/a;b=%C3%a9;c/d;", Some("/a;b=%C3%A9;c/d;")),
        ("olga", "/keep/params;v=1", Some("/")),
        ("olga", "/keep/params;v=1/?q;r=%2f", Some("/?q;r=%2f")),
        ("olga", "/keep/both/main;v=1/mia%2Fa;", None),
        ("olga", "/keep/both/main;v=%2f1/mia/x", Some("/keep/both/main;v=%2F1/mia/x")),
        ("-", "/keep/public;v=1", None),
    ] {
        let text = (key != "-").then(|| format!("key-{key}"));
        let credential = text.as_deref();
        let query = Query {
            method: "GET",
            host: HOST,
            target,
            credential,
            upgrade: Upgrade::None,
            preflight: false,
        };
        match snapshot.decide(&query, UnixSeconds(NEW_YEAR)) {
            Decision::Allow(permit) => {
                assert_eq!(permit.rewritten_target(), expected, "{target}");
            }
            Decision::Deny(denial) => panic!("{target}: {}", denial.reason),
        }
    }
}

fn outcome(snapshot: &Snapshot, key: &str, request: &str, second: i64) -> String {
    asked(key, request, |query| match snapshot.decide(query, UnixSeconds(NEW_YEAR + second)) {
        Decision::Allow(permit) => {
            let words = snapshot.describe(&permit.facts());
            words.level.map_or("public".to_owned(), |level| level.to_string())
        }
        Decision::Deny(denial) => denial.reason.to_string(),
    })
}

fn denial(snapshot: &Snapshot, key: &str, request: &str, second: i64) -> Denial {
    asked(key, request, |query| match snapshot.decide(query, UnixSeconds(NEW_YEAR + second)) {
        Decision::Allow(_) => panic!("{key}: {request} is allowed"),
        Decision::Deny(denial) => denial,
    })
}

fn asked<T>(key: &str, request: &str, answer: impl FnOnce(&Query<'_>) -> T) -> T {
    let text = match key {
        UNKNOWN => format!("{UNKNOWN}{}", String::from_utf8(checksum(UNKNOWN).into()).unwrap()),
        _ if key.starts_with("sg_") => key.to_owned(),
        _ => format!("key-{key}"),
    };
    let (method, rest) = request.split_once(' ').unwrap();
    let (method, asks) = method.split_once('+').unwrap_or((method, ""));
    let (upgrade, preflight) = match asks {
        "" => (Upgrade::None, false),
        "other" => (Upgrade::Unknown, false),
        "preflight" => (Upgrade::None, true),
        "websocket" => (Upgrade::WebSocket, false),
        _ => panic!("{request}"),
    };
    let (host, target) = rest.split_once(' ').unwrap_or((HOST, rest));
    let credential = (key != "-").then_some(text.as_str());
    answer(&Query { method, host, target, credential, upgrade, preflight })
}

fn pinned(policy: &str) -> Snapshot {
    load(policy, "environment = \"production\"")
}

/// Written to files and read as `serve` reads them.
fn load(policy: &str, settings: &str) -> Snapshot {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    };
    write("policy.toml", policy.as_bytes());
    write("pepper.bin", &PEPPER);
    write("keys.jsonl", records().as_bytes());
    let files = "policy = \"policy.toml\"\nkeys = \"keys.jsonl\"\npepper = \"pepper.bin\"";
    let upstream = "[upstream.app]\nurls = [\"http://127.0.0.1:9\"]";
    let path = write("sidegate.toml", format!("{files}\n{settings}\n{upstream}\n").as_bytes());
    match config::open(&path, Permissions::Private) {
        Ok((_, Loaded { snapshot, .. })) => snapshot,
        Err(report) => panic!("{report}"),
    }
}

fn records() -> String {
    let mut lines = String::new();
    for (id, workspace, account, environment, kind, rest) in KEYS {
        let text = format!("key-{id}");
        let hash = match kind {
            DigestKind::Blake3 => KeyDigest::blake3(&text),
            DigestKind::Blake3Keyed => KeyDigest::blake3_keyed(&text, &Pepper::new(PEPPER)),
            DigestKind::Sha256 => KeyDigest::sha256(&text),
        };
        writeln!(
            lines,
            r#"{{"id":"k_{id}","hash":"{hash}","workspace":"{workspace}","account":"{account}","environment":"{environment}","label":null,"created":"2029-01-01T00:00:00Z"{rest}}}"#,
        )
        .unwrap();
    }
    lines
}
