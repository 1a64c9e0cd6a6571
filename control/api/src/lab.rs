//! What does a running lab tell about itself, and what can be asked of it?

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// `GET /v1/health`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The lab's name.
    pub lab: String,
    /// `ok`, or what is wrong with the engine.
    pub status: String,
    /// Instances whose process, container or namespace has ended, as in `web-1 (container nginx)`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<String>,
    /// The version of the program.
    pub version: String,
    /// The process id of the engine.
    pub pid: u32,
    /// The configuration in force.
    pub generation: u64,
    /// How long the engine has been up, in seconds.
    pub uptime_secs: u64,
    /// From the start of the process to the first packet it could take, in milliseconds.
    pub ready_after_ms: u64,
}

/// `GET /v1/generation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// The configuration that every packet from now on obeys.
    pub generation: u64,
}

/// The response to `PUT /v1/topology`: every packet from now on obeys; what of the instances could not follow, and who
/// lived in those that are gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// What is in force.
    #[serde(flatten)]
    pub replaced: Replaced,
    /// Instances whose links, addresses or files could not be brought to the new configuration, in sentences: the
    /// next `PUT`, also of the same topology, tries again. Then programs that were ended with their instances, and who
    /// lives on without the network of an instance that is gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// What became different with a new topology.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaced {
    /// The configuration now in force.
    pub generation: u64,
    /// What became different: the region, settings, then resources.
    pub changes: Vec<Change>,
}

/// A resource that became different, or the region, or a setting.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Change {
    /// `create`, `update` or `delete`.
    pub action: String,
    /// The plural kind, as in `subnets`; [`Change::REGION`] or [`Change::SETTINGS`].
    pub kind: String,
    /// The resource's name, the new region, or the setting's name.
    pub name: String,
}

impl Change {
    /// The kind of a change of the region.
    pub const REGION: &str = "region";
    /// The kind of a change of a setting.
    pub const SETTINGS: &str = "settings";
}

/// An instance or internet host as it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceState {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// `instance`, `internet_host`, `customer_host` or `service`.
    pub kind: String,
    /// Whether what it runs in is still there.
    #[serde(default)]
    pub state: RunState,
    /// Where it runs.
    pub attachment: Attachment,
    /// Its interfaces by device index.
    pub interfaces: Vec<InterfaceState>,
    /// What of it is not as declared, in sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// Whether an instance has something to run in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Its namespace is there, and its interfaces are connected.
    #[default]
    Running,
    /// What it was attached to has ended; it has no interfaces until it is attached again or detached.
    Gone,
}

/// Where an instance runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// What was attached.
    pub target: AttachmentTarget,
    /// A path that opens its network namespace.
    pub netns: String,
    /// The process whose namespaces `exec` enters; none for a namespace of the lab's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// The host name programs see.
    pub hostname: String,
    /// Files that `exec` puts in place, as (path on the host, path that programs see).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<(String, String)>,
}

/// What an instance is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttachmentTarget {
    /// A network namespace of the lab's own.
    Namespace,
    /// A named or mounted network namespace of somebody else.
    Netns(String),
    /// A running process.
    Process(i32),
    /// A Docker container, by name.
    Container(String),
}

/// What is to become an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttachRequest {
    /// What becomes the instance.
    pub target: AttachmentTarget,
}

/// `PUT /v1/instances/NAME/attachment`: an [`AttachRequest`] and where it is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttachBody {
    /// What becomes the instance.
    pub target: AttachmentTarget,
    /// The Docker engine that knows the container, as `DOCKER_HOST` has it: `unix:///PATH` and nothing else. Without
    /// it, the one the lab's own environment names, or `/var/run/docker.sock`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docker_host: Option<String>,
}

/// The response to `POST /v1/shutdown`, before the lab ends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shutdown {
    /// `shutting down`.
    pub status: String,
    /// Programs that `exec` started in the lab's own namespaces and that are ended, as in `nc (42) in web-1`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ended: Vec<String>,
    /// Whoever goes on without the lab's network: attached processes and containers, and strangers in its namespaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<String>,
}

/// An interface as it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceState {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// The device's name inside the namespace.
    pub device: String,
    /// Its hardware address.
    pub mac_address: String,
    /// Its addresses.
    pub addresses: Vec<String>,
    /// Public addresses by private address.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub public_ips: BTreeMap<String, String>,
    /// The largest IP packet, in bytes.
    pub mtu: u32,
}

/// `GET /v1/counters`: frames, since the engine started. A superframe counts once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Frames read.
    pub received: u64,
    /// Frames forwarded.
    pub forwarded: u64,
    /// Frames answered by the platform.
    pub answered: u64,
    /// ICMP errors the platform sent.
    pub born: u64,
    /// Frames that a device would not take.
    pub write_failures: u64,
    /// Flows remembered.
    pub flows: u64,
    /// Frames dropped by the engine, by interface and reason.
    pub dropped: Vec<DropCount>,
    /// Per device, what the kernel says.
    pub devices: Vec<PortCounters>,
}

/// Frames dropped for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DropCount {
    /// The interface or internet host they came from.
    pub port: String,
    /// The reason's name.
    pub reason: String,
    /// How many.
    pub frames: u64,
}

/// What the kernel counts at a device, seen from the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortCounters {
    /// The interface or internet host.
    pub port: String,
    /// Packets the guest sent.
    pub sent: u64,
    /// Packets the guest received.
    pub received: u64,
    /// Packets that the kernel's own ring dropped before the engine could read them.
    pub kernel_dropped: u64,
}
