//! A policy and requests drawn from a fuzzer's bytes, a byte a choice, so that a small change of
//! the bytes is a small change of the policy.

use sidegate::policy::draft::Subscription;

use crate::model::{
    ACCOUNTS, AREAS, Ceiling, ENVIRONMENTS, GROUPS, Given, Grant, HostRule, Key, LITERALS, Model,
    PERMISSIONS, PRODUCT_ROLES, PRODUCTS, ROLES, Rank, Request, Role, Route, Rows, STRANGERS,
    Scope, Step, To, WORKSPACES, Workspace,
};

const METHODS: [&str; 9] =
    ["GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "get", "TRACE", "CONNECT"];
const HOSTS: [&str; 10] = [
    "elsewhere",
    "api.x.example",
    "API.X.example:8080",
    "acme.x.example",
    "beta-1.x.example.",
    "acme.y.example",
    "Gamma.y.example",
    "deep.acme.y.example",
    "x.example",
    "a..b",
];
const TEXTS: [&str; 5] = ["nobody's", "", "with space", "sg_", "sg_production_0_000000"];

/// What of the bytes is not used up. After the last there are zeros, the first of every choice.
pub(crate) struct Source<'b>(std::slice::Iter<'b, u8>);

impl<'b> Source<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        Self(bytes.iter())
    }

    pub(crate) fn is_used_up(&self) -> bool {
        self.0.as_slice().is_empty()
    }

    fn byte(&mut self) -> u8 {
        self.0.next().copied().unwrap_or_default()
    }

    fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// In one of so many cases.
    fn rarely(&mut self, cases: usize) -> bool {
        self.below(cases) == cases - 1
    }

    fn list<T>(&mut self, most: usize, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let length = self.below(most + 1);
        (0..length).map(|_| one(self)).collect()
    }

    /// Those whose bit is set.
    fn some(&mut self, count: usize) -> Vec<usize> {
        let bits = usize::from(self.byte());
        (0..count).filter(|number| bits >> number & 1 == 1).collect()
    }

    fn rank(&mut self) -> Rank {
        self.of(&[2, 1, 0])
    }

    fn second(&mut self) -> Option<i64> {
        self.rarely(4).then(|| self.of(&[2, 0, 1, 3, 4, 5]))
    }

    fn rows<const N: usize>(&mut self) -> Rows<N> {
        let mut one = || self.of(&[None, Some(2), Some(1), Some(0)]);
        Rows { star: one(), named: std::array::from_fn(|_| one()) }
    }

    /// A policy without an error.
    pub(crate) fn model(&mut self) -> Model {
        let roles = std::array::from_fn(|_| Role {
            bypass: self.rarely(3),
            areas: self.rows(),
            products: self.rank(),
        });
        let product_roles = std::array::from_fn(|_| std::array::from_fn(|_| self.rows()));
        let mut workspaces = vec![self.workspace()];
        workspaces.extend(self.list(2, Self::workspace));
        let count = workspaces.len();
        let mut routes: Vec<Route> = Vec::new();
        for route in self.list(8, |source| source.route(count)) {
            if is_separable(&route, &routes) {
                routes.push(route);
            }
        }
        let mut keys = vec![self.key(count)];
        keys.extend(self.list(8, |source| source.key(count)));
        let pin = self.of(&[None, Some(0), Some(1)]);
        let lives = |pin: &usize| workspaces.iter().any(|w: &Workspace| w.environment == *pin);
        let suspended = self.byte();
        let is_member = |n: usize| workspaces.iter().any(|w| w.members[n].is_some());
        Model {
            pin: pin.filter(lives),
            hide_none: suspended & 0x80 != 0,
            suspended: std::array::from_fn(|n| suspended >> n & 1 == 1 && is_member(n)),
            roles,
            product_roles,
            workspaces,
            routes,
            keys,
        }
    }

    fn workspace(&mut self) -> Workspace {
        let mut members =
            std::array::from_fn(|_| self.of(&[Some(2), Some(3), None, Some(1), Some(0)]));
        const { assert!(ROLES.len() == 4, "the roles of members") };
        if !members.contains(&Some(0)) {
            members[0] = Some(0);
        }
        let pending = std::array::from_fn(|_| self.of(&[None, None, Some(0), Some(1)]));
        let mut groups = std::array::from_fn(|_| self.some(ACCOUNTS.len()));
        for group in &mut groups {
            group.retain(|account| members[*account].is_some());
        }
        let subscriptions = std::array::from_fn(|_| {
            let state = match self.below(8) {
                0 => return None,
                number => Subscription::ALL.get(number).copied().unwrap_or(Subscription::Active),
            };
            Some((state, self.second()))
        });
        let mut grants = self.list(8, Self::grant);
        grants.retain(|grant| {
            let there = match grant.to {
                To::Account(account) => members[account].is_some(),
                To::Group(_) => true,
            };
            there && grant.gives.product().is_none_or(|product| subscriptions[product].is_some())
        });
        Workspace {
            environment: self.below(ENVIRONMENTS.len()),
            suspended: self.rarely(8),
            members,
            pending,
            groups,
            subscriptions,
            grants,
        }
    }

    fn grant(&mut self) -> Grant {
        let to = match self.below(ACCOUNTS.len() + GROUPS.len()) {
            account if account < ACCOUNTS.len() => To::Account(account),
            group => To::Group(group - ACCOUNTS.len()),
        };
        let product = self.below(PRODUCTS.len());
        let gives = match self.below(4) {
            0 => Given::Level(product, self.rank()),
            1 => Given::Permissions(product, self.rows()),
            2 => Given::Role(product, self.below(PRODUCT_ROLES.len())),
            _ => Given::Areas(self.rows()),
        };
        Grant { to, gives }
    }

    fn route(&mut self, workspaces: usize) -> Route {
        let host = self.of(&[
            HostRule::Every,
            HostRule::Exact("api.x.example"),
            HostRule::Below("x.example"),
            HostRule::Below("y.example"),
            HostRule::WorkspaceBelow("x.example"),
            HostRule::WorkspaceBelow("y.example"),
        ]);
        let steps = self.list(3, |source| match source.below(LITERALS.len() + 3) {
            0 => Step::Account,
            1 => Step::Workspace,
            2 => Step::Star,
            literal => Step::Literal(literal - 3),
        });
        let scope = match self.below(8) {
            0..=2 => Scope::Product(self.below(PRODUCTS.len()), None),
            3 | 4 => {
                Scope::Product(self.below(PRODUCTS.len()), Some(self.below(PERMISSIONS.len())))
            }
            5 | 6 => Scope::Area(self.below(AREAS.len())),
            _ => Scope::Public,
        };
        let protected = self.some(ROLES.len());
        Route {
            host,
            steps,
            workspace: self.below(workspaces),
            scope,
            methods: self.methods(),
            view_methods: self.methods(),
            protect: protected.into_iter().map(|role| (role, self.below(AREAS.len()))).collect(),
            strip: self.rarely(2),
            keeps: self.of(&[(false, false), (true, false), (false, true), (true, true)]),
            upgrade: self.rank(),
            preflight: self.rarely(3),
        }
    }

    fn methods(&mut self) -> Option<Vec<&'static str>> {
        self.rarely(4).then(|| self.some(6).into_iter().map(|number| METHODS[number]).collect())
    }

    fn key(&mut self, workspaces: usize) -> Key {
        let number = self.below(24);
        let gone = number == 23;
        let account = self.below(ACCOUNTS.len() + 3 * STRANGERS.len());
        let ceiling = self.rarely(3).then(|| Ceiling {
            level: self.rank(),
            products: self.rarely(2).then(|| self.some(PRODUCTS.len())),
            areas: self.rarely(2).then(|| self.some(AREAS.len())),
        });
        let revoked = self.second();
        Key {
            digest: self.below(3),
            workspace: if gone { "gone" } else { WORKSPACES[number % workspaces] },
            account: match account.checked_sub(ACCOUNTS.len()) {
                None => ACCOUNTS[account],
                Some(stranger) => STRANGERS[stranger % STRANGERS.len()],
            },
            not_before: self.second(),
            expires: self.second(),
            // A key of a workspace that is gone is an error until somebody revokes it.
            revoked: if gone { Some(revoked.unwrap_or(5)) } else { revoked },
            ceiling,
        }
    }

    /// A request that aims at one of the routes, or any other.
    pub(crate) fn request(&mut self, model: &Model) -> Request {
        let method = self.of(&METHODS);
        let key = self.below(model.keys.len() + 2);
        let credential = match model.keys.get(key) {
            Some(_) => Some(Model::text_of(key)),
            None if key == model.keys.len() => None,
            None => Some(self.of(&TEXTS).to_owned()),
        };
        let workspace = model.keys.get(key).map(|key| key.workspace);
        let aimed = self.below(model.routes.len() + 1);
        let route = model.routes.get(aimed);
        let host = match route.map(|route| route.host) {
            _ if self.rarely(4) => self.of(&HOSTS).to_owned(),
            Some(HostRule::Exact(name)) => name.to_owned(),
            Some(HostRule::Below(domain) | HostRule::WorkspaceBelow(domain)) => {
                format!("{}.{domain}", workspace.unwrap_or("other"))
            }
            Some(HostRule::Every) | None => HOSTS[0].to_owned(),
        };
        let mut target = String::new();
        for step in route.map(|route| route.steps.as_slice()).unwrap_or_default() {
            let word = match step {
                Step::Literal(literal) => LITERALS[*literal],
                Step::Workspace => workspace.unwrap_or(WORKSPACES[0]),
                Step::Star => self.of(&LITERALS),
                Step::Account => self.of(&ACCOUNTS),
            };
            target.push('/');
            self.spell(word, &mut target);
        }
        match self.below(8) {
            0..=3 => {}
            4 => target.push_str(self.of(&[";", ";v=1/x", "%2Fx", "/x%2fy;z", ";%2f.."])),
            5 => target.push_str("/more?q=/../"),
            _ => target = self.text(),
        }
        if target.is_empty() {
            target.push('/');
        }
        let offer = self.of(&["websocket", "h3", "websocket, h3"]);
        let upgrade = self.rarely(6).then_some(offer);
        let (preflight, now) = (self.rarely(6), self.of(&[2, 0, 1, 3, 4, 5, -1]));
        Request { method, host, target, credential, upgrade, preflight, now }
    }

    fn spell(&mut self, word: &str, target: &mut String) {
        let way = self.below(8);
        for byte in word.bytes() {
            let odd = !(byte.is_ascii_alphanumeric() || b"-._~@+".contains(&byte));
            let byte = match way {
                4 => byte.to_ascii_uppercase(),
                5 => byte.to_ascii_lowercase(),
                _ => byte,
            };
            match way {
                6 => target.push_str(&format!("%{byte:02X}")),
                7 => target.push_str(&format!("%{byte:02x}")),
                _ if odd => target.push_str(&format!("%{byte:02X}")),
                _ => target.push(char::from(byte)),
            }
        }
    }

    /// As many of the bytes as the first of them says, as they are.
    fn text(&mut self) -> String {
        let length = self.below(32);
        let bytes: Vec<u8> = self.0.by_ref().take(length).copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Whether the route captures nothing twice and is in no other one's place.
fn is_separable(route: &Route, others: &[Route]) -> bool {
    let captures = |step| route.steps.iter().filter(|it| **it == step).count();
    let by_host = usize::from(matches!(route.host, HostRule::WorkspaceBelow(_)));
    let place = |route: &Route| {
        let host = match route.host {
            HostRule::Every => ("", 0),
            HostRule::Exact(name) => (name, 1),
            HostRule::Below(domain) | HostRule::WorkspaceBelow(domain) => (domain, 2),
        };
        let shape = |step: &Step| match step {
            Step::Literal(literal) => Some(*literal),
            Step::Star | Step::Workspace | Step::Account => None,
        };
        (host, route.steps.iter().map(shape).collect::<Vec<_>>())
    };
    captures(Step::Workspace) + by_host <= 1
        && captures(Step::Account) <= 1
        && others.iter().all(|other| place(other) != place(route))
}
