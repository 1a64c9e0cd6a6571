//! Managed prefix lists, as written.

use ipnet::IpNet;

use crate::declared::DeclaredHome;
use crate::log::{Log, Place};
use crate::name::ManagedPrefixListName;
use crate::reader::{Given, Reader};
use crate::resources::{AddressFamily, Labels};

/// A managed prefix list as written.
#[derive(Debug)]
pub(crate) struct DeclaredManagedPrefixList {
    pub(crate) at: Place,
    pub(crate) address_family: Given<AddressFamily>,
    pub(crate) max_entries: Given<i64>,
    pub(crate) entries: Vec<DeclaredPrefixListEntry>,
    pub(crate) version: Given<i64>,
    pub(crate) home: DeclaredHome,
    pub(crate) labels: Labels,
}

/// An entry as written.
#[derive(Debug)]
pub(crate) struct DeclaredPrefixListEntry {
    pub(crate) cidr: Given<IpNet>,
    pub(crate) description: Option<String>,
}

impl DeclaredManagedPrefixList {
    pub(super) fn read(reader: &mut Reader<'_>, log: &Log, _: &ManagedPrefixListName) -> Self {
        const MOST: i64 = 1000;
        let entry = |(at, object)| {
            let mut reader = Reader::new(log, at, object, "an entry of a managed prefix list");
            let entry = DeclaredPrefixListEntry {
                cidr: reader.require(&["cidr", "cidr_block"], "a block such as 10.0.0.0/16"),
                description: reader.take(&["description"]).value().cloned(),
            };
            reader.finish();
            entry
        };
        Self {
            at: reader.at().clone(),
            address_family: reader.require(&["address_family"], "IPv4 or IPv6"),
            // RT-23
            max_entries: reader.number(&["max_entries"], 1..=MOST),
            entries: reader.objects(&["entries", "entry"]).into_iter().flatten().map(entry).collect(),
            version: reader.number(&["version"], 1..=i64::MAX),
            home: DeclaredHome::read(reader),
            labels: reader.labels(),
        }
    }
}
