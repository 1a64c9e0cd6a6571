//! How does a program speak to a running lab?
//!
//! One method for each thing the control API does, blocking, over the lab's socket. Every failure is either that no
//! lab runs or an [`ApiError`].

use std::io;
use std::time::Duration;

use hyper::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use vpclab_api::{
    ApiError, Applied, AttachBody, AttachRequest, AttachmentTarget, Counters, ExplainRequest, Explained,
    Generation, Health, InstanceState, Replaced, RunState, Shutdown,
};
use vpclab_model::Document;

use crate::foreign::describe_target as target;
use crate::http::{self, HttpError, escape};
use crate::paths::{InvalidLabName, LabPaths, paths};

/// A configuration for thousands of instances takes the kernel minutes.
const DEADLINE: Duration = Duration::from_secs(600);

/// The other end of a lab's control socket. Its methods block: call them outside of any async runtime.
#[derive(Debug, Clone)]
pub struct Client {
    paths: LabPaths,
}

/// Why a request got no answer, or a bad one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("no lab named {0} is running; start one with `vpclab up TOPOLOGY --lab {0}`")]
    NoSuchLab(String),
    /// The lab said no.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The lab broke off before it had answered: it may have died meanwhile.
    #[error(transparent)]
    Broken(ApiError),
}

impl Client {
    /// A client of the lab of this name. Nothing is sent yet.
    ///
    /// # Errors
    /// [`InvalidLabName`].
    pub fn new(lab: &str) -> Result<Self, InvalidLabName> {
        Ok(Self { paths: paths(lab)? })
    }

    /// How the lab is.
    ///
    /// # Errors
    /// [`ClientError`], as with every method.
    pub fn health(&self) -> Result<Health, ClientError> {
        self.get("/v1/health")
    }

    /// Which configuration is in force.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn generation(&self) -> Result<Generation, ClientError> {
        self.get("/v1/generation")
    }

    /// The document last applied.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn topology(&self) -> Result<Document, ClientError> {
        self.get::<Value>("/v1/topology").map(Document::from)
    }

    /// Makes `document` what the lab is; on return every packet obeys it. Says also which instances could not follow.
    ///
    /// # Errors
    /// [`ClientError`]; with a code `InvalidTopology` and every mistake when the document is wrong.
    pub fn apply(&self, document: &Document) -> Result<Applied, ClientError> {
        self.send(Method::PUT, "/v1/topology", Some(document.as_value()))
    }

    /// As [`Client::apply`], for whoever asks about the instances themselves.
    ///
    /// # Errors
    /// As [`Client::apply`].
    pub fn put_topology(&self, document: &Document) -> Result<Replaced, ClientError> {
        self.apply(document).map(|applied| applied.replaced)
    }

    /// Why does this packet pass or die?
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn explain(&self, request: &ExplainRequest) -> Result<Explained, ClientError> {
        self.send(Method::POST, "/v1/explain", Some(request))
    }

    /// Every instance and internet host as it runs.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn instances(&self) -> Result<Vec<InstanceState>, ClientError> {
        self.get("/v1/lab/instances")
    }

    /// The instance or internet host of this name or id as it runs.
    ///
    /// # Errors
    /// [`ClientError`]; code `InvalidInstanceID.NotFound`.
    pub fn instance(&self, name: &str) -> Result<InstanceState, ClientError> {
        self.get(&format!("/v1/lab/instances/{}", escape(name)))
    }

    /// The same for one that is to be entered.
    ///
    /// # Errors
    /// [`ClientError`]; code `IncorrectInstanceState` when what it was attached to has ended.
    pub fn running_instance(&self, name: &str) -> Result<InstanceState, ClientError> {
        let state = self.instance(name)?;
        match state.state {
            RunState::Running => Ok(state),
            RunState::Gone => Err(gone(&state).into()),
        }
    }

    /// All declared resources of a kind such as `subnets`, by name, with AWS's defaults filled in.
    ///
    /// # Errors
    /// [`ClientError`]; code `InvalidAction` for an unknown kind.
    pub fn resources(&self, kind: &str) -> Result<Value, ClientError> {
        self.get(&format!("/v1/{}", escape(kind)))
    }

    /// One declared resource, by kind and name or id.
    ///
    /// # Errors
    /// [`ClientError`]; EC2's code for an unknown resource of the kind.
    pub fn resource(&self, kind: &str, name: &str) -> Result<Value, ClientError> {
        self.get(&format!("/v1/{}/{}", escape(kind), escape(name)))
    }

    /// What the engine and the kernel have counted.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn counters(&self) -> Result<Counters, ClientError> {
        self.get("/v1/counters")
    }

    /// Makes a process, a named namespace or a container an instance. A container is one of the Docker engine that
    /// this process's `DOCKER_HOST` names, as for the `docker` command.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn attach(&self, name: &str, request: &AttachRequest) -> Result<InstanceState, ClientError> {
        let is_container = matches!(request.target, AttachmentTarget::Container(_));
        let docker_host = std::env::var("DOCKER_HOST").ok().filter(|host| is_container && !host.is_empty());
        let body = AttachBody { target: request.target.clone(), docker_host };
        self.send(Method::PUT, &attachment(name), Some(&body))
    }

    /// Gives an instance a namespace of its own again.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn detach(&self, name: &str) -> Result<InstanceState, ClientError> {
        self.send(Method::DELETE, &attachment(name), None::<&()>)
    }

    /// Asks the lab to end. It ends after the answer, which says who lives in it: [`crate::down`] also waits.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn shutdown(&self) -> Result<Shutdown, ClientError> {
        self.send(Method::POST, "/v1/shutdown", None::<&()>)
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.send(Method::GET, path, None::<&()>)
    }

    fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, ClientError> {
        let internal = |error: &dyn std::fmt::Display| ApiError::new("InternalError", error.to_string());
        let body = body.map(serde_json::to_vec).transpose().map_err(|error| internal(&error))?;
        let response = http::request(&self.paths.socket, method, path, body, DEADLINE)
            .map_err(|error| self.explain_failure(&error))?;
        if (200..300).contains(&response.status) {
            return Ok(serde_json::from_slice(&response.body).map_err(|error| internal(&error))?);
        }
        let unreadable = || internal(&format_args!("the lab answered with status {}", response.status));
        Err(serde_json::from_slice::<ApiError>(&response.body).unwrap_or_else(|_| unreadable()).into())
    }

    fn explain_failure(&self, error: &HttpError) -> ClientError {
        let lab = self.paths.lab();
        let broken = |sentence| ClientError::Broken(ApiError::new("Unavailable", sentence));
        match error {
            HttpError::Connect(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                    ClientError::NoSuchLab(lab.to_owned())
                }
                io::ErrorKind::PermissionDenied => ApiError::new(
                    "UnauthorizedOperation",
                    format!("lab {lab} belongs to another user; run this as root or as its owner"),
                )
                .into(),
                _ => broken(format!("lab {lab} cannot be reached: {error}")),
            },
            HttpError::Broken(_) => broken(format!("lab {lab}: {error}")),
        }
    }
}

/// That an instance has nothing to run in, and what to do.
fn gone(state: &InstanceState) -> ApiError {
    let name = &state.name;
    let sentence = format!(
        "{name} has nothing to run in: {} has ended; `vpclab detach {name}` gives it a namespace of its own, `vpclab attach {name}` something else to run in",
        target(&state.attachment.target)
    );
    ApiError::new("IncorrectInstanceState", sentence)
}

fn attachment(name: &str) -> String {
    format!("/v1/instances/{}/attachment", escape(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lab_that_does_not_run_is_said_so_with_what_to_do() {
        let error = Client::new("no-such-lab").unwrap().health().unwrap_err();
        assert_eq!(
            error.to_string(),
            "no lab named no-such-lab is running; start one with `vpclab up TOPOLOGY --lab no-such-lab`"
        );
    }
}
