//! `domain quota`, `account quota`: how much mail somebody may have, and how full a mailbox is.

use axum::http::Method;
use cassmail_admin::Client;
use serde_json::{Map, Value};

use super::directory::{path, refused, send};
use super::retention::octets;
use crate::cli::{AccountQuota, DomainQuota, Most};
use crate::exit::Outcome;
use crate::print;

/// Runs a `domain quota` command.
pub(crate) async fn of_domain(client: &Client, command: DomainQuota) -> Outcome {
    match command {
        DomainQuota::Show { name, json } => {
            let path = path("/v1/domains", &name, "/quota");
            let quota: Value = client.get(&path).await.map_err(refused)?;
            if json {
                print::data(&quota);
                return Ok(());
            }
            for line in limits(&quota["limits"]) {
                print::data(line);
            }
        }
        DomainQuota::Set { name, most } => {
            let path = path("/v1/domains", &name, "/quota");
            send(client, Method::PUT, &path, &change(&most)?).await?;
        }
    }
    Ok(())
}

/// Runs an `account quota` command.
pub(crate) async fn of_account(client: &Client, command: AccountQuota) -> Outcome {
    match command {
        AccountQuota::Show { address, json } => {
            let path = path("/v1/accounts", &address, "/quota");
            let quota: Value = client.get(&path).await.map_err(refused)?;
            if json {
                print::data(&quota);
                return Ok(());
            }
            for line in bars(&quota) {
                print::data(line);
            }
            print::data(format!("where from  {}", origin(&quota)));
        }
        AccountQuota::Set { address, most } => {
            let path = path("/v1/accounts", &address, "/quota");
            send(client, Method::PUT, &path, &change(&most)?).await?;
        }
    }
    Ok(())
}

/// The body of the request that changes a quota.
fn change(most: &Most) -> Outcome<Value> {
    let size = most.size.as_deref().map(|size| octets("--size", size));
    let change = [
        ("messages", most.messages.clone()),
        ("octets", size.transpose()?),
    ];
    let given = change
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), Value::String(value?))));
    Ok(Value::Object(given.collect::<Map<_, _>>()))
}

/// Whose rules are in force.
fn origin(quota: &Value) -> &'static str {
    match (quota["own"].is_object(), quota["domain"].is_object()) {
        (true, true) => "the account and its domain",
        (true, false) => "the account",
        (false, true) => "its domain",
        (false, false) => "the configuration",
    }
}

fn limits(limits: &Value) -> [String; 2] {
    let limit = |key, shown: fn(u64) -> String| match limits[key].as_u64() {
        None => "no limit".to_owned(),
        Some(most) => shown(most),
    };
    [
        format!("messages    {}", limit("messages", |most| most.to_string())),
        format!("size        {}", limit("octets", size)),
    ]
}

/// What is used of the limits of a mailbox, with a bar for each.
pub(super) fn bars(quota: &Value) -> Vec<String> {
    let line = |name: &str, key: &str, shown: fn(u64) -> String| {
        let used = quota["used"][key].as_u64().unwrap_or_default();
        match quota["limits"][key].as_u64() {
            None => format!("{name:<12}{}, no limit", shown(used)),
            Some(most) => format!(
                "{name:<12}{} of {} {}",
                shown(used),
                shown(most),
                bar(used, most)
            ),
        }
    };
    let mut lines = vec![
        line("messages", "messages", |number| number.to_string()),
        line("size", "octets", size),
    ];
    lines.extend(match quota["fullness"].as_str() {
        Some("nearly_full") => Some("nearly full: nine tenths of a limit are used".to_owned()),
        Some("full") => Some("full: new mail is refused until something is removed".to_owned()),
        _ => None,
    });
    lines
}

/// Twenty steps, and the part in percent.
fn bar(used: u64, most: u64) -> String {
    const STEPS: u64 = 20;
    let part = |of: u64| {
        let part = u128::from(used) * u128::from(of) / u128::from(most.max(1));
        u64::try_from(part).unwrap_or(u64::MAX)
    };
    let marks = usize::try_from(part(STEPS).min(STEPS)).unwrap_or_default();
    format!("[{:-<20}] {} %", "#".repeat(marks), part(100))
}

/// A size for people: three digits at most in front of the unit.
pub(super) fn size(octets: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if octets < 1024 {
        return format!("{octets} octets");
    }
    let mut whole = octets;
    let mut rest = 0;
    let mut unit = "";
    for name in UNITS {
        if whole < 1024 {
            break;
        }
        rest = whole % 1024;
        whole /= 1024;
        unit = name;
    }
    match rest * 10 / 1024 {
        0 => format!("{whole} {unit}"),
        tenths => format!("{whole}.{tenths} {unit}"),
    }
}

/// The rule of a domain, as a listing shows it.
pub(super) fn note(of: &Value) -> String {
    let rule = &of["quota"];
    let shown = |key: &str, name: &str, text: fn(u64) -> String| match rule[key].as_u64() {
        None => String::new(),
        Some(0) => format!("\t{name} none"),
        Some(most) => format!("\t{name} {}", text(most)),
    };
    let messages = shown("messages", "quota-messages", |most| most.to_string());
    messages + &shown("octets", "quota-size", size)
}

/// How full an account's mailbox is, as a listing shows it.
pub(super) fn fill(account: &Value) -> String {
    let limits = &account["limits"];
    let one = |key: &str, text: fn(u64) -> String, unit: &str| {
        let most = text(limits[key].as_u64()?);
        let used = account["used"][key].as_u64().map(text);
        let used = used.unwrap_or_else(|| "?".to_owned());
        Some(format!("{used} of {most}{unit}"))
    };
    let messages = one("messages", |number| number.to_string(), " messages");
    let octets = one("octets", size, "");
    let used: Vec<_> = messages.into_iter().chain(octets).collect();
    let mark = match account["fullness"].as_str() {
        Some("nearly_full") => "\tnearly full",
        Some("full") => "\tfull",
        _ => "",
    };
    if used.is_empty() {
        return String::new();
    }
    format!("\t{}{mark}", used.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sizes_are_short_and_never_too_large() {
        for (octets, text) in [
            (0, "0 octets"),
            (1023, "1023 octets"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            ((1 << 20) - 1, "1023.9 KiB"),
            (1 << 30, "1 GiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(size(octets), text);
        }
    }

    #[test]
    fn a_bar_is_full_at_the_limit_and_never_longer() {
        assert_eq!(bar(0, 10), "[--------------------] 0 %");
        assert_eq!(bar(5, 10), "[##########----------] 50 %");
        assert_eq!(bar(20, 10), "[####################] 200 %");
        assert_eq!(
            bar(u64::MAX, 1),
            format!("[{}] {} %", "#".repeat(20), u64::MAX)
        );
    }

    #[test]
    fn a_listing_shows_what_is_used_of_what() {
        let account = json!({
            "limits": { "messages": 10, "octets": 1024 },
            "used": { "messages": 9, "octets": 512 },
            "fullness": "nearly_full",
        });
        let shown = "\t9 of 10 messages, 512 octets of 1 KiB\tnearly full";
        assert_eq!(fill(&account), shown);
        assert_eq!(fill(&json!({ "address": "a@b.example" })), "");
        let unknown = json!({ "limits": { "octets": 1024 }, "fullness": "ample" });
        assert_eq!(fill(&unknown), "\t? of 1 KiB");
        let rule = json!({ "quota": { "messages": 0, "octets": 2048 } });
        assert_eq!(note(&rule), "\tquota-messages none\tquota-size 2 KiB");
    }
}
