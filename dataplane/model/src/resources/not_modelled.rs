//! Resources of kinds that are stored and not modelled.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::name::{NetworkInterfaceName, SecurityGroupName, SubnetName, VpcName};
use crate::resources::Labels;

/// Resources by name, by the key of their kind: those of [`crate::NOT_MODELLED`] that a document declares.
pub type NotModelledResources = BTreeMap<&'static str, BTreeMap<String, NotModelled>>;

/// A resource of a kind that is stored and not modelled.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NotModelled {
    /// The VPC it belongs to, where it says one.
    pub vpc: Option<VpcName>,
    /// The subnets it is in.
    pub subnets: Vec<SubnetName>,
    /// Its security groups, where it names some.
    pub security_groups: Vec<SecurityGroupName>,
    /// The interfaces that it has put into its subnets.
    pub network_interfaces: Vec<NetworkInterfaceName>,
    /// Everything else, as written.
    pub attributes: Map<String, Value>,
    /// Labels, and whether all that is declared of it is known.
    #[serde(flatten)]
    pub labels: Labels,
}

impl NotModelled {
    /// The text of an attribute that is kept as written.
    pub fn says(&self, attribute: &str) -> Option<&str> {
        self.attributes.get(attribute).and_then(Value::as_str)
    }
}
