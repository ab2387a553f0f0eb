//! `message trace`: what became of messages, as a line for each thing that happened.

use cassmail_admin::Client;
use cassmail_mail::MessageId;
use cassmail_net::Clock;
use jiff::{Span, Timestamp};
use serde_json::Value;

use super::directory::{escaped, refused, text};
use crate::cli::Trace;
use crate::exit::{Failure, Outcome};
use crate::print;

/// What the words on the command line mean.
enum What {
    /// One message.
    Id(MessageId),
    /// All that have these parameters of the request.
    Having(Vec<(&'static str, String)>),
}

/// Shows what became of messages.
pub(crate) async fn trace(client: &Client, asked: &Trace) -> Outcome {
    match what(asked)? {
        What::Id(id) => one(client, id, asked).await,
        What::Having(parameters) => many(client, &parameters, asked).await,
    }
}

fn what(asked: &Trace) -> Outcome<What> {
    let now = i64::try_from(Clock::system().wall_micros()).unwrap_or(i64::MAX);
    let now = Timestamp::from_microsecond(now).unwrap_or_default();
    let time = |name: &'static str, text: &Option<String>| {
        let read = text.as_deref().map(|text| moment(name, text, now));
        read.transpose()
    };
    let from = time("from", &asked.from)?.map(|at| ("from", at.as_second().to_string()));
    let until = time("until", &asked.until)?.map(|at| ("until", at.as_second().to_string()));
    let source = asked.source.clone().map(|source| ("source", source));
    let is_narrowed = from.is_some() || until.is_some() || source.is_some();
    let named = match asked.what.as_deref().map(str::trim) {
        None => None,
        Some(text) => match text.parse() {
            Ok(id) if is_narrowed => {
                let text = format!("{id} is one message: leave --from, --until and --source out");
                return Err(Failure::usage(text));
            }
            Ok(id) => return Ok(What::Id(id)),
            Err(_) if text.starts_with('<') => Some(("message_id", text.to_owned())),
            Err(_) if text.contains('@') => Some(("address", text.to_owned())),
            Err(_) => {
                let text = format!(
                    "expected the id of a message (26 letters and digits), an address, or a \
                     Message-ID in angle brackets, got {text:?}"
                );
                return Err(Failure::usage(text));
            }
        },
    };
    let parameters = [named, from, until, source].into_iter().flatten();
    Ok(What::Having(parameters.collect()))
}

/// A time as people write it, in UTC.
fn moment(name: &str, text: &str, now: Timestamp) -> Outcome<Timestamp> {
    let ago = || {
        let unit = text.chars().last()?;
        let number: i64 = text.strip_suffix(unit)?.parse().ok()?;
        let minutes = match unit {
            'm' => number,
            'h' => number.checked_mul(60)?,
            'd' => number.checked_mul(24 * 60)?,
            _ => return None,
        };
        now.checked_sub(Span::new().try_minutes(minutes).ok()?).ok()
    };
    let day = || format!("{text}T00:00:00Z").parse().ok();
    let found = ago().or_else(|| text.parse().ok()).or_else(day);
    found.ok_or_else(|| {
        let text = format!(
            "--{name}: expected a day such as 2026-11-27, a moment such as 2026-11-27T08:00:00Z, \
             or how long ago, such as 90m, 2h or 3d, got {text:?}"
        );
        Failure::usage(text)
    })
}

async fn one(client: &Client, id: MessageId, asked: &Trace) -> Outcome {
    let path = format!("/v1/messages/{id}");
    let message: Value = client.get(&path).await.map_err(refused)?;
    if asked.json {
        print::data(&message);
        return Ok(());
    }
    print::data(format!("message {id}"));
    for event in list(&message["events"]) {
        show(event, Naming::Not);
    }
    for place in list(&message["places"]) {
        let whose = place["address"]
            .as_str()
            .unwrap_or_else(|| text(&place["account"]));
        let is_listed = place["listed"].as_bool().unwrap_or_default();
        let is = if is_listed { "is" } else { "is not" };
        print::data(format!("now {is} in the maildrop of {whose}"));
    }
    Ok(())
}

async fn many(client: &Client, having: &[(&str, String)], asked: &Trace) -> Outcome {
    let mut page = search(client, having, asked).await?;
    // A Message-ID without its brackets looks like an address.
    let as_header: Vec<_> = having
        .iter()
        .map(|(name, value)| match *name {
            "address" => ("message_id", value.clone()),
            name => (name, value.clone()),
        })
        .collect();
    if list(&page["events"]).is_empty() && as_header != having {
        page = search(client, &as_header, asked).await?;
    }
    if asked.json {
        print::data(&page);
        return Ok(());
    }
    let events = list(&page["events"]);
    for event in events.iter().rev() {
        show(event, Naming::All);
    }
    match events {
        [] => print::remark("nothing is known of that, as long as the trace is kept"),
        _ if page["next"].is_string() => print::remark(
            "there is more before that; see it with --limit, or narrow it with --from and --until",
        ),
        _ => {}
    }
    Ok(())
}

/// A page, or several that were put together.
async fn search(client: &Client, having: &[(&str, String)], asked: &Trace) -> Outcome<Value> {
    let most = asked.limit.get() as usize;
    let mut events = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let mut path = format!("/v1/messages?limit={}", most - events.len());
        for (name, value) in having {
            path += &["&", name, "=", &escaped(value)].concat();
        }
        if let Some(after) = &after {
            path += &["&after=", after].concat();
        }
        let mut page: Value = client.get(&path).await.map_err(refused)?;
        events.extend_from_slice(list(&page["events"]));
        after = page["next"].as_str().map(str::to_owned);
        if events.len() >= most || after.is_none() {
            page["events"] = Value::Array(events);
            return Ok(page);
        }
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Whether each event says which message it is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Naming {
    All,
    Not,
}

fn show(event: &Value, naming: Naming) {
    print::data(lines(event, naming).join("\n                         "));
}

/// The first line begins with the time; the others stand below what happened.
fn lines(event: &Value, naming: Naming) -> Vec<String> {
    let time = time(event["at"].as_i64().unwrap_or_default());
    let word = text(&event["event"]);
    let mut lines = match word {
        "accepted" => accepted(event),
        "refused" => refusal(event),
        "retrieved" => {
            let size = event["size"].as_u64().unwrap_or_default();
            vec![format!("by {}, {size} octets", text(&event["user"]))]
        }
        _ => removal(event, naming),
    };
    lines.push(place(event));
    if let (Naming::All, [id]) = (naming, list(&event["messages"])) {
        lines.push(format!("message {}", text(id)));
    }
    if let Some(first) = lines.first_mut() {
        *first = format!("{time}  {word:<9} {first}");
    }
    lines
}

fn accepted(event: &Value) -> Vec<String> {
    let size = event["size"].as_u64().unwrap_or_default();
    let mut lines = vec![format!("from <{}>, {size} octets", text(&event["from"]))];
    if let Some(id) = event["message_id"].as_str() {
        lines.push(format!("Message-ID <{id}>"));
    }
    let recipients = list(&event["recipients"]);
    lines.extend(recipients.iter().map(|to| {
        let named = text(&to["address"]);
        let accounts: Vec<_> = list(&to["accounts"]).iter().map(text).collect();
        match accounts[..] {
            [only] if only == named => format!("to <{named}>"),
            _ => format!("to <{named}> -> {}", accounts.join(" ")),
        }
    }));
    lines
}

fn refusal(event: &Value) -> Vec<String> {
    let about = event["about"].as_str();
    let about = about.map(|about| format!(" {about}")).unwrap_or_default();
    let mut lines = vec![
        format!(
            "{}{about}: {}",
            text(&event["command"]),
            text(&event["reply"])
        ),
        format!("rule {}", text(&event["rule"])),
    ];
    if let Some(from) = event["from"].as_str() {
        lines.push(format!("from <{from}>"));
    }
    let recipients = list(&event["recipients"]);
    lines.extend(
        recipients
            .iter()
            .map(|to| format!("also to <{}>", text(&to["address"]))),
    );
    lines
}

fn removal(event: &Value, naming: Naming) -> Vec<String> {
    let by = match text(&event["by"]) {
        "retention" => "by the rule of retention",
        _ => "by its owner",
    };
    let messages = list(&event["messages"]);
    let count = match (naming, messages.len()) {
        (Naming::Not, _) | (_, 1) => String::new(),
        (Naming::All, count) => format!("{count} messages "),
    };
    vec![format!(
        "{count}{by}, from the maildrop of {}",
        text(&event["user"])
    )]
}

/// Where it happened, and how the other end came.
fn place(event: &Value) -> String {
    let node = text(&event["node"]);
    let (Some(source), Some(session)) = (event["source"].as_str(), event["session"].as_str())
    else {
        return format!("at {node}");
    };
    let way = ["helo", "with", "tls"].map(|key| event[key].as_str());
    let way: Vec<_> = way.into_iter().flatten().collect();
    let way = if way.is_empty() {
        String::new()
    } else {
        format!(" ({})", way.join(", "))
    };
    let user = match (text(&event["event"]), event["user"].as_str()) {
        ("accepted" | "refused", Some(user)) => format!(", logged in as {user}"),
        _ => String::new(),
    };
    format!("at {node}, session {session}, from {source}{way}{user}")
}

/// A time in microseconds since 1970, to the millisecond, in UTC.
fn time(micros: i64) -> String {
    let time = Timestamp::from_microsecond(micros).unwrap_or_default();
    time.strftime("%Y-%m-%d %H:%M:%S.%3f").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        let now: Timestamp = "2026-11-27T08:00:00Z".parse().unwrap();
        let read = moment("from", text, now).ok()?;
        Some(read.to_string())
    }

    #[test]
    fn a_time_is_a_day_a_moment_or_so_long_ago() {
        for (text, expected) in [
            ("2026-11-26", "2026-11-26T00:00:00Z"),
            ("2026-11-26T10:00:00+02:00", "2026-11-26T08:00:00Z"),
            ("90m", "2026-11-27T06:30:00Z"),
            ("2h", "2026-11-27T06:00:00Z"),
            ("3d", "2026-11-24T08:00:00Z"),
        ] {
            assert_eq!(read(text).as_deref(), Some(expected), "{text}");
        }
        for wrong in [
            "",
            "d",
            "3w",
            "yesterday",
            "2026-13-01",
            "99999999999999999999d",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_refusal_says_what_was_answered_and_by_which_rule() {
        let event = serde_json::json!({
            "at": 1_700_000_000_123_456_i64, "event": "refused", "node": "mx.example",
            "session": "0000002a", "source": "192.0.2.7", "command": "RCPT",
            "about": "<nobody@here.example>", "reply": "550 5.1.1 no such mailbox",
            "rule": "unknown-recipient", "from": "a@far.example", "messages": ["0abc"],
        });
        assert_eq!(
            lines(&event, Naming::All),
            [
                "2023-11-14 22:13:20.123  refused   RCPT <nobody@here.example>: 550 5.1.1 no such \
                 mailbox",
                "rule unknown-recipient",
                "from <a@far.example>",
                "at mx.example, session 0000002a, from 192.0.2.7",
                "message 0abc",
            ]
        );
    }
}
