//! How is one HTTP request made over a Unix socket?
//!
//! A connection for each request, HTTP/1.1, with a deadline. The control API's client and the question to Docker are
//! made of it. Blocking: to be called outside of any async runtime.

use std::io;
use std::path::Path;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

/// The largest body either side takes, in bytes.
pub(crate) const BODY_LIMIT: usize = 32 * 1024 * 1024;

/// What came back.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("{0}")]
    Connect(io::Error),
    #[error("the conversation broke: {0}")]
    Broken(String),
    #[error("no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
}

/// Sends one request, with a JSON body if there is one, and reads the whole response, all within `deadline`.
pub(crate) fn request(
    socket: &Path,
    method: Method,
    path: &str,
    body: Option<Vec<u8>>,
    deadline: Duration,
) -> Result<Response, HttpError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(HttpError::Connect)?;
    runtime.block_on(async {
        tokio::time::timeout(deadline, exchange(socket, method, path, body))
            .await
            .map_err(|_| HttpError::TimedOut(deadline))?
    })
}

/// `text` as one segment of a path (RFC 3986).
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

async fn exchange(
    socket: &Path,
    method: Method,
    path: &str,
    body: Option<Vec<u8>>,
) -> Result<Response, HttpError> {
    let broken = |error: &dyn std::fmt::Display| HttpError::Broken(error.to_string());
    let stream = UnixStream::connect(socket).await.map_err(HttpError::Connect)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header(header::HOST, "localhost");
    if body.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    let body = Full::new(Bytes::from(body.unwrap_or_default()));
    let request = request.body(body).map_err(|error| broken(&error))?;
    let response = sender.send_request(request).await.map_err(|error| broken(&error))?;
    let status = response.status().as_u16();
    let body =
        Limited::new(response.into_body(), BODY_LIMIT).collect().await.map_err(|error| broken(&error))?;
    Ok(Response { status, body: body.to_bytes() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_segment_whatever_it_holds() {
        assert_eq!(escape("shop/main"), "shop%2Fmain");
        assert_eq!(escape("a b?#%ü"), "a%20b%3F%23%25%C3%BC");
        assert_eq!(escape("web-1_a.b~"), "web-1_a.b~");
    }
}
