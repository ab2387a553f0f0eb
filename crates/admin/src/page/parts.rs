//! Parts that pages are made of.

use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::ask::query;
use super::layout::problem_shown;
use super::visitor::{CONFIRMED, FORM_TOKEN, Form, TAG, Visitor};
use crate::problem::Problem;

/// A form that changes something; the tag says of what state.
pub(super) fn form(visitor: &Visitor, action: &str, tag: Option<&str>, inner: &Markup) -> Markup {
    html! {
        form method="post" action=(action) {
            input type="hidden" name=(FORM_TOKEN) value=(visitor.form_token());
            @if let Some(tag) = tag {
                input type="hidden" name=(TAG) value=(tag);
            }
            (inner)
        }
    }
}

/// A field with its label above it.
pub(super) struct Field<'a> {
    pub(super) name: &'a str,
    pub(super) label: &'a str,
    pub(super) kind: &'a str,
    pub(super) value: &'a str,
    pub(super) hint: &'a str,
    pub(super) need: Need,
}

/// Whether a field has to be filled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Required,
    Optional,
}

impl Field<'_> {
    pub(super) fn shown(&self) -> Markup {
        let is_password = self.kind == "password";
        html! {
            label {
                (self.label)
                @if !self.hint.is_empty() {
                    span.hint { (self.hint) }
                }
                input type=(self.kind) name=(self.name) value=(self.value)
                    required[self.need == Need::Required]
                    autocomplete=(if is_password { "new-password" } else { "off" })
                    autocapitalize="none" spellcheck="false";
            }
        }
    }
}

/// Tells programs that keep passwords whose it is that a form changes; it is not sent.
pub(super) fn whose(name: &str) -> Markup {
    html! { input type="text" value=(name) autocomplete="username" readonly hidden; }
}

/// A box to tick.
pub(super) fn tick(name: &str, value: &str, is_set: bool, label: &str) -> Markup {
    html! {
        label.check {
            input type="checkbox" name=(name) value=(value) checked[is_set];
            span { (label) }
        }
    }
}

/// A box that has to be ticked.
pub(super) fn confirmation(text: &str) -> Markup {
    html! {
        label.check {
            input type="checkbox" name=(CONFIRMED) value="yes" required;
            span { (text) }
        }
    }
}

/// A part of a page with its heading, or why it is not there.
pub(super) fn section(title: &str, inner: Result<Markup, Problem>) -> Markup {
    html! {
        section {
            h2 { (title) }
            @match inner {
                Ok(inner) => (inner),
                Err(problem) => (problem_shown(&problem)),
            }
        }
    }
}

/// A table of texts; each row begins with what it is about.
pub(super) fn table(caption: &str, heads: &[&str], rows: &[Vec<Markup>]) -> Markup {
    if rows.is_empty() {
        return html! { p { (caption) ": none." } };
    }
    html! {
        div.wide role="region" aria-label=(caption) tabindex="0" {
            table data-filter=[(rows.len() > 10).then_some("")] {
                caption { (caption) }
                thead {
                    tr { @for head in heads { th scope="col" { (head) } } }
                }
                tbody {
                    @for row in rows {
                        tr {
                            @for (place, cell) in row.iter().enumerate() {
                                @if place == 0 {
                                    th scope="row" { (cell) }
                                } @else {
                                    td { (cell) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Which part of a list.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Turn {
    /// Of which domain; empty if that is not chosen yet.
    pub(super) domain: String,
    /// Behind which entry.
    after: String,
}

/// How many entries of a list a page has.
const PAGE: usize = 100;

impl Turn {
    /// The path in the API.
    pub(super) fn of(&self, path: &str, fields: &[(&str, &str)]) -> String {
        let limit = PAGE.to_string();
        let own = [("after", self.after.as_str()), ("limit", &limit)];
        query(path, &[fields, &own].concat())
    }

    /// The way to the entries behind the last one, if there may be any.
    pub(super) fn further(
        &self,
        count: usize,
        path: &str,
        fields: &[(&str, &str)],
        last: Option<&str>,
    ) -> Markup {
        let first = query(path, fields);
        let next = last.filter(|_| count == PAGE).map(|last| {
            let behind = [("after", last)];
            query(path, &[fields, &behind].concat())
        });
        html! {
            p {
                @if !self.after.is_empty() { a href=(first) { "From the beginning" } " " }
                @if let Some(next) = next { a href=(next) rel="next" { "Next page" } }
            }
        }
    }
}

/// Fields for rules that have a number, no limit, or what is above.
pub(super) fn bounds(rule: &Value, fields: &[(&str, &str)]) -> Markup {
    html! {
        @for (name, label) in fields {
            @let value = match rule[*name].as_u64() {
                None => "default".to_owned(),
                Some(0) => "none".to_owned(),
                Some(most) => most.to_string(),
            };
            (Field {
                name,
                label,
                kind: "text",
                value: &value,
                hint: "a number, none for no limit, or default for what is above",
                need: Need::Required,
            }.shown())
        }
    }
}

/// What was written into such fields; what is empty stays as it is.
pub(super) fn bounds_sent(form: &Form, fields: &[(&str, &str)]) -> Value {
    let sent = fields.iter().filter_map(|(name, _)| {
        let text = form.optional(name)?;
        Some(((*name).to_owned(), Value::String(text.to_owned())))
    });
    Value::Object(sent.collect())
}

/// The list in which an address stands: that of its domain.
pub(super) fn list_with(path: &str, address: &str) -> String {
    let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
    query(path, &[("domain", domain)])
}

/// The field for a new address in a domain.
pub(super) fn address_field(domain: &str) -> Markup {
    Field {
        name: "address",
        label: "Address",
        kind: "text",
        value: &format!("@{domain}"),
        hint: "",
        need: Need::Required,
    }
    .shown()
}

/// The way to the list of each domain.
pub(super) async fn choose_domain(visitor: &Visitor, path: &str) -> Result<Markup, Problem> {
    let shown: Value = visitor.get("/v1/domains").await?;
    Ok(html! {
        p { "Of which domain?" }
        ul {
            @for domain in entries(&shown) {
                @let name = text(domain, "name");
                li { a href=(query(path, &[("domain", name)])) { (name) } }
            }
        }
        @if entries(&shown).is_empty() { p { "There are no domains yet." } }
    })
}

/// A time, given in seconds since 1970.
pub(super) fn time(seconds: Option<u64>) -> Markup {
    let stamp = seconds
        .and_then(|seconds| i64::try_from(seconds).ok())
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    match stamp {
        None => html! { "not known" },
        Some(stamp) => {
            let text = stamp.to_string().replace('T', " ").replace('Z', " UTC");
            html! { time datetime=(stamp) { (text) } }
        }
    }
}

/// Octets for people.
pub(super) fn octets(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut tenths = count.saturating_mul(10);
    let mut unit = "octets";
    for next in UNITS {
        if tenths < 10_240 {
            break;
        }
        tenths /= 1024;
        unit = next;
    }
    match unit {
        "octets" => format!("{count} octets"),
        _ => format!("{}.{} {unit}", tenths / 10, tenths % 10),
    }
}

/// A text of what the API shows; empty if it is none.
pub(super) fn text<'a>(shown: &'a Value, name: &str) -> &'a str {
    shown[name].as_str().unwrap_or_default()
}

/// The entries of a list that the API shows.
pub(super) fn entries(shown: &Value) -> &[Value] {
    shown.as_array().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_are_said_in_units_that_fit() {
        assert_eq!(octets(0), "0 octets");
        assert_eq!(octets(1023), "1023 octets");
        assert_eq!(octets(1536), "1.5 KiB");
        assert_eq!(octets(10 * 1024 * 1024), "10.0 MiB");
        assert_eq!(octets(u64::MAX), "1677721.5 TiB");
    }

    #[test]
    fn times_are_said_in_utc() {
        let shown = time(Some(1_700_000_000)).into_string();
        assert_eq!(
            shown,
            "<time datetime=\"2023-11-14T22:13:20Z\">2023-11-14 22:13:20 UTC</time>"
        );
        assert_eq!(time(None).into_string(), "not known");
        assert_eq!(time(Some(u64::MAX)).into_string(), "not known");
    }
}
