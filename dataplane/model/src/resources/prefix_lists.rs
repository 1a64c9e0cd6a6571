//! Managed prefix lists.

use ipnet::IpNet;
use serde::Serialize;

use crate::home::Home;
use crate::name::ManagedPrefixListName;
use crate::resources::Labels;

/// A managed prefix list (RT-19..RT-24, SG-15, SG-25).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ManagedPrefixList {
    /// Where it lives and whose it is: it serves in its own region only.
    #[serde(flatten)]
    pub home: Home,
    /// The family of all its entries (RT-23).
    pub address_family: AddressFamily,
    /// Whose it is.
    pub managed_by: PrefixListOwner,
    /// How many entries it may have.
    pub max_entries: u32,
    /// Its entries, sorted, none twice.
    pub entries: Vec<PrefixListEntry>,
    /// Counts its changes, from 1 (RT-23).
    pub version: u64,
    /// Labels, and whether all is known of it.
    #[serde(flatten)]
    pub labels: Labels,
}

/// An entry of a managed prefix list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PrefixListEntry {
    /// Addresses, host bits zero.
    pub cidr: IpNet,
    /// What they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// The family of a managed prefix list's entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum AddressFamily {
    /// IPv4.
    #[serde(rename = "IPv4")]
    Ipv4,
    /// IPv6.
    #[serde(rename = "IPv6")]
    Ipv6,
}

/// Whose a managed prefix list is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PrefixListOwner {
    /// The customer's.
    Customer,
    /// AWS's, which counts with this weight (RT-22).
    Aws {
        /// How many entries it counts for.
        weight: u32,
    },
}

impl ManagedPrefixList {
    /// How much a reference counts towards the quota of a route table or of a security group: the most entries it may
    /// have, or its weight where AWS manages it (RT-21, SG-15).
    #[must_use]
    pub fn weight(&self) -> u32 {
        match self.managed_by {
            PrefixListOwner::Customer => self.max_entries,
            PrefixListOwner::Aws { weight } => weight,
        }
    }

    /// The blocks of its entries.
    pub fn blocks(&self) -> impl Iterator<Item = IpNet> + '_ {
        self.entries.iter().map(|entry| entry.cidr)
    }
}

impl AddressFamily {
    /// Whether `block` is of this family.
    #[must_use]
    pub fn has(self, block: &IpNet) -> bool {
        matches!((self, block), (Self::Ipv4, IpNet::V4(_)) | (Self::Ipv6, IpNet::V6(_)))
    }
}

/// The weight of the list that AWS manages under this name (RT-22): `com.amazonaws.REGION.s3` and the like. None for a
/// name that is not AWS's; one that AWS publishes no weight for counts 1.
#[must_use]
pub(crate) fn weight_of_aws_list(name: &ManagedPrefixListName) -> Option<u32> {
    const WEIGHTS: &[(&str, u32)] = &[
        ("cloudfront.origin-facing", 55),
        ("dynamodb", 1),
        ("s3", 1),
        ("s3express", 6),
        ("ec2-instance-connect", 2),
        ("ground-station", 5),
        ("groundstation", 5),
        ("route53-healthchecks", 25),
        ("secretsmanager", 20),
        ("vpc-lattice", 10),
    ];
    let (_region, service) = name.as_str().strip_prefix("com.amazonaws.")?.split_once('.')?;
    // The lists of IPv6 addresses are called `com.amazonaws.REGION.ipv6.SERVICE`.
    let service = service.strip_prefix("ipv6.").unwrap_or(service);
    Some(WEIGHTS.iter().find(|(known, _)| *known == service).map_or(1, |(_, weight)| *weight))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_that_aws_manages_have_the_weights_it_publishes() {
        let cases = [
            ("com.amazonaws.us-east-1.s3", Some(1)),
            ("com.amazonaws.global.cloudfront.origin-facing", Some(55)),
            ("com.amazonaws.us-east-1.dynamodb", Some(1)),
            ("com.amazonaws.us-east-1.s3express", Some(6)),
            ("com.amazonaws.us-east-1.ec2-instance-connect", Some(2)),
            ("com.amazonaws.us-east-1.ipv6.ec2-instance-connect", Some(2)),
            ("com.amazonaws.global.groundstation", Some(5)),
            ("com.amazonaws.us-east-1.route53-healthchecks", Some(25)),
            ("com.amazonaws.us-east-1.secretsmanager", Some(20)),
            ("com.amazonaws.us-east-1.ipv6.vpc-lattice", Some(10)),
            ("offices", None),
        ];
        for (name, weight) in cases {
            assert_eq!(weight_of_aws_list(&ManagedPrefixListName::new(name)), weight, "{name}");
        }
    }
}
