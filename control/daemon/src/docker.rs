//! What does Docker know about a container?
//!
//! One question to the engine's Unix socket, with a short deadline. Left to others: what may be attached
//! ([`crate::foreign`]).

use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::http;

const SOCKET: &str = "/var/run/docker.sock";
/// An engine that is well answers in milliseconds.
const DEADLINE: Duration = Duration::from_secs(5);

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
    #[error(
        "DOCKER_HOST is {0}: only an engine of this machine can be asked, by a socket such as unix:///var/run/docker.sock"
    )]
    NotHere(String),
    #[error("Docker does not answer on {}: {error}", socket.display())]
    Unreachable { socket: PathBuf, error: http::HttpError },
    #[error("there is no container named {name} at the Docker engine on {}", socket.display())]
    NotFound { socket: PathBuf, name: String },
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

/// The container of this name or id, as it is now, at the engine that `host` names (as `DOCKER_HOST` does), or else
/// the one of this process's own environment.
pub(crate) fn inspect(name: &str, host: Option<&str>) -> Result<Container, DockerError> {
    let own = std::env::var("DOCKER_HOST").ok();
    let socket = socket(host.or(own.as_deref()).unwrap_or_default())?;
    let path = format!("/containers/{}/json", http::escape(name));
    let response = http::request(&socket, Method::GET, &path, None, DEADLINE)
        .map_err(|error| DockerError::Unreachable { socket: socket.clone(), error })?;
    let refused = |message: String| DockerError::Refused { name: name.to_owned(), message };
    match response.status {
        200 => {}
        404 => return Err(DockerError::NotFound { socket, name: name.to_owned() }),
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

/// The socket that a `DOCKER_HOST` means.
fn socket(host: &str) -> Result<PathBuf, DockerError> {
    if host.is_empty() {
        return Ok(PathBuf::from(SOCKET));
    }
    let path = host.strip_prefix("unix://").map(Path::new).filter(|path| path.is_absolute());
    path.map(Path::to_owned).ok_or_else(|| DockerError::NotHere(host.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::time::Instant;

    use super::*;

    #[test]
    fn an_engine_is_asked_on_this_machine_or_not_at_all() {
        assert_eq!(socket("").unwrap(), Path::new(SOCKET));
        assert_eq!(
            socket("unix:///run/user/1000/docker.sock").unwrap(),
            Path::new("/run/user/1000/docker.sock")
        );
        for host in ["tcp://127.0.0.1:2375", "ssh://me@there", "unix://", "unix://relative.sock", "/plain"] {
            let error = socket(host).unwrap_err().to_string();
            assert!(error.contains(host) && error.contains("unix:///"), "{error}");
        }
    }

    #[test]
    fn an_engine_that_never_answers_is_given_up_soon() {
        let path = std::env::temp_dir().join(format!("vpclab-test-{}-mute.sock", std::process::id()));
        let _mute = UnixListener::bind(&path).unwrap();
        let before = Instant::now();
        let error = inspect("web", Some(&format!("unix://{}", path.display()))).unwrap_err().to_string();
        std::fs::remove_file(&path).unwrap();
        assert!(error.contains("does not answer") && error.contains("within 5 s"), "{error}");
        assert!(before.elapsed() < DEADLINE * 2);
    }
}
