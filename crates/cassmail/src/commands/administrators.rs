//! `admin`, `token`, `audit`: clients of the admin API.

use axum::http::Method;
use cassmail_admin::Client;
use cassmail_store::Scope;
use serde_json::{Value, json};

use super::directory::{escaped, path, send, text};
use super::pages;
use super::password::Source;
use crate::cli::{Admin, Audit, Rights, Token};
use crate::exit::{Failure, Outcome};
use crate::print;

/// Refuses what cannot be done whatever the store says, before one is opened.
pub(crate) fn check(command: &Admin) -> Outcome {
    match command {
        Admin::Add { password_stdin, .. } | Admin::Password { password_stdin, .. } => {
            Source::of(*password_stdin).check()
        }
        _ => Ok(()),
    }
}

/// Prints what scopes there are; needs no store.
pub(crate) fn scopes() {
    for scope in Scope::ALL {
        print::data(format!("{scope}\t{}", scope.meaning().trim()));
    }
}

/// Runs an `admin` command.
pub(crate) async fn admin(client: &Client, command: Admin) -> Outcome {
    const ALL: &str = "/v1/administrators";
    match command {
        Admin::Add {
            name,
            rights,
            password_stdin,
        } => {
            let password = Source::of(password_stdin).read()?;
            let mut body = of_rights(&rights);
            body["name"] = json!(name);
            body["password"] = json!(password.expose());
            send(client, Method::POST, ALL, &body).await?;
        }
        Admin::List { json } => {
            let list = pages::all(client, ALL, "name").await?;
            if json {
                pages::json(list);
            } else {
                list.iter().for_each(show_admin);
            }
        }
        Admin::Set { name, rights } => {
            let body = of_rights(&rights);
            send(client, Method::PUT, &path(ALL, &name, ""), &body).await?;
        }
        Admin::Password {
            name,
            password_stdin,
        } => {
            let password = Source::of(password_stdin).read()?;
            let body = json!({ "password": password.expose() });
            send(client, Method::PUT, &path(ALL, &name, "/password"), &body).await?;
        }
        Admin::Remove { name } => {
            send(client, Method::DELETE, &path(ALL, &name, ""), &Value::Null).await?;
        }
        Admin::Scopes => scopes(),
    }
    Ok(())
}

/// Runs a `token` command.
pub(crate) async fn token(client: &Client, command: Token) -> Outcome {
    const ALL: &str = "/v1/tokens";
    match command {
        Token::Add {
            label,
            rights,
            days,
            json,
        } => {
            let mut body = of_rights(&rights);
            body["label"] = json!(label);
            body["days"] = json!(days);
            let made = send(client, Method::POST, ALL, &body).await?;
            if json {
                print::data(format!("{made:#}"));
            } else {
                print::data(text(&made["token"]));
            }
        }
        Token::List { json } => {
            let list = pages::all(client, ALL, "id").await?;
            if json {
                pages::json(list);
            } else {
                list.iter().for_each(show_token);
            }
        }
        Token::Revoke { id } => {
            send(client, Method::DELETE, &path(ALL, &id, ""), &Value::Null).await?;
        }
    }
    Ok(())
}

/// Prints the audit log.
pub(crate) async fn audit(client: &Client, asked: Audit) -> Outcome {
    let seconds = |time: &Option<String>| time.as_deref().map(seconds).transpose();
    let (from, until) = (seconds(&asked.since)?, seconds(&asked.until)?);
    let parameters = [
        ("who", asked.who),
        ("resource", asked.resource),
        ("domain", asked.domain),
        ("from", from),
        ("until", until),
        ("limit", Some(asked.limit.clamp(1, 1000).to_string())),
    ];
    let given = parameters.iter().filter_map(|(name, value)| {
        let value = value.as_ref()?;
        Some(format!("{name}={}", escaped(value)))
    });
    let query: Vec<_> = given.collect();
    let list = format!("/v1/audit?{}", query.join("&"));
    let list = pages::some(client, &list, "id", asked.limit).await?;
    if asked.json {
        pages::json(list);
    } else {
        list.iter().for_each(show_change);
    }
    Ok(())
}

fn of_rights(rights: &Rights) -> Value {
    let given = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
    json!({ "scopes": given(&rights.scopes), "domains": given(&rights.domains) })
}

fn show_admin(one: &Value) {
    let name = text(&one["name"]);
    print::data(format!("{name}\t{}\t{}", domains(one), scopes_of(one)));
}

fn show_token(token: &Value) {
    let end = token["expires_at"].as_i64().map_or("never".into(), day);
    print::data(format!(
        "{}\t{end}\t{}\t{}\t{}\t{}",
        text(&token["id"]),
        token["owner"].as_str().unwrap_or("owner"),
        text(&token["label"]),
        domains(token),
        scopes_of(token)
    ));
}

fn show_change(change: &Value) {
    let at = change["at"].as_i64().unwrap_or_default();
    let at = jiff::Timestamp::from_microsecond(at).unwrap_or_default();
    let outcome = match change["status"].as_u64() {
        None => "outcome unknown".to_owned(),
        Some(status) => status.to_string(),
    };
    let problem = change["problem"].as_str().map(|why| format!("\t{why}"));
    print::data(format!(
        "{}\t{}\t{}\t{} {}\t{outcome}{}",
        at.strftime("%Y-%m-%d %H:%M:%S"),
        text(&change["who"]),
        text(&change["from"]),
        text(&change["action"]),
        text(&change["resource"]),
        problem.unwrap_or_default()
    ));
}

fn domains(one: &Value) -> String {
    match one["domains"].as_array() {
        None => "everything".to_owned(),
        Some(domains) => joined(domains),
    }
}

fn scopes_of(one: &Value) -> String {
    match one["scopes"].as_array() {
        Some(scopes) if scopes.len() == Scope::ALL.len() => "all scopes".to_owned(),
        Some(scopes) => joined(scopes),
        None => String::new(),
    }
}

fn joined(list: &[Value]) -> String {
    list.iter().map(text).collect::<Vec<_>>().join(" ")
}

fn day(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    time.strftime("%Y-%m-%d").to_string()
}

/// A time as it is typed, in seconds since 1970.
fn seconds(time: &str) -> Outcome<String> {
    let whole = if time.contains('T') {
        time.to_owned()
    } else {
        format!("{time}T00:00:00Z")
    };
    let read: Result<jiff::Timestamp, _> = whole.parse();
    let read = read.map_err(|_| {
        Failure::usage(format!(
            "expected a day such as 2026-11-27 or a time such as 2026-11-27T08:00:00Z, got {time:?}"
        ))
    })?;
    Ok(read.as_second().max(0).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_days_or_moments() {
        assert_eq!(seconds("1970-01-02").unwrap(), "86400");
        assert_eq!(seconds("1970-01-01T00:01:00Z").unwrap(), "60");
        assert!(seconds("yesterday").is_err());
    }
}
