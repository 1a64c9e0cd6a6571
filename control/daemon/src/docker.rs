//! What does Docker know about a container?
//!
//! One question to the engine's Unix socket. Left to others: what may be attached ([`crate::attach`]).

use std::path::PathBuf;

use hyper::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::http;

const SOCKET: &str = "/var/run/docker.sock";

/// The engine's socket: the one in `DOCKER_HOST`, as for the `docker` command, where that is a Unix socket.
fn socket() -> PathBuf {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    PathBuf::from(host.strip_prefix("unix://").unwrap_or(SOCKET))
}

/// What an attachment needs to know of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Container {
    pub(crate) id: String,
    /// The first process, while it runs.
    pub(crate) pid: Option<i32>,
    /// As in `none` or `bridge`.
    pub(crate) network_mode: String,
    pub(crate) resolv_conf: Option<PathBuf>,
}

/// Why a container cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DockerError {
    #[error("Docker does not answer on {}: {error}", socket.display())]
    Unreachable { socket: PathBuf, error: http::HttpError },
    #[error("there is no container named {0}")]
    NotFound(String),
    #[error("Docker says about container {name}: {message}")]
    Refused { name: String, message: String },
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    id: String,
    state: State,
    host_config: HostConfig,
    #[serde(default)]
    resolv_conf_path: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    running: bool,
    pid: i32,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HostConfig {
    #[serde(default)]
    network_mode: String,
}

/// The container of this name or id, as it is now.
pub(crate) fn inspect(name: &str) -> Result<Container, DockerError> {
    let socket = socket();
    let path = format!("/containers/{}/json", http::escape(name));
    let response = http::request(&socket, Method::GET, &path, None)
        .map_err(|error| DockerError::Unreachable { socket: socket.clone(), error })?;
    let refused = |message: String| DockerError::Refused { name: name.to_owned(), message };
    match response.status {
        200 => {}
        404 => return Err(DockerError::NotFound(name.to_owned())),
        _ => {
            let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
            return Err(refused(body["message"].as_str().unwrap_or("nothing that helps").to_owned()));
        }
    }
    let inspected: Inspected = serde_json::from_slice(&response.body)
        .map_err(|error| refused(format!("unreadable JSON: {error}")))?;
    Ok(Container {
        id: inspected.id,
        pid: Some(inspected.state.pid).filter(|pid| inspected.state.running && *pid > 0),
        network_mode: inspected.host_config.network_mode,
        resolv_conf: Some(inspected.resolv_conf_path).filter(|path| !path.is_empty()).map(PathBuf::from),
    })
}
