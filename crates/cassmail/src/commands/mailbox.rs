//! `mailbox`: what is in somebody's maildrop.

use axum::http::Method;
use cassmail_admin::Client;
use serde_json::{Value, json};

use super::directory::{escaped, path, refused, send, text};
use super::quota::{bars, size};
use crate::cli::Mailbox;
use crate::exit::Outcome;
use crate::print;

/// So many messages are asked for at once.
const PAGE: usize = 10_000;

/// Runs a `mailbox` command.
pub(crate) async fn run(client: &Client, command: Mailbox) -> Outcome {
    match command {
        Mailbox::Show { address, json } => show(client, &address, json).await,
        Mailbox::List {
            address,
            json,
            limit,
            after,
        } => {
            let show = if json { show_as_json } else { show_as_line };
            list(client, &address, (limit, after), show).await
        }
        Mailbox::Headers { address, id, json } => {
            let path = message(&address, &id, "/headers");
            let found: Value = client.get(&path).await.map_err(refused)?;
            if json {
                print::data(&found);
                return Ok(());
            }
            print::octets(printable(text(&found["header"])).as_bytes());
            if found["is_cut"] == json!(true) {
                print::remark("the header is longer; see cassmail mailbox raw");
            }
            Ok(())
        }
        Mailbox::Raw { address, id } => {
            let path = message(&address, &id, "/raw");
            client.fetch(&path, print::octets).await.map_err(refused)
        }
        Mailbox::Delete { address, ids } => {
            let path = path("/v1/mailboxes", &address, "/remove");
            let removed = send(client, Method::POST, &path, &json!({ "ids": ids })).await?;
            let count = removed["removed"].as_u64().unwrap_or_default();
            print::remark(format!("{count} messages removed"));
            Ok(())
        }
    }
}

async fn show(client: &Client, address: &str, json: bool) -> Outcome {
    let path = path("/v1/mailboxes", address, "");
    let found: Value = client.get(&path).await.map_err(refused)?;
    if json {
        print::data(&found);
        return Ok(());
    }
    let used = json!({ "messages": found["messages"], "octets": found["octets"] });
    let quota = json!({
        "used": used,
        "limits": found["quota"]["limits"],
        "fullness": found["quota"]["fullness"],
    });
    for line in bars(&quota) {
        print::data(line);
    }
    for name in ["oldest", "newest"] {
        if let Some(at) = found[name].as_i64() {
            print::data(format!("{name:<12}{}", time(at)));
        }
    }
    Ok(())
}

/// Lists page by page.
async fn list(
    client: &Client,
    address: &str,
    (limit, mut after): (Option<usize>, Option<String>),
    show: fn(&Value),
) -> Outcome {
    let mut left = limit.unwrap_or(usize::MAX);
    while left > 0 {
        let asked = left.min(PAGE);
        let behind = after.take();
        let behind = behind.map_or_else(String::new, |id| format!("&after={}", escaped(&id)));
        let rest = format!("/messages?limit={asked}{behind}");
        let page: Vec<Value> = {
            let path = path("/v1/mailboxes", address, &rest);
            client.get(&path).await.map_err(refused)?
        };
        page.iter().for_each(show);
        left -= page.len();
        match page.last() {
            Some(last) if page.len() == asked => after = Some(text(&last["id"]).to_owned()),
            _ => break,
        }
    }
    Ok(())
}

fn show_as_json(message: &Value) {
    print::data(message);
}

fn show_as_line(message: &Value) {
    let id = text(&message["id"]);
    let uidl = text(&message["uidl"]);
    let octets = message["octets"].as_u64().unwrap_or_default();
    let came_at = time(message["came_at"].as_i64().unwrap_or_default());
    let imported = if uidl == id {
        String::new()
    } else {
        format!("\t{uidl}")
    };
    print::data(format!("{id}\t{}\t{came_at}{imported}", size(octets)));
}

fn message(address: &str, id: &str, rest: &str) -> String {
    let rest = format!("/messages/{}{rest}", escaped(id));
    path("/v1/mailboxes", address, &rest)
}

/// What a stranger wrote must not command the terminal.
fn printable(text: &str) -> String {
    let is_shown = |c: char| !c.is_control() || c == '\n' || c == '\t';
    let text = text.replace("\r\n", "\n");
    text.chars()
        .map(|c| if is_shown(c) { c } else { '\u{fffd}' })
        .collect()
}

/// A time in seconds since 1970, in UTC.
fn time(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_cannot_command_the_terminal() {
        let header = "Subject: \u{1b}[2Jx\r\n\ty\u{9b}\r\n";
        assert_eq!(printable(header), "Subject: \u{fffd}[2Jx\n\ty\u{fffd}\n");
    }
}
