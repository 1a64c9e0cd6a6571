//! The region and the owner of a resource, as written.

use crate::home::{DEFAULT_OWNER, Home};
use crate::reader::{Given, Reader};
use crate::register::Context;
use crate::shape::{Account, Region};

/// Where a resource lives and whose it is, as written.
#[derive(Debug)]
pub(crate) struct DeclaredHome {
    pub(crate) region: Given<Region>,
    pub(crate) owner: Given<Account>,
}

impl DeclaredHome {
    /// Takes `region` and `owner` of a resource that has both.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Self {
        Self { region: reader.take(&["region"]), owner: Self::read_owner(reader) }
    }

    /// Takes `owner` of a resource that belongs to no region.
    pub(crate) fn read_owner(reader: &mut Reader<'_>) -> Given<Account> {
        reader.take(&["owner", "owner_id"])
    }

    /// With the defaults: the document's region, and the one account. Nothing when any of it has been reported.
    pub(crate) fn settle(&self, cx: &Context<'_>) -> Option<Home> {
        let region = match &self.region {
            Given::Absent => cx.declared.region.clone()?,
            Given::Wrong => return None,
            Given::Right(written) => written.value.0.clone(),
        };
        let owner = match &self.owner {
            Given::Absent => DEFAULT_OWNER.to_owned(),
            Given::Wrong => return None,
            Given::Right(written) => written.value.0.clone(),
        };
        Some(Home { region, owner })
    }
}
