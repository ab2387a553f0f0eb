//! A client of the admin API, over a socket or in the same process.

use std::path::PathBuf;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tower_service::Service as _;

use crate::problem::Problem;

/// Speaks to the admin API.
pub enum Client {
    /// Of a running service, on this socket.
    Socket(PathBuf),
    /// Of this process.
    InProcess(Router),
}

/// Why a call gave no result.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The API refused, with its sentence.
    #[error("{}", .0.detail)]
    Refused(Problem),
    /// Nobody answers on the socket.
    #[error("failed to reach the service on {path}")]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What came back is no answer of this API.
    #[error("the service gave an answer that is not understood; is it of another version? ({0})")]
    Answer(String),
}

impl Client {
    /// GET with a JSON answer.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let answer = self.call(Method::GET, path, Vec::new()).await?;
        serde_json::from_slice(&answer).map_err(not_understood)
    }

    /// Any method with a JSON body; the answer's body is returned as JSON, null when it is empty.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<serde_json::Value, ClientError> {
        let body = serde_json::to_vec(body).map_err(not_understood)?;
        let answer = self.call(method, path, body).await?;
        if answer.is_empty() {
            return Ok(serde_json::Value::Null);
        }
        serde_json::from_slice(&answer).map_err(not_understood)
    }

    /// GET of octets, which are handed over piece by piece.
    ///
    /// # Errors
    /// See [`ClientError`]; the answer may break off after some pieces.
    pub async fn fetch(&self, path: &str, take: impl FnMut(&[u8])) -> Result<(), ClientError> {
        let request = Request::builder()
            .uri(path)
            .header(header::HOST, "cassmail");
        match self {
            Self::Socket(socket) => {
                let request = request.body(Full::default()).map_err(not_understood)?;
                let hand_over = |answer| hand_over(answer, take);
                over_socket(socket, request, hand_over).await
            }
            Self::InProcess(router) => {
                let request = request.body(Body::empty()).map_err(not_understood)?;
                let answer = router.clone().call(request).await;
                let answer = answer.unwrap_or_else(|never| match never {});
                hand_over(answer, take).await
            }
        }
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Vec<u8>, ClientError> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "cassmail")
            .header(header::CONTENT_TYPE, "application/json");
        let (status, body) = match self {
            Self::Socket(socket) => {
                let request = request.body(Full::from(body)).map_err(not_understood)?;
                over_socket(socket, request, collect).await?
            }
            Self::InProcess(router) => {
                let request = request.body(Body::from(body)).map_err(not_understood)?;
                let answer = router.clone().call(request).await;
                let answer = answer.unwrap_or_else(|never| match never {});
                collect(answer).await?
            }
        };
        if status.is_success() {
            return Ok(body);
        }
        let problem = serde_json::from_slice::<Problem>(&body);
        Err(problem.map_or_else(|_| unknown(status, &body), ClientError::Refused))
    }
}

async fn over_socket<T>(
    path: &PathBuf,
    request: Request<Full<bytes::Bytes>>,
    read: impl AsyncFnOnce(Response<hyper::body::Incoming>) -> Result<T, ClientError>,
) -> Result<T, ClientError> {
    let unreachable = |source| ClientError::Unreachable {
        path: path.clone(),
        source,
    };
    let stream = tokio::net::UnixStream::connect(path)
        .await
        .map_err(unreachable)?;
    let connected = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = connected.map_err(not_understood)?;
    let exchange = async {
        let answer = sender.send_request(request).await.map_err(not_understood)?;
        drop(sender);
        read(answer).await
    };
    let (answer, _closed) = tokio::join!(exchange, connection);
    answer
}

async fn collect<B>(answer: Response<B>) -> Result<(StatusCode, Vec<u8>), ClientError>
where
    B: hyper::body::Body,
    B::Error: std::fmt::Display,
{
    let status = answer.status();
    let body = answer.into_body().collect().await.map_err(not_understood)?;
    Ok((status, body.to_bytes().to_vec()))
}

/// Hands over the octets of an answer, unless it is a problem.
async fn hand_over<B>(answer: Response<B>, mut take: impl FnMut(&[u8])) -> Result<(), ClientError>
where
    B: hyper::body::Body<Data = bytes::Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    if !answer.status().is_success() {
        let (status, body) = collect(answer).await?;
        let problem = serde_json::from_slice::<Problem>(&body);
        return Err(problem.map_or_else(|_| unknown(status, &body), ClientError::Refused));
    }
    let mut body = answer.into_body();
    while let Some(frame) = body.frame().await {
        if let Ok(piece) = frame.map_err(not_understood)?.into_data() {
            take(&piece);
        }
    }
    Ok(())
}

fn not_understood(error: impl std::fmt::Display) -> ClientError {
    ClientError::Answer(error.to_string())
}

fn unknown(status: StatusCode, body: &[u8]) -> ClientError {
    ClientError::Answer(format!(
        "{status}: {}",
        String::from_utf8_lossy(body).trim()
    ))
}
