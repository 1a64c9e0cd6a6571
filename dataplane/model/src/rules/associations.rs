//! Which route table, which network ACL does a subnet use? (RT-02, NACL-05)
//!
//! A subnet may say it, or the table may list its subnets; both may agree, and may not contradict each other.

use std::collections::BTreeMap;

use crate::name::{Kind, Name, SubnetName, VpcName};
use crate::reader::{Given, List};
use crate::register::{Context, Register};

/// The explicit associations of kind `K`.
pub(super) fn explicit<'a, K: Kind + 'a>(
    cx: &Context<'_>,
    register: &Register<K>,
    word: &str,
    said_by_subnets: impl Iterator<Item = (&'a SubnetName, &'a Given<String>)>,
    said_by_others: impl Iterator<Item = (&'a Name<K>, &'a List<String>)>,
) -> BTreeMap<SubnetName, Name<K>> {
    const FOREIGN: &str = "InvalidParameterValue";
    let mut associations: BTreeMap<SubnetName, Name<K>> = BTreeMap::new();
    for (subnet, reference) in said_by_subnets {
        let Some(reference) = reference.written() else { continue };
        // A subnet without a VPC has been reported; its reference must resolve all the same.
        let name = match cx.registers.subnets.owner(subnet) {
            Some(vpc) => register.resolve_inside(cx.log, reference, vpc, Some(word), FOREIGN),
            None if reference.value == word => None,
            None => register.resolve(cx.log, reference),
        };
        associations.extend(name.map(|name| (subnet.clone(), name)));
    }
    for (name, subnets) in said_by_others {
        let vpc: Option<&VpcName> = register.owner(name);
        for reference in &subnets.items {
            let subnet = match vpc {
                Some(vpc) => cx.registers.subnets.resolve_inside(cx.log, reference, vpc, None, FOREIGN),
                None => cx.registers.subnets.resolve(cx.log, reference),
            };
            let Some(subnet) = subnet else { continue };
            match associations.get(&subnet) {
                Some(other) if other != name => cx.log.report(
                    &reference.at,
                    "Resource.AlreadyAssociated",
                    format!("the subnet {subnet} is already associated with the {} {other}", K::NOUN),
                    "a subnet uses one: keep one of the two associations",
                ),
                Some(_) => {}
                None => {
                    associations.insert(subnet, name.clone());
                }
            }
        }
    }
    associations
}
