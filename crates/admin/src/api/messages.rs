//! `/v1/messages`: what became of messages, and why something was refused.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use cassmail_mail::{AccountId, Address, MessageId, UnixTime};
use cassmail_office::{AdministrationError, Place, TraceAsked};
use cassmail_store::{Arrival, Happened, Reached, Refusal, Remover, TraceEvent};
use serde::Serialize;
use utoipa::ToSchema;

use super::request::{Asked, Named, TraceWanted};
use super::{Answer, Api, field, page_size};
use crate::problem::Problem;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/messages", get(search))
        .route("/messages/{id}", get(one))
}

/// A page of events.
#[derive(Serialize, ToSchema)]
#[schema(as = TracePage)]
pub(super) struct Page {
    /// The newest first.
    events: Vec<Event>,
    /// What `after` has to be for the next page; left out at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// One message.
#[derive(Serialize, ToSchema)]
#[schema(as = MessageTrace)]
pub(super) struct Message {
    id: String,
    /// The oldest first.
    events: Vec<Event>,
    /// Where it came to, and whether it is still there; of many accounts the first.
    places: Vec<Listed>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = MessagePlace)]
pub(super) struct Listed {
    account: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(rename = "listed")]
    is_there: bool,
}

/// An event; `event` says what happened, and the rest what is known of it.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = TraceEvent)]
pub(super) struct Event {
    id: String,
    /// Microseconds since 1970.
    at: u64,
    #[serde(rename = "event")]
    what: &'static str,
    node: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    /// The ids of the messages that it is about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    messages: Vec<String>,
    /// Who was logged in, or whose maildrop it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    /// Empty is the null path.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    recipients: Vec<Recipient>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    helo: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    with: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    about: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'static str>,
    /// By whom it was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'static str>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = TraceRecipient)]
pub(super) struct Recipient {
    /// As the client named it.
    address: String,
    /// To whose maildrops it led; an account that is gone has its id alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    accounts: Vec<String>,
}

#[utoipa::path(
    get,
    path = "/v1/messages",
    params(TraceWanted),
    responses((status = 200, body = Page)),
)]
pub(super) async fn search(
    State(api): State<Api>,
    Asked(wanted): Asked<TraceWanted>,
) -> Answer<Json<Page>> {
    let asked = read(&wanted)?;
    let found = api.lookup.find(&asked).await;
    let found = found.map_err(AdministrationError::from)?;
    if found.events.is_empty() {
        is_on(&api)?;
    }
    let shown = Shown::of(&api, &found.events).await?;
    Ok(Json(Page {
        events: found
            .events
            .iter()
            .map(|event| shown.event(event))
            .collect(),
        next: found.more.map(|id| id.to_string()),
    }))
}

#[utoipa::path(
    get,
    path = "/v1/messages/{id}",
    responses((status = 200, body = Message)),
)]
pub(super) async fn one(State(api): State<Api>, Named(id): Named) -> Answer<Json<Message>> {
    let id: MessageId = field("id", &id)?;
    let trace = api.lookup.message(id).await;
    let trace = trace.map_err(AdministrationError::from)?;
    if trace.events.is_empty() {
        is_on(&api)?;
        let text = format!(
            "nothing is known of the message {id}: it was never here, or longer ago than the \
             trace is kept (trace.keep_days)"
        );
        return Err(Problem::new(StatusCode::NOT_FOUND, text));
    }
    let shown = Shown::of(&api, &trace.events).await?;
    Ok(Json(Message {
        id: id.to_string(),
        events: trace
            .events
            .iter()
            .map(|event| shown.event(event))
            .collect(),
        places: trace.places.into_iter().map(Listed::from).collect(),
    }))
}

/// Where nothing is recorded, nothing is found: that has to be said.
fn is_on(api: &Api) -> Answer<()> {
    if api.lookup.keep().is_some() {
        return Ok(());
    }
    let text = "no trace is recorded here; set trace.keep_days, to 14 for example";
    Err(Problem::new(StatusCode::CONFLICT, text))
}

fn read(wanted: &TraceWanted) -> Answer<TraceAsked> {
    let seconds = |seconds: u64| UnixTime::from_micros(seconds.saturating_mul(1_000_000));
    let address = wanted.address.as_deref();
    let source = wanted.source.as_deref();
    let after = wanted.after.as_deref();
    Ok(TraceAsked {
        address: address.map(|text| field("address", text)).transpose()?,
        header_id: wanted.message_id.clone(),
        source: source.map(|text| field("source", text)).transpose()?,
        from: wanted.from.map(seconds),
        until: wanted.until.map(seconds),
        before: after.map(|text| field("after", text)).transpose()?,
        limit: page_size(wanted.limit),
    })
}

impl From<Place> for Listed {
    fn from(place: Place) -> Self {
        Self {
            account: place.account.to_string(),
            address: place.address.map(|address| address.to_string()),
            is_there: place.is_listed,
        }
    }
}

/// What is needed to show events.
struct Shown {
    addresses: BTreeMap<AccountId, Address>,
}

impl Shown {
    async fn of(api: &Api, events: &[TraceEvent]) -> Answer<Self> {
        let addresses = api.lookup.addresses(events).await;
        let addresses = addresses.map_err(AdministrationError::from)?;
        Ok(Self { addresses })
    }

    fn event(&self, event: &TraceEvent) -> Event {
        let shown = match &event.what {
            Happened::Accepted(arrival) => self.arrival(arrival),
            Happened::Refused(refusal) => of_refusal(refusal),
            Happened::Retrieved { of, octets } => Event {
                what: "retrieved",
                messages: vec![of.message.to_string()],
                user: Some(of.user.to_string()),
                size: Some(*octets),
                ..Event::default()
            },
            Happened::Removed {
                messages, user, by, ..
            } => Event {
                what: "removed",
                messages: messages.iter().map(ToString::to_string).collect(),
                user: Some(user.to_string()),
                by: Some(match by {
                    Remover::Owner => "owner",
                    Remover::Retention => "retention",
                }),
                ..Event::default()
            },
        };
        Event {
            id: event.id.to_string(),
            at: event.at().as_micros(),
            node: event.node.clone(),
            session: event.session.map(|session| format!("{session:08x}")),
            source: event.source.map(|source| source.to_string()),
            ..shown
        }
    }

    fn arrival(&self, arrival: &Arrival) -> Event {
        let recipients = arrival.recipients.iter();
        Event {
            what: "accepted",
            messages: vec![arrival.message.to_string()],
            user: arrival.user.as_ref().map(ToString::to_string),
            from: Some(bare(&arrival.reverse_path.to_string())),
            recipients: recipients.map(|reached| self.recipient(reached)).collect(),
            size: Some(arrival.size),
            message_id: arrival.header_id.clone(),
            helo: Some(arrival.way.helo.clone()),
            with: Some(arrival.way.with.clone()),
            tls: arrival.way.tls.clone(),
            ..Event::default()
        }
    }

    fn recipient(&self, reached: &Reached) -> Recipient {
        let account = |id: &AccountId| match self.addresses.get(id) {
            Some(address) => address.to_string(),
            None => id.to_string(),
        };
        let named = reached.named.as_ref().map(ToString::to_string);
        Recipient {
            address: named.unwrap_or_else(|| "postmaster".to_owned()),
            accounts: reached.accounts.iter().map(account).collect(),
        }
    }
}

fn of_refusal(refusal: &Refusal) -> Event {
    let recipient = |address: &Address| Recipient {
        address: address.to_string(),
        accounts: Vec::new(),
    };
    let path = refusal.reverse_path.as_ref();
    Event {
        what: "refused",
        messages: refusal.message.iter().map(ToString::to_string).collect(),
        user: refusal.user.as_ref().map(ToString::to_string),
        from: path.map(|path| bare(&path.to_string())),
        recipients: refusal.recipients.iter().map(recipient).collect(),
        command: Some(refusal.command.clone()),
        about: refusal.about.clone(),
        reply: Some(refusal.reply.clone()),
        rule: Some(refusal.rule.as_str()),
        ..Event::default()
    }
}

/// A path without its angle brackets.
fn bare(path: &str) -> String {
    let inner = path
        .strip_prefix('<')
        .and_then(|rest| rest.strip_suffix('>'));
    inner.unwrap_or(path).to_owned()
}
