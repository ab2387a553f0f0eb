//! How long mail stays: rules as they are typed and shown, and `retention`.

use cassmail_admin::Client;
use serde_json::{Map, Value};

use super::directory::{each, text};
use crate::cli::Keep;
use crate::exit::{Failure, Outcome};
use crate::print;

/// The body of the request that changes a rule.
pub(crate) fn change(keep: &Keep) -> Outcome<Value> {
    let size = keep.size.as_deref().map(|size| octets("--keep-size", size));
    let size = size.transpose()?;
    let change = [
        ("days", keep.days.clone()),
        ("messages", keep.messages.clone()),
        ("octets", size),
    ];
    let given = change.into_iter().filter_map(|(name, value)| {
        let value = Value::String(value?);
        Some((name.to_owned(), value))
    });
    Ok(Value::Object(given.collect::<Map<_, _>>()))
}

/// A size with its unit in octets; other words are the service's to judge.
pub(super) fn octets(option: &str, text: &str) -> Outcome<String> {
    const UNITS: [(&str, u64); 4] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
    ];
    let split = UNITS
        .iter()
        .find_map(|(unit, octets)| Some((text.strip_suffix(unit)?, octets)));
    let Some((number, unit)) = split else {
        return Ok(text.to_owned());
    };
    let octets = number.trim().parse::<u64>().ok();
    let octets = octets.and_then(|number| number.checked_mul(*unit));
    let wrong = || {
        Failure::usage(format!(
            "{option}: expected a size such as 2GiB, got {text}"
        ))
    };
    Ok(octets.ok_or_else(wrong)?.to_string())
}

/// The rule of a domain or an account, as a listing shows it.
pub(crate) fn note(of: &Value) -> String {
    let rule = &of["retention"];
    let bounds = [
        ("days", "keep-days"),
        ("messages", "keep-messages"),
        ("octets", "keep-octets"),
    ];
    let shown = bounds.iter().filter_map(|(key, name)| {
        let number = rule[key].as_u64()?;
        let number = match number {
            0 => "none".to_owned(),
            number => number.to_string(),
        };
        Some(format!("\t{name} {number}"))
    });
    shown.collect()
}

/// What is due of each account, and of all.
pub(crate) async fn show(client: &Client, domain: Option<String>, all: bool) -> Outcome {
    let (mut accounts, mut messages) = (0_u64, 0_u64);
    each(client, "/v1/retention", domain, |line| {
        let due = line["due"].as_u64().unwrap_or_default();
        accounts += u64::from(due > 0);
        messages += due;
        if due > 0 || all {
            let there = line["messages"].as_u64().unwrap_or_default();
            print::data(format!("{}\t{due} of {there} due", text(&line["address"])));
        }
    })
    .await?;
    print::remark(format!(
        "{messages} messages of {accounts} accounts are due"
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_a_unit_or_is_left_to_the_service() {
        for (text, sent) in [
            ("2GiB", "2147483648"),
            ("2 GiB", "2147483648"),
            ("1000", "1000"),
            ("none", "none"),
            ("default", "default"),
        ] {
            assert_eq!(octets("--size", text).unwrap(), sent);
        }
        assert!(octets("--size", "many GiB").is_err());
        assert!(octets("--size", "99999999999 TiB").is_err());
    }
}
