//! `node`, `ban`, `session`, `certificate`, `store status`: how the running service is.

use std::net::IpAddr;

use axum::http::Method;
use cassmail_admin::Client;
use serde_json::{Value, json};

use super::directory::{path, refused, send, text};
use super::pages;
use crate::cli::{Ban, Certificate, Node, Session};
use crate::exit::Outcome;
use crate::print;

/// Runs a `node` command.
pub(crate) async fn node(client: &Client, command: Node) -> Outcome {
    match command {
        Node::List { json } => {
            let list: Vec<Value> = client.get("/v1/nodes").await.map_err(refused)?;
            show(list, json, |node| {
                let this = if node["is_this"] == true {
                    "\tthis"
                } else {
                    ""
                };
                format!(
                    "{}\t{}\t{}\t{}{this}",
                    text(&node["id"]),
                    node["data_center"].as_str().unwrap_or("-"),
                    text(&node["state"]),
                    moment(&node["seen_at"])
                )
            });
        }
        Node::Drain => drain(client, true).await?,
        Node::Fill => drain(client, false).await?,
    }
    Ok(())
}

async fn drain(client: &Client, drained: bool) -> Outcome {
    let body = json!({ "drained": drained });
    let sent = send(client, Method::PUT, "/v1/nodes/this/drain", &body).await;
    sent.map(drop)
}

/// Runs a `ban` command.
pub(crate) async fn ban(client: &Client, command: Ban) -> Outcome {
    match command {
        Ban::List { json } => {
            let list = pages::all(client, "/v1/limits", "name").await?;
            show(list, json, |line| {
                let of = line["of"].as_str().map(|of| format!(" for {of}"));
                let of = of.unwrap_or_default();
                let blocked = if line["blocked"] == true {
                    "\tblocked"
                } else {
                    ""
                };
                format!(
                    "{}\t{}{of}\t{}\t{} of {}{blocked}",
                    text(&line["kind"]),
                    text(&line["name"]),
                    text(&line["at"]),
                    line["used"],
                    line["most"]
                )
            });
        }
        Ban::Lift { who, administrator } => {
            let kind = if administrator {
                "administrators"
            } else if who.parse::<IpAddr>().is_ok() {
                "sources"
            } else if who.contains('@') {
                "accounts"
            } else {
                "administrators"
            };
            let path = path(&format!("/v1/limits/{kind}"), &who, "");
            send(client, Method::DELETE, &path, &Value::Null).await?;
        }
    }
    Ok(())
}

/// Runs a `session` command.
pub(crate) async fn session(client: &Client, command: Session) -> Outcome {
    let Session::List { json } = command;
    let list = pages::all(client, "/v1/sessions", "address").await?;
    show(list, json, |line| {
        let (address, service) = (text(&line["address"]), text(&line["service"]));
        format!("{address}\t{service}\t{}", line["open"])
    });
    Ok(())
}

/// Runs a `certificate` command.
pub(crate) async fn certificate(client: &Client, command: Certificate) -> Outcome {
    match command {
        Certificate::List { json } => {
            let path = "/v1/certificates";
            let list: Vec<Value> = client.get(path).await.map_err(refused)?;
            show(list, json, |one| {
                let names = one["names"].as_array().map(Vec::as_slice);
                let names: Vec<_> = names.unwrap_or_default().iter().map(text).collect();
                let days = one["days_left"].as_u64();
                let days = days.map_or_else(|| "?".to_owned(), |days| days.to_string());
                let end = moment(&one["not_after"]);
                format!("{}\t{end}\t{days} days left", names.join(" "))
            });
        }
        Certificate::Reload => {
            let path = "/v1/certificates/reload";
            let told = send(client, Method::POST, path, &Value::Null).await?;
            for (key, words) in [("changed", "changed"), ("needs_restart", "needs a restart")] {
                for name in told[key].as_array().into_iter().flatten() {
                    print::data(format!("{words}: {}", text(name)));
                }
            }
        }
    }
    Ok(())
}

/// Runs `store status`.
pub(crate) async fn status(client: &Client, json: bool) -> Outcome {
    let store: Value = client.get("/v1/store").await.map_err(refused)?;
    let scrub: Value = client.get("/v1/store/scrub").await.map_err(refused)?;
    if json {
        print::data(format!("{:#}", json!({ "store": store, "scrub": scrub })));
        return Ok(());
    }
    let detail = store["detail"].as_str().map(|how| format!(": {how}"));
    print::data(format!(
        "store\t{}\t{}{}",
        text(&store["kind"]),
        text(&store["health"]),
        detail.unwrap_or_default()
    ));
    if store["drained"] == true {
        print::data("node\tdrained");
    }
    for (name, number) in store["cluster"].as_object().into_iter().flatten() {
        print::data(format!("{name}\t{number}"));
    }
    if let Some(done) = scrub["done"].as_f64() {
        let state = match (scrub["finished"] == true, scrub["trouble"] == true) {
            (false, _) => format!("{:.0} % done", done * 100.0),
            (true, false) => "finished".to_owned(),
            (true, true) => "finished, and an operator has to act".to_owned(),
        };
        print::data(format!("scrub\t{}\t{state}", moment(&scrub["at"])));
    }
    Ok(())
}

fn show(list: Vec<Value>, json: bool, line: impl Fn(&Value) -> String) {
    if json {
        pages::json(list);
    } else {
        for one in &list {
            print::data(line(one));
        }
    }
}

/// A time in seconds since 1970, for people.
fn moment(seconds: &Value) -> String {
    let Some(seconds) = seconds.as_i64() else {
        return "-".to_owned();
    };
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}
