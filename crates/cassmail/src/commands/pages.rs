//! Lists of the API, page by page, and how they are printed.

use cassmail_admin::Client;
use serde_json::Value;

use super::directory::{escaped, refused, text};
use crate::exit::Outcome;
use crate::print;

/// Everything in a list whose pages go on behind the last one's `key`.
pub(super) async fn all(client: &Client, list: &str, key: &str) -> Outcome<Vec<Value>> {
    some(client, list, key, usize::MAX).await
}

/// The same, at most so many.
pub(super) async fn some(
    client: &Client,
    list: &str,
    key: &str,
    most: usize,
) -> Outcome<Vec<Value>> {
    let join = if list.contains('?') { '&' } else { '?' };
    let mut found: Vec<Value> = Vec::new();
    let mut page = list.to_owned();
    while found.len() < most {
        let read: Vec<Value> = client.get(&page).await.map_err(refused)?;
        let Some(last) = read.last() else { break };
        page = format!("{list}{join}after={}", escaped(text(&last[key])));
        found.extend(read);
    }
    found.truncate(most);
    Ok(found)
}

/// Prints a list as JSON.
pub(super) fn json(list: Vec<Value>) {
    print::data(format!("{:#}", Value::Array(list)));
}
