//! How is a running lab asked and changed from outside?
//!
//! JSON over HTTP on a Unix socket that only the owner may open. Every failure is an [`ApiError`], also for a path,
//! method or body that makes no sense. What always holds: a response that says "done" comes after the change; nothing
//! here waits on the packet path. Left to others: what a change means ([`crate::lab`] and its neighbours).

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::serve::Listener;
use axum::{Json, Router};
use hyper::body::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::unix::SocketAddr;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use vpclab_api::{
    ApiError, Applied, AttachBody, Counters, ExplainRequest, Explained, Generation, Health, InstanceState,
    Shutdown,
};
use vpclab_model::{Document, Syntax};

use crate::http::BODY_LIMIT;
use crate::lab::Lab;
use crate::resources;
use crate::up::ExplainFn;

/// Why a lab ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Signal,
    /// `POST /v1/shutdown`.
    Asked,
    /// Whoever the lab was started for has ended.
    OwnerGone,
    EngineLost,
}

/// What every request can use.
#[derive(Clone)]
struct Api {
    lab: Arc<Lab>,
    explain: ExplainFn,
    end: mpsc::Sender<Ending>,
}

/// An error with the status that fits its code.
struct Failure(ApiError);

/// Accepts connections of root and of the daemon's own user.
struct OwnerOnly {
    listener: UnixListener,
    owner: u32,
}

type Answer<T> = Result<Json<T>, Failure>;
type Name = Result<Path<String>, PathRejection>;
type Body = Result<Bytes, BytesRejection>;

/// Serves the API until `stopped` comes.
pub(crate) async fn serve(
    listener: UnixListener,
    lab: Arc<Lab>,
    explain: ExplainFn,
    end: mpsc::Sender<Ending>,
    stopped: oneshot::Receiver<()>,
) {
    let owner = nix::unistd::geteuid().as_raw();
    let router = router(Api { lab, explain, end });
    let stopped = async {
        // A sender that is gone means the same.
        let _ = stopped.await;
    };
    let served = axum::serve(OwnerOnly { listener, owner }, router).with_graceful_shutdown(stopped).await;
    if let Err(error) = served {
        tracing::error!(%error, "the control API has ended");
    }
}

fn router(api: Api) -> Router {
    Router::new()
        .route("/v1/health", get(health))
        .route("/v1/generation", get(generation))
        .route("/v1/topology", get(topology).put(replace_topology))
        .route("/v1/explain", post(explain))
        .route("/v1/counters", get(counters))
        .route("/v1/shutdown", post(shutdown))
        .route("/v1/lab/instances", get(instances))
        .route("/v1/lab/instances/{name}", get(instance))
        .route("/v1/instances/{name}/attachment", put(attach).delete(detach))
        .route("/v1/{kind}", get(list))
        .route("/v1/{kind}/{name}", get(resource))
        .fallback(async || {
            Failure::new("InvalidAction", "there is nothing at this path; the API begins with /v1/")
        })
        .method_not_allowed_fallback(async || Failure::new("InvalidAction", NOT_THIS_METHOD))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(api)
}

const NOT_THIS_METHOD: &str = "this path does not know this method";

async fn health(State(api): State<Api>) -> Answer<Health> {
    blocking(move || Ok(api.lab.health())).await
}

async fn generation(State(api): State<Api>) -> Json<Generation> {
    Json(Generation { generation: api.lab.declared().fabric.generation })
}

async fn topology(State(api): State<Api>) -> Json<Value> {
    Json(api.lab.declared().document.as_value().clone())
}

async fn replace_topology(State(api): State<Api>, body: Body) -> Answer<Applied> {
    let body = whole(body)?;
    blocking(move || api.lab.replace(document(&body)?)).await
}

async fn explain(State(api): State<Api>, body: Body) -> Answer<Explained> {
    let request: ExplainRequest = parse(&whole(body)?)?;
    blocking(move || {
        let declared = api.lab.declared();
        (api.explain)(&declared.fabric, &declared.topology, &request)
    })
    .await
}

async fn counters(State(api): State<Api>) -> Answer<Counters> {
    blocking(move || api.lab.counters()).await
}

async fn shutdown(State(api): State<Api>) -> Answer<Shutdown> {
    let lab = api.lab.clone();
    // A lab that a failed change has left undefined can be ended all the same.
    let told = blocking(move || Ok(lab.farewell().unwrap_or_default())).await;
    // A full channel holds an ending already.
    let _ = api.end.try_send(Ending::Asked);
    told
}

async fn instances(State(api): State<Api>) -> Answer<Vec<InstanceState>> {
    blocking(move || {
        api.lab.retire_gone();
        Ok(api.lab.instances())
    })
    .await
}

async fn instance(State(api): State<Api>, name: Name) -> Answer<InstanceState> {
    let name = named(name)?;
    // Whoever asks may be about to enter it: another process may have its process id by now.
    blocking(move || {
        api.lab.retire_gone();
        api.lab.instance(&name)
    })
    .await
}

async fn attach(State(api): State<Api>, name: Name, body: Body) -> Answer<InstanceState> {
    let (name, request) = (named(name)?, parse::<AttachBody>(&whole(body)?)?);
    blocking(move || api.lab.attach(&name, &request)).await
}

async fn detach(State(api): State<Api>, name: Name) -> Answer<InstanceState> {
    let name = named(name)?;
    blocking(move || api.lab.detach(&name)).await
}

async fn list(State(api): State<Api>, kind: Name) -> Answer<Value> {
    Ok(Json(resources::list(&api.lab.declared().topology, &named(kind)?)?))
}

async fn resource(
    State(api): State<Api>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Answer<Value> {
    let Path((kind, name)) =
        path.map_err(|error| Failure::new("InvalidParameterValue", &error.body_text()))?;
    Ok(Json(resources::get(&api.lab.declared().topology, &kind, &name)?))
}

/// Runs what may wait, for the kernel or for another change, beside the reactor.
async fn blocking<T: Serialize + Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Answer<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => Ok(Json(outcome?)),
        Err(_) => {
            Err(Failure::new("InternalError", "the request failed unexpectedly; the daemon's log says why"))
        }
    }
}

fn whole(body: Body) -> Result<Bytes, Failure> {
    body.map_err(|error| {
        if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
            let sentence = format!("the body is larger than {} MiB", BODY_LIMIT / 1024 / 1024);
            return Failure::new("RequestEntityTooLarge", &sentence);
        }
        Failure::new("InvalidParameterValue", &error.body_text())
    })
}

fn named(name: Name) -> Result<String, Failure> {
    name.map(|Path(name)| name).map_err(|error| Failure::new("InvalidParameterValue", &error.body_text()))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| {
        Failure::new("InvalidParameterValue", &format!("the body is not what this path takes: {error}"))
    })
}

/// A topology's document: JSON in which no key appears twice.
fn document(body: &[u8]) -> Result<Document, ApiError> {
    let refused = |sentence: String| ApiError::new("InvalidParameterValue", sentence);
    let text =
        std::str::from_utf8(body).map_err(|error| refused(format!("the body is not UTF-8: {error}")))?;
    Document::parse(text, Syntax::Json)
        .map_err(|error| refused(format!("the body is not a JSON document: {error}")))
}

impl Failure {
    fn new(code: &str, message: &str) -> Self {
        Self(ApiError::new(code, message))
    }

    fn status(&self) -> StatusCode {
        let code = self.0.error.code.as_str();
        match code {
            "InternalError" => StatusCode::INTERNAL_SERVER_ERROR,
            "Unavailable" => StatusCode::SERVICE_UNAVAILABLE,
            "RequestEntityTooLarge" => StatusCode::PAYLOAD_TOO_LARGE,
            "InvalidAction" if self.0.error.message == NOT_THIS_METHOD => StatusCode::METHOD_NOT_ALLOWED,
            "InvalidAction" => StatusCode::NOT_FOUND,
            "DependencyViolation" | "IncorrectState" | "Resource.AlreadyAssociated" => StatusCode::CONFLICT,
            "InvalidServiceName" | "ResourceNotFoundException" => StatusCode::NOT_FOUND,
            _ if code.ends_with("NotFound") => StatusCode::NOT_FOUND,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status(), Json(self.0)).into_response()
    }
}

impl Listener for OwnerOnly {
    type Io = UnixStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => match stream.peer_cred() {
                    Ok(peer) if peer.uid() == 0 || peer.uid() == self.owner => return (stream, address),
                    Ok(peer) => tracing::warn!(uid = peer.uid(), "a connection of another user was refused"),
                    Err(error) => tracing::warn!(%error, "a connection without credentials was refused"),
                },
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    // Out of descriptors, most likely: trying at once would spin.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_failure_has_its_status() {
        // proves: ERR-34
        for (code, status) in [
            ("InvalidTopology", 400),
            ("InvalidVpcID.NotFound", 404),
            ("NatGatewayNotFound", 404),
            ("InvalidServiceName", 404),
            ("InvalidAction", 404),
            ("DependencyViolation", 409),
            ("RequestEntityTooLarge", 413),
            ("InternalError", 500),
            ("Unavailable", 503),
        ] {
            assert_eq!(Failure::new(code, "").status().as_u16(), status, "{code}");
        }
        assert_eq!(Failure::new("InvalidAction", NOT_THIS_METHOD).status().as_u16(), 405);
    }

    #[test]
    fn a_document_with_a_key_twice_or_no_json_is_refused() {
        for body in [&b"{\"vpcs\": {}, \"vpcs\": {}}"[..], b"{", b"\xff"] {
            assert_eq!(document(body).unwrap_err().error.code, "InvalidParameterValue");
        }
    }
}
