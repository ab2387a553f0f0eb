//! `/v1/mailboxes`: what is in somebody's maildrop.

use axum::body::Body as AnswerBody;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use cassmail_mail::{Address, MessageId};
use cassmail_office::{MailboxReport, MessageLine};
use cassmail_store::BodyReader;
use cassmail_telemetry::chain;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::quota::Fill;
use super::request::{Asked, Body, MailPage, Named, NamedWithin};
use super::{Answer, Api, field};
use crate::problem::Problem;

/// Each page costs a listing of the whole maildrop, so pages are large; a message is a line.
const LARGEST_PAGE: usize = 10_000;

/// So many are removed by one request.
const MOST_REMOVED: usize = 10_000;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/mailboxes/{address}", get(show))
        .route("/mailboxes/{address}/messages", get(list))
        .route("/mailboxes/{address}/remove", post(remove_all))
        .route(
            "/mailboxes/{address}/messages/{id}",
            axum::routing::delete(remove),
        )
        .route("/mailboxes/{address}/messages/{id}/headers", get(headers))
        .route("/mailboxes/{address}/messages/{id}/raw", get(raw))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MessageRemoval)]
pub(super) struct Removal {
    ids: Vec<String>,
}

/// Times are in seconds since 1970.
#[derive(Serialize, ToSchema)]
#[schema(as = Mailbox)]
pub(super) struct Shown {
    address: String,
    messages: u64,
    octets: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    newest: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quota: Option<Fill>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Message)]
pub(super) struct Line {
    id: String,
    uidl: String,
    octets: u64,
    came_at: u64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = MessageHeader)]
pub(super) struct Header {
    /// What is not UTF-8 is replaced by U+FFFD; the raw message has it.
    header: String,
    is_cut: bool,
}

#[derive(Serialize, ToSchema)]
#[schema(as = MessagesRemoved)]
pub(super) struct Removed {
    removed: usize,
}

impl From<MailboxReport> for Shown {
    fn from(report: MailboxReport) -> Self {
        let seconds = |time: cassmail_mail::UnixTime| time.as_micros() / 1_000_000;
        Self {
            address: report.address.to_string(),
            messages: report.usage.messages,
            octets: report.usage.octets,
            oldest: report.oldest.map(seconds),
            newest: report.newest.map(seconds),
            quota: Fill::of(report.filled),
        }
    }
}

impl From<MessageLine> for Line {
    fn from(line: MessageLine) -> Self {
        Self {
            id: line.id.to_string(),
            uidl: line.uidl.to_string(),
            octets: line.size,
            came_at: line.came_at.as_micros() / 1_000_000,
        }
    }
}

#[utoipa::path(
    get,
    path = "/v1/mailboxes/{address}",
    responses((status = 200, body = Shown)),
)]
pub(super) async fn show(State(api): State<Api>, Named(address): Named) -> Answer<Json<Shown>> {
    let address: Address = field("address", &address)?;
    let report = api.administration.mailbox(&address).await?;
    Ok(Json(report.into()))
}

#[utoipa::path(
    get,
    path = "/v1/mailboxes/{address}/messages",
    params(MailPage),
    responses((status = 200, body = Vec<Line>)),
)]
pub(super) async fn list(
    State(api): State<Api>,
    Named(address): Named,
    Asked(page): Asked<MailPage>,
) -> Answer<Json<Vec<Line>>> {
    let address: Address = field("address", &address)?;
    let after = page.after.map(|text| field("after", &text)).transpose()?;
    let limit = page.limit.unwrap_or(1000).clamp(1, LARGEST_PAGE);
    let lines = api.administration.messages(&address, after, limit).await?;
    Ok(Json(lines.into_iter().map(Line::from).collect()))
}

#[utoipa::path(
    get,
    path = "/v1/mailboxes/{address}/messages/{id}/headers",
    responses((status = 200, body = Header)),
)]
pub(super) async fn headers(State(api): State<Api>, which: NamedWithin) -> Answer<Json<Header>> {
    let (address, id) = message(&which)?;
    let found = api.administration.message_header(&address, id).await?;
    Ok(Json(Header {
        header: String::from_utf8_lossy(&found.octets).into_owned(),
        is_cut: found.is_cut,
    }))
}

/// The octets as their owner is given them, piece by piece. If they cannot be read to the end, the
/// answer breaks off.
#[utoipa::path(
    get,
    path = "/v1/mailboxes/{address}/messages/{id}/raw",
    responses((status = 200, body = Vec<u8>, content_type = "message/rfc822")),
)]
pub(super) async fn raw(State(api): State<Api>, which: NamedWithin) -> Answer<Response> {
    let (address, id) = message(&which)?;
    let body = api.administration.message(&address, id).await?;
    let pieces = futures_util::stream::unfold(Some(body), next_piece);
    let kind = [
        (header::CONTENT_TYPE, "message/rfc822"),
        (header::CONTENT_DISPOSITION, "attachment"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((kind, AnswerBody::from_stream(pieces)).into_response())
}

type Piece = Result<bytes::Bytes, std::io::Error>;

async fn next_piece(
    body: Option<Box<dyn BodyReader>>,
) -> Option<(Piece, Option<Box<dyn BodyReader>>)> {
    let mut body = body?;
    match body.next().await {
        Ok(Some(piece)) => Some((Ok(piece), Some(body))),
        Ok(None) => None,
        Err(error) => {
            tracing::error!(
                event = cassmail_telemetry::event::STORE_OPERATION_FAILED,
                error = %chain(&error)
            );
            Some((Err(std::io::Error::other(error)), None))
        }
    }
}

#[utoipa::path(
    delete,
    path = "/v1/mailboxes/{address}/messages/{id}",
    responses((status = 204)),
)]
pub(super) async fn remove(State(api): State<Api>, which: NamedWithin) -> Answer<StatusCode> {
    let (address, id) = message(&which)?;
    let ids = vec![id];
    api.administration.remove_messages(&address, ids).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[utoipa::path(
    post,
    path = "/v1/mailboxes/{address}/remove",
    request_body = Removal,
    responses((status = 200, body = Removed)),
)]
pub(super) async fn remove_all(
    State(api): State<Api>,
    Named(address): Named,
    Body(removal): Body<Removal>,
) -> Answer<Json<Removed>> {
    let address: Address = field("address", &address)?;
    if removal.ids.len() > MOST_REMOVED {
        let text = format!("expected at most {MOST_REMOVED}, got {}", removal.ids.len());
        return Err(Problem::invalid("ids", text));
    }
    let ids = removal.ids.iter().map(|text| field("ids", text));
    let ids = ids.collect::<Answer<Vec<MessageId>>>()?;
    let removed = api.administration.remove_messages(&address, ids).await?;
    Ok(Json(Removed { removed }))
}

fn message(NamedWithin(address, id): &NamedWithin) -> Answer<(Address, MessageId)> {
    Ok((field("address", address)?, field("id", id)?))
}
