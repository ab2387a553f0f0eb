//! The table: each route, the scope that it needs, and how its domain is found.

use axum::http::Method;
use cassmail_store::Scope;

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    pub(crate) method: Verb,
    /// As the router has it.
    pub(crate) path: &'static str,
    pub(crate) needs: Needs,
    pub(crate) of: Of,
    /// The path of what a change changes, which has an `ETag`; its variables are those of `path`.
    pub(crate) resource: Option<&'static str>,
    /// What it does.
    pub(crate) what: &'static str,
}

/// The methods in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    Put,
    Post,
    Delete,
}

/// What somebody needs who calls a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// To be known.
    Login,
    /// This scope.
    Scope(Scope),
}

/// Whose a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// The whole service's: nobody's whose rights end with his domains.
    Service,
    /// Everybody's: the handler shows and changes only what the caller may.
    Caller,
    /// That of the domain that this variable of the path is.
    DomainInPath(&'static str),
    /// That of the address that this variable of the path is.
    AddressInPath(&'static str),
    /// That of the domain that this parameter of the query is.
    DomainInQuery(&'static str),
    /// That of the address that this field of the body is.
    AddressInBody(&'static str),
    /// Those of the addresses that this field is in each entry of the body.
    AddressesInBody(&'static str),
}

impl Verb {
    pub(crate) fn method(self) -> Method {
        match self {
            Self::Get => Method::GET,
            Self::Put => Method::PUT,
            Self::Post => Method::POST,
            Self::Delete => Method::DELETE,
        }
    }

    fn of(method: &Method) -> Option<Self> {
        match *method {
            // The router answers HEAD with the handler of GET.
            Method::GET | Method::HEAD => Some(Self::Get),
            Method::PUT => Some(Self::Put),
            Method::POST => Some(Self::Post),
            Method::DELETE => Some(Self::Delete),
            _ => None,
        }
    }
}

const fn rule(method: Verb, path: &'static str, needs: Needs, of: Of, what: &'static str) -> Rule {
    Rule {
        method,
        path,
        needs,
        of,
        resource: None,
        what,
    }
}

const fn get(path: &'static str, scope: Scope, of: Of, what: &'static str) -> Rule {
    rule(Verb::Get, path, Needs::Scope(scope), of, what)
}

const fn put(path: &'static str, scope: Scope, of: Of, what: &'static str) -> Rule {
    rule(Verb::Put, path, Needs::Scope(scope), of, what)
}

const fn post(path: &'static str, scope: Scope, of: Of, what: &'static str) -> Rule {
    rule(Verb::Post, path, Needs::Scope(scope), of, what)
}

const fn delete(path: &'static str, scope: Scope, of: Of, what: &'static str) -> Rule {
    rule(Verb::Delete, path, Needs::Scope(scope), of, what)
}

impl Rule {
    /// Names what it changes.
    const fn on(self, resource: &'static str) -> Self {
        Self {
            resource: Some(resource),
            ..self
        }
    }
}

const NAME: Of = Of::DomainInPath("name");
const ADDRESS: Of = Of::AddressInPath("address");
const DOMAIN: &str = "/v1/domains/{name}";
const ACCOUNT: &str = "/v1/accounts/{address}";
const MAILBOX: &str = "/v1/mailboxes/{address}";
const ALIAS: &str = "/v1/aliases/{address}";
const ADMINISTRATOR: &str = "/v1/administrators/{name}";
const TOKEN: &str = "/v1/tokens/{id}";

/// All of them.
pub(crate) const RULES: &[Rule] = &[
    get(
        "/v1/domains",
        Scope::DomainsRead,
        Of::Caller,
        "Lists domains.",
    ),
    post(
        "/v1/domains",
        Scope::DomainsWrite,
        Of::Service,
        "Adds a domain.",
    ),
    get(DOMAIN, Scope::DomainsRead, NAME, "Shows a domain."),
    put(
        DOMAIN,
        Scope::DomainsWrite,
        NAME,
        "Changes who is a domain's postmaster.",
    )
    .on(DOMAIN),
    delete(
        DOMAIN,
        Scope::DomainsWrite,
        Of::Service,
        "Removes a domain without accounts.",
    )
    .on(DOMAIN),
    put(
        "/v1/domains/{name}/catch-all",
        Scope::DomainsWrite,
        NAME,
        "Changes a catch-all.",
    )
    .on(DOMAIN),
    put(
        "/v1/domains/{name}/retention",
        Scope::DomainsWrite,
        NAME,
        "Changes how long mail stays.",
    )
    .on(DOMAIN),
    get(
        "/v1/domains/{name}/quota",
        Scope::DomainsRead,
        NAME,
        "Shows how much mail accounts may have that have no quota of their own.",
    ),
    put(
        "/v1/domains/{name}/quota",
        Scope::DomainsWrite,
        NAME,
        "Changes how much mail accounts may have that have no quota of their own.",
    )
    .on(DOMAIN),
    get(
        "/v1/accounts",
        Scope::AccountsRead,
        Of::DomainInQuery("domain"),
        "Lists accounts.",
    ),
    post(
        "/v1/accounts",
        Scope::AccountsWrite,
        Of::AddressInBody("address"),
        "Makes an account.",
    ),
    post(
        "/v1/accounts/import",
        Scope::AccountsWrite,
        Of::AddressesInBody("address"),
        "Makes many accounts, each with its own outcome.",
    ),
    get(ACCOUNT, Scope::AccountsRead, ADDRESS, "Shows an account."),
    delete(
        ACCOUNT,
        Scope::AccountsWrite,
        ADDRESS,
        "Removes an account with its mail.",
    )
    .on(ACCOUNT),
    put(
        "/v1/accounts/{address}/password",
        Scope::AccountsWrite,
        ADDRESS,
        "Changes a password.",
    )
    .on(ACCOUNT),
    put(
        "/v1/accounts/{address}/state",
        Scope::AccountsWrite,
        ADDRESS,
        "Disables or enables.",
    )
    .on(ACCOUNT),
    put(
        "/v1/accounts/{address}/retention",
        Scope::AccountsWrite,
        ADDRESS,
        "Changes how long an account's mail stays.",
    )
    .on(ACCOUNT),
    get(
        "/v1/accounts/{address}/quota",
        Scope::AccountsRead,
        ADDRESS,
        "Counts an account's mail, and shows how much it may have.",
    ),
    put(
        "/v1/accounts/{address}/quota",
        Scope::AccountsWrite,
        ADDRESS,
        "Changes how much mail an account may have.",
    )
    .on(ACCOUNT),
    post(
        "/v1/quota/recount",
        Scope::ServiceWrite,
        Of::Service,
        "Counts all mailboxes that have a quota, and mends their figures.",
    ),
    get(MAILBOX, Scope::MailRead, ADDRESS, "Sums up a mailbox."),
    get(
        "/v1/mailboxes/{address}/messages",
        Scope::MailRead,
        ADDRESS,
        "Lists the messages of a mailbox.",
    ),
    get(
        "/v1/mailboxes/{address}/messages/{id}/headers",
        Scope::MailRead,
        ADDRESS,
        "Shows the header of a message.",
    ),
    get(
        "/v1/mailboxes/{address}/messages/{id}/raw",
        Scope::MailRead,
        ADDRESS,
        "Gives a message as its owner gets it.",
    ),
    delete(
        "/v1/mailboxes/{address}/messages/{id}",
        Scope::MailWrite,
        ADDRESS,
        "Removes a message for good.",
    ),
    post(
        "/v1/mailboxes/{address}/remove",
        Scope::MailWrite,
        ADDRESS,
        "Removes messages for good; if one of them is not there, none.",
    ),
    get(
        "/v1/accounts/{address}/app-passwords",
        Scope::AccountsRead,
        ADDRESS,
        "Lists the names of an account's application passwords.",
    ),
    post(
        "/v1/accounts/{address}/app-passwords",
        Scope::AccountsWrite,
        ADDRESS,
        "Makes an application password and shows it, once.",
    ),
    delete(
        "/v1/accounts/{address}/app-passwords/{name}",
        Scope::AccountsWrite,
        ADDRESS,
        "Removes an application password.",
    ),
    get(
        "/v1/aliases",
        Scope::AccountsRead,
        Of::DomainInQuery("domain"),
        "Lists aliases.",
    ),
    post(
        "/v1/aliases",
        Scope::AccountsWrite,
        Of::AddressInBody("address"),
        "Makes an alias.",
    ),
    get(ALIAS, Scope::AccountsRead, ADDRESS, "Shows an alias."),
    put(
        ALIAS,
        Scope::AccountsWrite,
        ADDRESS,
        "Makes an alias or changes where it leads.",
    )
    .on(ALIAS),
    delete(ALIAS, Scope::AccountsWrite, ADDRESS, "Removes an alias.").on(ALIAS),
    get(
        "/v1/retention",
        Scope::AccountsRead,
        Of::DomainInQuery("domain"),
        "Lists what the rules of retention would remove now.",
    ),
    get(
        "/v1/messages",
        Scope::TraceRead,
        Of::Service,
        "Searches what became of messages.",
    ),
    get(
        "/v1/messages/{id}",
        Scope::TraceRead,
        Of::Service,
        "Shows what became of a message, and where it is.",
    ),
    get(
        "/v1/store",
        Scope::ServiceRead,
        Of::Service,
        "Says how the store is.",
    ),
    get(
        "/v1/store/scrub",
        Scope::ServiceRead,
        Of::Service,
        "Says how far the last scrub is.",
    ),
    get(
        "/v1/nodes",
        Scope::ServiceRead,
        Of::Service,
        "Lists the processes of the service.",
    ),
    put(
        "/v1/nodes/this/drain",
        Scope::ServiceWrite,
        Of::Service,
        "Makes this node unready for load balancers, or ready again.",
    ),
    get(
        "/v1/traffic",
        Scope::ServiceRead,
        Of::Service,
        "Says what came in and went out in the last hour, by minutes.",
    ),
    get(
        "/v1/certificates",
        Scope::ServiceRead,
        Of::Service,
        "Lists the certificates in use.",
    ),
    post(
        "/v1/certificates/reload",
        Scope::ServiceWrite,
        Of::Service,
        "Loads configuration and certificates anew.",
    ),
    get(
        "/v1/limits",
        Scope::LimitsRead,
        Of::Caller,
        "Lists who is slowed on this node.",
    ),
    delete(
        "/v1/limits/sources/{source}",
        Scope::LimitsWrite,
        Of::Service,
        "Forgives the wrong passwords that came from a network.",
    ),
    delete(
        "/v1/limits/accounts/{address}",
        Scope::LimitsWrite,
        ADDRESS,
        "Forgives the wrong passwords that were tried for an account.",
    ),
    delete(
        "/v1/limits/administrators/{name}",
        Scope::LimitsWrite,
        Of::Service,
        "Forgives the wrong passwords that were tried for an administrator.",
    ),
    get(
        "/v1/sessions",
        Scope::LimitsRead,
        Of::Caller,
        "Lists open sessions on this node.",
    ),
    post(
        "/v1/store/backup",
        Scope::ServiceWrite,
        Of::Service,
        "Copies the store into a folder.",
    ),
    post(
        "/v1/store/check",
        Scope::ServiceWrite,
        Of::Service,
        "Reads and verifies everything.",
    ),
    get(
        "/v1/administrators",
        Scope::AdminsRead,
        Of::Caller,
        "Lists administrators.",
    ),
    post(
        "/v1/administrators",
        Scope::AdminsWrite,
        Of::Caller,
        "Makes an administrator.",
    ),
    get(
        ADMINISTRATOR,
        Scope::AdminsRead,
        Of::Caller,
        "Shows an administrator.",
    ),
    put(
        ADMINISTRATOR,
        Scope::AdminsWrite,
        Of::Caller,
        "Changes an administrator's rights.",
    )
    .on(ADMINISTRATOR),
    delete(
        ADMINISTRATOR,
        Scope::AdminsWrite,
        Of::Caller,
        "Removes an administrator.",
    )
    .on(ADMINISTRATOR),
    put(
        "/v1/administrators/{name}/password",
        Scope::AdminsWrite,
        Of::Caller,
        "Changes an administrator's password.",
    )
    .on(ADMINISTRATOR),
    get("/v1/tokens", Scope::AdminsRead, Of::Caller, "Lists tokens."),
    post(
        "/v1/tokens",
        Scope::AdminsWrite,
        Of::Caller,
        "Makes a token and shows it, once.",
    ),
    get(
        TOKEN,
        Scope::AdminsRead,
        Of::Caller,
        "Shows what a token may do.",
    ),
    delete(TOKEN, Scope::AdminsWrite, Of::Caller, "Revokes a token.").on(TOKEN),
    rule(
        Verb::Get,
        "/v1/self",
        Needs::Login,
        Of::Caller,
        "Says who asks, and what he may do.",
    ),
    rule(
        Verb::Put,
        "/v1/self/password",
        Needs::Login,
        Of::Caller,
        "Changes the password of whoever asks.",
    ),
    get(
        "/v1/audit",
        Scope::AuditRead,
        Of::Caller,
        "Lists what was changed, the latest first.",
    ),
    rule(
        Verb::Get,
        "/v1/openapi.json",
        Needs::Login,
        Of::Caller,
        "Describes this API.",
    ),
    rule(
        Verb::Get,
        "/healthz",
        Needs::Login,
        Of::Caller,
        "Says whether the process works.",
    ),
    rule(
        Verb::Get,
        "/readyz",
        Needs::Login,
        Of::Caller,
        "Says whether mail is served.",
    ),
    get(
        "/metrics",
        Scope::ServiceRead,
        Of::Service,
        "Gives the figures.",
    ),
];

/// What the table says of a request.
#[derive(Debug)]
pub(crate) enum Found {
    Rule(&'static Rule),
    /// The path has other methods.
    OtherMethods(Vec<Method>),
    /// The path is not in the table: somebody forgot it.
    Nothing,
}

/// Looks up a route.
pub(crate) fn find(method: &Method, path: &str) -> Found {
    let of_path = || RULES.iter().filter(|rule| rule.path == path);
    let verb = Verb::of(method);
    if let Some(rule) = of_path().find(|rule| Some(rule.method) == verb) {
        return Found::Rule(rule);
    }
    let methods: Vec<_> = of_path().map(|rule| rule.method.method()).collect();
    if methods.is_empty() {
        Found::Nothing
    } else {
        Found::OtherMethods(methods)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The paths that sources hand to routers.
    fn routed(source: &str, before: &str) -> BTreeSet<String> {
        let mut calls = source.split(".route(").skip(1);
        let mut paths = BTreeSet::new();
        for call in &mut calls {
            let path = call.split('"').nth(1).expect("a path in quotes");
            paths.insert(format!("{before}{path}"));
        }
        paths
    }

    #[test]
    fn every_route_is_in_the_table_and_every_line_has_its_route() {
        let src = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
        let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap();
        let mut routes = routed(&read(&src.join("readings.rs")), "");
        let mut sources = 0;
        for file in std::fs::read_dir(src.join("api")).unwrap() {
            routes.extend(routed(&read(&file.unwrap().path()), "/v1"));
            sources += 1;
        }
        assert!(sources > 8, "{sources}");
        let table: BTreeSet<_> = RULES.iter().map(|rule| rule.path.to_owned()).collect();
        assert_eq!(routes, table);
    }

    #[test]
    fn no_line_is_there_twice_and_resources_can_be_shown() {
        let mut seen = BTreeSet::new();
        for rule in RULES {
            let method = rule.method.method();
            assert!(seen.insert((method.to_string(), rule.path)), "{rule:?}");
            assert!(rule.what.ends_with('.'), "{rule:?}");
            if let Some(resource) = rule.resource {
                assert!(rule.method != Verb::Get, "{rule:?}");
                let shown = find(&Method::GET, resource);
                assert!(matches!(shown, Found::Rule(_)), "{rule:?}");
                assert!(rule.path.starts_with(resource), "{rule:?}");
            }
        }
    }

    /// Whoever asks for what is of one domain has to name it, in a variable or a field.
    #[test]
    fn variables_of_the_table_are_in_their_paths() {
        for rule in RULES {
            if let Of::DomainInPath(name) | Of::AddressInPath(name) = rule.of {
                assert!(rule.path.contains(&format!("{{{name}}}")), "{rule:?}");
            }
        }
    }

    #[test]
    fn head_is_asked_for_as_get_and_other_methods_are_not_found() {
        assert!(
            matches!(find(&Method::HEAD, "/v1/domains"), Found::Rule(rule)
            if rule.method == Verb::Get)
        );
        assert!(
            matches!(find(&Method::OPTIONS, "/v1/domains"), Found::OtherMethods(methods)
            if methods == [Method::GET, Method::POST])
        );
        assert!(matches!(find(&Method::GET, "/v1/nothing"), Found::Nothing));
    }
}
