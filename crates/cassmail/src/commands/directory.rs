//! `domain`, `account`, `alias`: clients of the admin API.

use std::io::Read as _;
use std::path::Path;

use axum::http::Method;
use cassmail_admin::{Client, ClientError};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::pages;
use super::password::Source;
use super::{quota, retention};
use crate::cli::{Account, Alias, AppPassword, Domain, Service};
use crate::exit::{Failure, Outcome};
use crate::print;

/// Runs a `domain` command.
pub(crate) async fn domain(client: &Client, command: Domain) -> Outcome {
    match command {
        Domain::Add { name, postmaster } => {
            let body = json!({ "name": name, "postmaster": postmaster });
            send(client, Method::POST, "/v1/domains", &body).await?;
        }
        Domain::List { json } => {
            let list = domains(client).await?;
            if json {
                pages::json(list);
            } else {
                list.iter().for_each(show_domain);
            }
        }
        Domain::Set { name, keep } => {
            let path = path("/v1/domains", &name, "/retention");
            send(client, Method::PUT, &path, &retention::change(&keep)?).await?;
        }
        Domain::Quota(command) => quota::of_domain(client, command).await?,
        Domain::Remove { name } => {
            send(
                client,
                Method::DELETE,
                &path("/v1/domains", &name, ""),
                &Value::Null,
            )
            .await?;
        }
    }
    Ok(())
}

fn show_domain(domain: &Value) {
    let notes = [("postmaster", "postmaster"), ("catch-all", "catch_all")];
    let notes = notes.iter().filter_map(|(name, key)| {
        let address = domain[key].as_str()?;
        Some(format!("\t{name} {address}"))
    });
    print::data(format!(
        "{}{}{}{}",
        text(&domain["name"]),
        notes.collect::<String>(),
        retention::note(domain),
        quota::note(domain)
    ));
}

/// Refuses what cannot be done whatever the store says, before one is opened.
pub(crate) fn check(command: &Account) -> Outcome {
    match command {
        Account::Add { password_stdin, .. } | Account::Passwd { password_stdin, .. } => {
            Source::of(*password_stdin).check()
        }
        _ => Ok(()),
    }
}

/// Runs an `account` command.
pub(crate) async fn account(client: &Client, command: Account) -> Outcome {
    match command {
        Account::Add {
            address,
            password_stdin,
        } => {
            let password = Source::of(password_stdin).read()?;
            let body = json!({ "address": address, "password": password.expose() });
            send(client, Method::POST, "/v1/accounts", &body).await?;
        }
        Account::List { domain, json } => list_accounts(client, domain, json).await?,
        Account::Passwd {
            address,
            password_stdin,
        } => {
            let password = Source::of(password_stdin).read()?;
            let body = json!({ "password": password.expose() });
            let path = path("/v1/accounts", &address, "/password");
            send(client, Method::PUT, &path, &body).await?;
        }
        Account::Disable { address } => set_state(client, &address, "disabled").await?,
        Account::Enable { address } => set_state(client, &address, "enabled").await?,
        Account::Set { address, keep } => {
            let path = path("/v1/accounts", &address, "/retention");
            send(client, Method::PUT, &path, &retention::change(&keep)?).await?;
        }
        Account::Quota(command) => quota::of_account(client, command).await?,
        Account::Remove { address } => {
            let path = path("/v1/accounts", &address, "");
            send(client, Method::DELETE, &path, &Value::Null).await?;
        }
        Account::AppPassword(command) => app_password(client, command).await?,
        Account::Import { file } => import(client, &file).await?,
    }
    Ok(())
}

async fn app_password(client: &Client, command: AppPassword) -> Outcome {
    match command {
        AppPassword::Add {
            address,
            name,
            service,
        } => {
            let services = match service {
                None => vec!["pop3", "submission"],
                Some(Service::Pop3) => vec!["pop3"],
                Some(Service::Submission) => vec!["submission"],
            };
            let body = json!({ "name": name, "services": services });
            let path = path("/v1/accounts", &address, "/app-passwords");
            let made = send(client, Method::POST, &path, &body).await?;
            print::data(text(&made["password"]));
        }
        AppPassword::List { address, json } => {
            let path = path("/v1/accounts", &address, "/app-passwords");
            let listed: Vec<Value> = client.get(&path).await.map_err(refused)?;
            if json {
                pages::json(listed);
            } else {
                listed.iter().for_each(show_app_password);
            }
        }
        AppPassword::Remove { address, name } => {
            let rest = format!("/app-passwords/{}", escaped(&name));
            let path = path("/v1/accounts", &address, &rest);
            send(client, Method::DELETE, &path, &Value::Null).await?;
        }
    }
    Ok(())
}

fn show_app_password(one: &Value) {
    let services = one["services"].as_array().map(Vec::as_slice);
    let services: Vec<_> = services.unwrap_or_default().iter().map(text).collect();
    print::data(format!(
        "{}\t{}\t{}",
        text(&one["name"]),
        services.join(" "),
        day(one["created_at"].as_i64().unwrap_or_default())
    ));
}

/// A time in seconds since 1970, as the day that it is on (UTC).
fn day(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    time.strftime("%Y-%m-%d").to_string()
}

/// Runs an `alias` command.
pub(crate) async fn alias(client: &Client, command: Alias) -> Outcome {
    match command {
        Alias::Add { address, targets } => match address.strip_prefix('@') {
            Some(domain) => {
                let [target] = targets.as_slice() else {
                    return Err(Failure::usage("a catch-all leads to one address"));
                };
                set_catch_all(client, domain, Some(target)).await?;
            }
            None => {
                let body = json!({ "address": address, "targets": targets });
                send(client, Method::POST, "/v1/aliases", &body).await?;
            }
        },
        Alias::List { domain, json } => list_aliases(client, domain, json).await?,
        Alias::Remove { address } => match address.strip_prefix('@') {
            Some(domain) => set_catch_all(client, domain, None).await?,
            None => {
                let path = path("/v1/aliases", &address, "");
                send(client, Method::DELETE, &path, &Value::Null).await?;
            }
        },
    }
    Ok(())
}

async fn set_state(client: &Client, address: &str, state: &str) -> Outcome {
    let path = path("/v1/accounts", address, "/state");
    send(client, Method::PUT, &path, &json!({ "state": state }))
        .await
        .map(drop)
}

async fn set_catch_all(client: &Client, domain: &str, target: Option<&String>) -> Outcome {
    let path = path("/v1/domains", domain, "/catch-all");
    send(client, Method::PUT, &path, &json!({ "target": target }))
        .await
        .map(drop)
}

async fn list_accounts(client: &Client, domain: Option<String>, json: bool) -> Outcome {
    if json {
        let mut all = Vec::new();
        each(client, "/v1/accounts", domain, |account| {
            all.push(account.clone());
        })
        .await?;
        pages::json(all);
        return Ok(());
    }
    each(client, "/v1/accounts", domain, |account| {
        let state = text(&account["state"]);
        let note = if state == "enabled" {
            String::new()
        } else {
            format!("\t{state}")
        };
        let (rule, fill) = (retention::note(account), quota::fill(account));
        print::data(format!("{}{note}{rule}{fill}", text(&account["address"])));
    })
    .await
}

/// Those of one domain or of all, the catch-alls first.
async fn list_aliases(client: &Client, domain: Option<String>, json: bool) -> Outcome {
    let wanted = domain.as_deref().map(str::to_lowercase);
    let mut all = Vec::new();
    for found in domains(client).await? {
        let name = text(&found["name"]);
        let is_wanted = wanted.as_deref().is_none_or(|wanted| wanted == name);
        if let (true, Some(target)) = (is_wanted, found["catch_all"].as_str()) {
            all.push(json!({ "address": format!("@{name}"), "targets": [target] }));
        }
    }
    each(client, "/v1/aliases", domain, |alias| {
        all.push(alias.clone());
    })
    .await?;
    if json {
        pages::json(all);
        return Ok(());
    }
    for alias in &all {
        let targets = alias["targets"].as_array().map(Vec::as_slice);
        let targets: Vec<_> = targets.unwrap_or_default().iter().map(text).collect();
        print::data(format!(
            "{}\t{}",
            text(&alias["address"]),
            targets.join(" ")
        ));
    }
    Ok(())
}

/// Shows every item of a listing, page by page, of one domain or of all.
pub(super) async fn each(
    client: &Client,
    listing: &str,
    domain: Option<String>,
    mut show: impl FnMut(&Value),
) -> Outcome {
    let names = match domain {
        Some(domain) => vec![domain],
        None => domains(client)
            .await?
            .iter()
            .map(|found| text(&found["name"]).into())
            .collect(),
    };
    for name in names {
        let mut query = format!("{listing}?domain={}", escaped(&name));
        loop {
            let page: Vec<Value> = client.get(&query).await.map_err(refused)?;
            page.iter().for_each(&mut show);
            let Some(last) = page.last() else { break };
            let (local, _) = text(&last["address"]).rsplit_once('@').unwrap_or_default();
            query = format!(
                "{listing}?domain={}&after={}",
                escaped(&name),
                escaped(local)
            );
        }
    }
    Ok(())
}

async fn domains(client: &Client) -> Outcome<Vec<Value>> {
    pages::all(client, "/v1/domains", "name").await
}

/// Sends the lines in batches; every line that is refused is named, the others are done.
async fn import(client: &Client, file: &Path) -> Outcome {
    const BATCH: usize = 1000;
    let mut tally = Tally::of(file);
    let mut accounts = Vec::new();
    for (index, line) in read_lines(file)?.iter().enumerate() {
        match parse_line(line) {
            Ok(None) => {}
            Ok(Some(account)) => accounts.push((index + 1, account)),
            Err(why) => tally.refuse(index + 1, why),
        }
    }
    for batch in accounts.chunks(BATCH) {
        let (numbers, batch): (Vec<usize>, Vec<&Value>) = batch
            .iter()
            .map(|(number, account)| (*number, account))
            .unzip();
        let sent = send(client, Method::POST, "/v1/accounts/import", &json!(batch)).await;
        let done = sent.map_err(|failure| tally.broken_off(&numbers, failure))?;
        let done = done.as_array().map(Vec::as_slice).unwrap_or_default();
        for (number, outcome) in numbers.iter().zip(done) {
            match outcome["problem"].as_str() {
                None => tally.made += 1,
                Some(why) => tally.refuse(*number, why),
            }
        }
    }
    tally.end()
}

/// What became of the lines of an import.
struct Tally<'a> {
    file: std::path::Display<'a>,
    made: usize,
    refused: usize,
}

impl<'a> Tally<'a> {
    fn of(file: &'a Path) -> Self {
        Self {
            file: file.display(),
            made: 0,
            refused: 0,
        }
    }

    fn refuse(&mut self, number: usize, why: &str) {
        self.refused += 1;
        print::remark(format!("{}:{number}: {why}", self.file));
    }

    /// The service went away in the middle of some lines.
    fn broken_off(&self, numbers: &[usize], failure: Failure) -> Failure {
        let first = numbers.first().copied().unwrap_or_default();
        let last = numbers.last().copied().unwrap_or_default();
        failure.about(&format!(
            "{}: {} accounts were made from the lines before {first}; lines {first} to {last} may \
             have been done, later ones were not; import again, what is there stays as it is:",
            self.file, self.made
        ))
    }

    fn end(self) -> Outcome {
        let Self {
            file,
            made,
            refused,
        } = self;
        let (accounts, lines) = (plural(made, "account"), plural(refused, "line"));
        print::remark(format!("{accounts} made, {lines} refused"));
        if refused == 0 {
            return Ok(());
        }
        Err(Failure::failed(anyhow::anyhow!(
            "{file}: the lines named above made no account; mend them and import them again"
        )))
    }
}

fn plural(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

/// The lines of a file, those that are no text as well: they are refused one by one.
fn read_lines(file: &Path) -> Outcome<Vec<Vec<u8>>> {
    let mut octets = Vec::new();
    let read = if file == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut octets)
    } else {
        std::fs::File::open(file).and_then(|mut file| file.read_to_end(&mut octets))
    };
    read.map_err(|error| {
        let error = anyhow::Error::new(error);
        Failure::failed(error.context(format!("failed to read {}", file.display())))
    })?;
    // Spreadsheets write a byte order mark, which is no part of the first address.
    let text = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&octets);
    Ok(text
        .split(|&octet| octet == b'\n')
        .map(<[u8]>::to_vec)
        .collect())
}

/// An account of an import line; none for an empty line or a comment.
fn parse_line(line: &[u8]) -> Result<Option<Value>, &'static str> {
    let line = std::str::from_utf8(line).map_err(|_| "expected text in UTF-8")?;
    let line = line.trim_end_matches('\r');
    if line.trim().is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (address, password) = line
        .split_once(',')
        .ok_or("expected a line of the form: address,password")?;
    let key = if password.starts_with("$argon2id$") {
        "password_hash"
    } else {
        "password"
    };
    Ok(Some(json!({ "address": address.trim(), key: password })))
}

pub(super) async fn send(
    client: &Client,
    method: Method,
    path: &str,
    body: &Value,
) -> Outcome<Value> {
    client.send(method, path, body).await.map_err(refused)
}

pub(super) fn refused(error: ClientError) -> Failure {
    match &error {
        ClientError::Refused(problem) if problem.status != 503 => Failure::failed(error),
        _ => Failure::unavailable(error),
    }
}

pub(super) fn path(collection: &str, item: &str, rest: &str) -> String {
    format!("{collection}/{}{rest}", escaped(item))
}

pub(super) fn escaped(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_line_is_an_address_and_a_password_or_a_hash() {
        let parsed = |line: &str| parse_line(line.as_bytes()).unwrap();
        assert_eq!(
            parsed("a@b.example,x,y z\r"),
            Some(json!({"address": "a@b.example", "password": "x,y z"}))
        );
        let hash = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA";
        let line = format!("a@b.example,{hash}");
        assert_eq!(
            parsed(&line),
            Some(json!({"address": "a@b.example", "password_hash": hash}))
        );
        assert_eq!(parsed("  "), None);
        assert_eq!(parsed("# comment"), None);
        assert!(parse_line(b"a@b.example").is_err());
        assert!(parse_line(b"a@b.example,\xe9").is_err());
    }
}
