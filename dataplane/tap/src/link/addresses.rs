//! Which addresses does a link have, and which should it? Link-local IPv6 addresses are the kernel's own and stay.

use std::net::IpAddr;

use futures_util::TryStreamExt;
use ipnet::IpNet;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use rtnetlink::Handle;

use super::netlink::refused;
use super::{LinkConfig, LinkError};

/// Removes what does not belong.
pub(super) async fn remove(handle: &Handle, index: u32, config: &LinkConfig) -> Result<(), LinkError> {
    let name = &config.name;
    let present = present(handle, index, name).await?;
    for (address, message) in &present {
        let kernels_own = matches!(address.addr(), IpAddr::V6(address) if address.is_unicast_link_local());
        let stays = if config.addresses.contains(address) {
            speaks_first(*address, &present, config)
        } else {
            kernels_own
        };
        if !stays {
            let deleted = handle.address().del(message.clone()).execute().await;
            match deleted {
                // Its network's first address went before and took this one along.
                Err(rtnetlink::Error::NetlinkError(error)) if error.raw_code() == -libc::EADDRNOTAVAIL => {}
                other => other.map_err(refused(format!("removing address {address} from link {name}")))?,
            }
        }
    }
    Ok(())
}

/// Adds what is missing.
pub(super) async fn add(handle: &Handle, index: u32, config: &LinkConfig) -> Result<(), LinkError> {
    let name = &config.name;
    let remaining = present(handle, index, name).await?;
    for address in &config.addresses {
        if remaining.iter().any(|(present, _)| present == address) {
            continue;
        }
        let mut request = handle.address().add(index, address.addr(), address.prefix_len());
        if address.addr().is_ipv6() {
            request.message_mut().attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
        }
        request.execute().await.map_err(refused(format!("adding address {address} to link {name}")))?;
    }
    Ok(())
}

/// Every address of the namespace with the index of its link.
pub(super) async fn all(handle: &Handle) -> Result<Vec<(u32, IpNet)>, LinkError> {
    let messages = handle.address().get().execute().try_collect::<Vec<_>>().await;
    let messages = messages.map_err(refused("reading the addresses of all links"))?;
    Ok(messages.iter().filter_map(|message| Some((message.header.index, address(message)?))).collect())
}

/// Whether the kernel speaks from this network's configured first address. The order of arrival decides that, so an
/// address that came first and should not have been is taken away and added again behind.
fn speaks_first(address: IpNet, present: &[(IpNet, AddressMessage)], config: &LinkConfig) -> bool {
    let same_network = |other: &IpNet| other.trunc() == address.trunc();
    let first_present = present.iter().map(|(address, _)| address).find(|other| same_network(other));
    let first_wanted = config.addresses.iter().find(|other| same_network(other));
    address.addr().is_ipv6() || first_present == first_wanted
}

async fn present(handle: &Handle, index: u32, name: &str) -> Result<Vec<(IpNet, AddressMessage)>, LinkError> {
    let messages =
        handle.address().get().set_link_index_filter(index).execute().try_collect::<Vec<_>>().await;
    let messages = messages.map_err(refused(format!("reading the addresses of link {name}")))?;
    Ok(messages.into_iter().filter_map(|message| Some((address(&message)?, message))).collect())
}

/// The interface's own address: `IFA_LOCAL` where there is one (`IFA_ADDRESS` is the peer's then).
fn address(message: &AddressMessage) -> Option<IpNet> {
    let local = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    });
    let any = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Address(address) => Some(*address),
        _ => None,
    });
    IpNet::new(local.or(any)?, message.header.prefix_len).ok()
}
