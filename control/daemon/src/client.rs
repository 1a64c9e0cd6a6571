//! How does a program speak to a running lab?
//!
//! One method for each thing the control API does, blocking, over the lab's socket. What always holds: each ends within
//! a time, also where the daemon is dead or stopped, and a failure says which of these it is.

use std::io;
use std::path::Path;
use std::time::Duration;

use hyper::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use vpclab_api::{
    ApiError, Applied, AttachBody, AttachRequest, AttachmentTarget, Counters, ExplainRequest, Explained,
    Generation, Health, InstanceState, Replaced, RunState, Shutdown,
};
use vpclab_model::{Document, Topology};
use vpclab_tap::Netns;

use crate::foreign::describe_target as target;
use crate::http::{self, HttpError, escape};
use crate::inhabitants::{OwnHome, inhabitants};
use crate::paths::{InvalidLabName, LabPaths, paths};

/// How long a question may take: the daemon itself gives up on its engine sooner.
const QUESTION: Duration = Duration::from_secs(15);
/// How long what is to be done may take: a configuration for thousands of instances takes the kernel minutes.
const DEED: Duration = Duration::from_secs(600);
/// What a living daemon answers at once, whatever else it does.
const ARE_YOU_THERE: &str = "/v1/generation";

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
    /// Nobody listens, and nobody holds the lock of a lab whose files are there.
    #[error(
        "lab {0} has crashed: its daemon is gone, its instances and the programs in them live on without a network; `vpclab up TOPOLOGY --lab {0}` takes them over, `vpclab down --lab {0}` removes them"
    )]
    Crashed(String),
    /// Nobody listens, and somebody holds the lab's lock.
    #[error("lab {0} is starting or ending right now; try again in a moment")]
    NotReady(String),
    /// Somebody listens and does not answer in time.
    #[error(
        "lab {lab} has not answered within {} s: {}; `vpclab up` takes its instances over, and `vpclab down` removes them, once it is killed",
        patience.as_secs(),
        describe_silence(*pid)
    )]
    NoAnswer {
        /// The lab.
        lab: String,
        /// The process id of its daemon, where it is known.
        pid: Option<u32>,
        /// How long it was waited for.
        patience: Duration,
    },
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
        self.carry_out(Method::PUT, "/v1/topology", Some(document.as_value()))
    }

    /// What becomes of those who live in instances that `wanted` has no longer, in sentences as a change would say them.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn foretell(&self, wanted: &Topology) -> Result<Vec<String>, ClientError> {
        let mut states = self.instances()?;
        states.retain(|state| state.state == RunState::Running && !stays(state, wanted));
        let own = states.iter().filter(|state| state.attachment.target == AttachmentTarget::Namespace);
        // One whose namespace is gone meanwhile has nobody in it.
        let opened: Vec<(&InstanceState, Netns)> = own
            .filter_map(|state| Some((state, Netns::open_path(state.attachment.netns.as_ref()).ok()?)))
            .collect();
        let homes = opened.iter().filter_map(|(state, netns)| {
            let (file, _) = state.attachment.files.first()?;
            let files = Path::new(file).parent()?.to_owned();
            Some(OwnHome { netns, files, instance: state.name.clone() })
        });
        let inside = inhabitants(&homes.collect::<Vec<_>>());
        let ends = inside.programs.into_iter().map(|programs| format!("ends with its instance: {programs}"));
        let attached = states.iter().filter(|state| state.attachment.target != AttachmentTarget::Namespace);
        let attached = attached.map(|state| {
            let (target, kind) = (target(&state.attachment.target), state.kind.replace('_', " "));
            format!("{target}, which runs as {kind} {}", state.name)
        });
        let live_on = inside.strangers.into_iter().chain(attached);
        Ok(ends.chain(live_on.map(|left| format!("lives on: {left}"))).collect())
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
        self.carry_out(Method::POST, "/v1/explain", Some(request))
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
        self.carry_out(Method::PUT, &attachment(name), Some(&body))
    }

    /// Gives an instance a namespace of its own again.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn detach(&self, name: &str) -> Result<InstanceState, ClientError> {
        self.carry_out(Method::DELETE, &attachment(name), None::<&()>)
    }

    /// Asks the lab to end. It ends after the answer, which says who lives in it: [`crate::down`] also waits.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn shutdown(&self) -> Result<Shutdown, ClientError> {
        self.carry_out(Method::POST, "/v1/shutdown", None::<&()>)
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.send(Method::GET, path, None::<&()>, QUESTION)
    }

    /// Sends what may take its time, once it is known that somebody is there to do it.
    fn carry_out<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, ClientError> {
        self.get::<Generation>(ARE_YOU_THERE)?;
        self.send(method, path, body, DEED)
    }

    fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
        patience: Duration,
    ) -> Result<T, ClientError> {
        let internal = |error: &dyn std::fmt::Display| ApiError::new("InternalError", error.to_string());
        let body = body.map(serde_json::to_vec).transpose().map_err(|error| internal(&error))?;
        let response = http::request(&self.paths.socket, method, path, body, patience)
            .map_err(|error| self.explain_failure(error))?;
        if (200..300).contains(&response.status) {
            return Ok(serde_json::from_slice(&response.body).map_err(|error| internal(&error))?);
        }
        let unreadable = || internal(&format_args!("the lab answered with status {}", response.status));
        Err(serde_json::from_slice::<ApiError>(&response.body).unwrap_or_else(|_| unreadable()).into())
    }

    fn explain_failure(&self, error: HttpError) -> ClientError {
        let lab = self.paths.lab().to_owned();
        let broken = |sentence| ClientError::Broken(ApiError::new("Unavailable", sentence));
        match error {
            HttpError::Connect(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => self.explain_silence(),
                io::ErrorKind::PermissionDenied => anothers(&lab).into(),
                _ => broken(format!("lab {lab} cannot be reached: {error}")),
            },
            HttpError::TimedOut(patience) => {
                ClientError::NoAnswer { lab, pid: self.paths.read_pid(), patience }
            }
            HttpError::Broken(_) => broken(format!("lab {lab}: {error}")),
        }
    }

    /// Why nobody listens.
    fn explain_silence(&self) -> ClientError {
        let lab = self.paths.lab().to_owned();
        // A daemon writes its process id first of all.
        if self.paths.read_pid().is_none() {
            return ClientError::NoSuchLab(lab);
        }
        match self.paths.try_lock() {
            Ok(Some(_)) => ClientError::Crashed(lab),
            Ok(None) => ClientError::NotReady(lab),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => anothers(&lab).into(),
            // It has ended in order meanwhile.
            Err(_) => ClientError::NoSuchLab(lab),
        }
    }
}

/// Whether the topology still has it.
fn stays(state: &InstanceState, wanted: &Topology) -> bool {
    let name = state.name.as_str();
    match state.kind.as_str() {
        "internet_host" => wanted.internet_hosts.keys().any(|host| host.as_str() == name),
        "service" => wanted.services.keys().any(|service| service.as_str() == name),
        "customer_host" => wanted.customer_hosts.keys().any(|host| host.as_str() == name),
        _ => wanted.instances.keys().any(|instance| instance.as_str() == name),
    }
}

/// That a lab is not for whoever asks.
pub(crate) fn anothers(lab: &str) -> ApiError {
    let sentence = format!("lab {lab} belongs to another user; run this as root or as its owner");
    ApiError::new("UnauthorizedOperation", sentence)
}

/// Why a daemon does not answer, and what wakes it.
fn describe_silence(pid: Option<u32>) -> String {
    let Some(pid) = pid else { return "its daemon is stuck or busy".to_owned() };
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let state = status.lines().find_map(|line| line.strip_prefix("State:")).unwrap_or_default();
    if state.trim_start().starts_with(['T', 't']) {
        format!("its daemon (pid {pid}) is stopped, and `kill -CONT {pid}` lets it go on")
    } else {
        format!("its daemon (pid {pid}) is stuck or busy with a long change")
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
