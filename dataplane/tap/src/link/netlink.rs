//! How are links read and set over rtnetlink? One session is a runtime, a socket and a deadline on a thread inside
//! the namespace; the rest of the module is one function for each thing a link has.

use std::io;

use futures_util::TryStreamExt;
use futures_util::stream::StreamExt;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoTun, LinkAttribute, LinkFlags, LinkInfo as KernelInfo, LinkMessage,
};
use netlink_packet_route::tc::{TcAttribute, TcHandle, TcMessage};
use rtnetlink::packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload, Nla,
};
use rtnetlink::{Handle, LinkMessageBuilder, LinkUnspec};
use vpclab_wire::MacAddr;

use super::{DEADLINE, LinkConfig, LinkError, LinkInfo, LinkStats};
use crate::netns::Netns;

/// Runs `work` with a routing socket of the namespace, within [`DEADLINE`].
pub(super) fn session<T: Send>(
    netns: &Netns,
    work: impl AsyncFnOnce(&Handle) -> Result<T, LinkError> + Send,
) -> Result<T, LinkError> {
    netns.run(|| {
        let open = |source| LinkError::Refused { what: "opening a routing socket".to_owned(), source };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(open)?;
        runtime.block_on(async {
            let (connection, handle, _) = rtnetlink::new_connection().map_err(open)?;
            tokio::spawn(connection);
            tokio::time::timeout(DEADLINE, work(&handle)).await.map_err(|_| LinkError::TimedOut)?
        })
    })?
}

/// A kernel's refusal of `what`.
pub(super) fn refused(what: impl Into<String>) -> impl FnOnce(rtnetlink::Error) -> LinkError {
    let what = what.into();
    |error| LinkError::Refused {
        what,
        source: match error {
            rtnetlink::Error::NetlinkError(message) => message.to_io(),
            other => io::Error::other(other),
        },
    }
}

pub(super) async fn links(handle: &Handle) -> Result<Vec<LinkInfo>, LinkError> {
    let messages = handle.link().get().execute().try_collect::<Vec<_>>().await;
    Ok(messages.map_err(refused("listing links"))?.iter().map(describe).collect())
}

pub(super) async fn find(handle: &Handle, name: &str) -> Result<LinkInfo, LinkError> {
    let not_found = || LinkError::NotFound(name.to_owned());
    match handle.link().get().match_name(name).execute().try_next().await {
        Ok(message) => message.as_ref().map(describe).ok_or_else(not_found),
        Err(rtnetlink::Error::NetlinkError(error)) if error.raw_code() == -libc::ENODEV => Err(not_found()),
        Err(error) => Err(refused(format!("reading link {name}"))(error)),
    }
}

/// Sets what differs of MTU, alias, ring length and hardware address. The last needs the link to be down, so that
/// the link-local address follows it when the link comes up.
pub(super) async fn set_attributes(
    handle: &Handle,
    info: &LinkInfo,
    config: &LinkConfig,
) -> Result<(), LinkError> {
    if info.mac != Some(config.mac) {
        set_down(handle, info.index, &config.name).await?;
        let message = LinkUnspec::new_with_index(info.index).address(config.mac.0.to_vec()).build();
        set(handle, message, format!("setting the hardware address of link {}", config.name)).await?;
    }
    if info.mtu != config.mtu {
        let message = LinkUnspec::new_with_index(info.index).mtu(config.mtu).build();
        set(handle, message, format!("setting the MTU of link {} to {}", config.name, config.mtu)).await?;
    }
    let extra = |attribute| {
        LinkMessageBuilder::<LinkUnspec>::default()
            .index(info.index)
            .append_extra_attribute(attribute)
            .build()
    };
    if info.alias != config.alias {
        let message = extra(LinkAttribute::IfAlias(config.alias.clone()));
        set(handle, message, format!("setting the alias of link {}", config.name)).await?;
    }
    if info.txqueuelen != config.txqueuelen {
        let message = extra(LinkAttribute::TxQueueLen(config.txqueuelen));
        set(handle, message, format!("setting the ring length of link {}", config.name)).await?;
    }
    Ok(())
}

pub(super) async fn set_up(handle: &Handle, index: u32, name: &str) -> Result<(), LinkError> {
    set(handle, LinkUnspec::new_with_index(index).up().build(), format!("setting link {name} up")).await
}

pub(super) async fn set_down(handle: &Handle, index: u32, name: &str) -> Result<(), LinkError> {
    set(handle, LinkUnspec::new_with_index(index).down().build(), format!("setting link {name} down")).await
}

/// Renames a link; where the kernel renames none that is up (before Linux 6.2), it is down afterwards.
pub(super) async fn rename(handle: &Handle, index: u32, from: &str, to: &str) -> Result<(), LinkError> {
    let what = || format!("renaming link {from} to {to}");
    let message = || LinkUnspec::new_with_index(index).name(to.to_owned()).build();
    match handle.link().set(message()).execute().await {
        Err(rtnetlink::Error::NetlinkError(error)) if error.raw_code() == -libc::EBUSY => {
            set_down(handle, index, from).await?;
            set(handle, message(), what()).await
        }
        other => other.map_err(refused(what())),
    }
}

pub(super) async fn delete(handle: &Handle, info: &LinkInfo) -> Result<(), LinkError> {
    handle.link().del(info.index).execute().await.map_err(refused(format!("deleting link {}", info.name)))
}

/// Frames go straight to the TAP's ring: a queue before it would cost each packet and protect nothing, since the
/// ring never pushes back.
pub(super) async fn set_noqueue(handle: &Handle, index: u32, name: &str) -> Result<(), LinkError> {
    const NOQUEUE: &str = "noqueue";
    if find(handle, name).await?.qdisc == NOQUEUE {
        return Ok(());
    }
    let refused = || refused(format!("setting the queueing discipline of link {name}"));
    let mut message = TcMessage::with_index(index.cast_signed());
    message.header.parent = TcHandle::ROOT;
    message.attributes.push(TcAttribute::Kind(NOQUEUE.to_owned()));
    let mut request = NetlinkMessage::from(RouteNetlinkMessage::NewQueueDiscipline(message));
    request.header.flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
    let mut handle = handle.clone();
    let mut answers = handle.request(request).map_err(refused())?;
    while let Some(answer) = answers.next().await {
        if let NetlinkPayload::Error(error) = answer.payload {
            return Err(refused()(rtnetlink::Error::NetlinkError(error)));
        }
    }
    Ok(())
}

async fn set(handle: &Handle, message: LinkMessage, what: String) -> Result<(), LinkError> {
    handle.link().set(message).execute().await.map_err(refused(what))
}

fn describe(message: &LinkMessage) -> LinkInfo {
    let mut info = LinkInfo {
        name: String::new(),
        index: message.header.index,
        mac: None,
        mtu: 0,
        alias: String::new(),
        txqueuelen: 0,
        qdisc: String::new(),
        is_tap: false,
        up: message.header.flags.contains(LinkFlags::Up),
        carrier: message.header.flags.contains(LinkFlags::LowerUp),
        stats: LinkStats::default(),
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => info.name.clone_from(name),
            LinkAttribute::Address(bytes) => {
                info.mac = <[u8; 6]>::try_from(bytes.as_slice()).ok().map(MacAddr);
            }
            LinkAttribute::Mtu(mtu) => info.mtu = *mtu,
            LinkAttribute::IfAlias(alias) => info.alias.clone_from(alias),
            LinkAttribute::TxQueueLen(len) => info.txqueuelen = *len,
            LinkAttribute::Qdisc(qdisc) => info.qdisc.clone_from(qdisc),
            LinkAttribute::LinkInfo(kernel) => info.is_tap = is_tap(kernel),
            LinkAttribute::Stats64(stats) => {
                info.stats = LinkStats {
                    rx_packets: stats.rx_packets,
                    tx_packets: stats.tx_packets,
                    rx_bytes: stats.rx_bytes,
                    tx_bytes: stats.tx_bytes,
                    rx_dropped: stats.rx_dropped,
                    tx_dropped: stats.tx_dropped,
                    rx_errors: stats.rx_errors,
                };
            }
            _ => {}
        }
    }
    info
}

/// A link of kind `tun` whose `IFLA_TUN_TYPE` says TAP.
fn is_tap(info: &[KernelInfo]) -> bool {
    const IFLA_TUN_TYPE: u16 = 3;
    const TAP: u8 = 2;
    let is_type = |nla: &InfoTun| {
        let mut value = vec![0; nla.value_len()];
        nla.emit_value(&mut value);
        nla.kind() == IFLA_TUN_TYPE && value == [TAP]
    };
    info.contains(&KernelInfo::Kind(InfoKind::Tun))
        && info
            .iter()
            .any(|info| matches!(info, KernelInfo::Data(InfoData::Tun(nlas)) if nlas.iter().any(is_type)))
}
