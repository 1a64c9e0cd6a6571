//! Which kernel settings does an instance's interface need? Written through `/proc/sys/net`, which shows each thread
//! the settings of the namespace it is in, so these functions run on a thread inside.

use std::fs;
use std::io;
use std::path::Path;

use super::{LinkConfig, LinkError};

const PING_GROUP_RANGE: &str = "/proc/sys/net/ipv4/ping_group_range";

/// Everyone may open an ICMP socket: `ping` works without privileges, as on an instance.
pub(super) fn allow_ping() -> Result<(), LinkError> {
    set_ping_group_range("0\t2147483647")
}

/// Who may open an ICMP socket: the first and the last group.
pub(super) fn ping_group_range() -> Result<String, LinkError> {
    let range = fs::read_to_string(PING_GROUP_RANGE);
    range
        .map(|range| range.trim_end().to_owned())
        .map_err(|source| LinkError::Refused { what: format!("reading {PING_GROUP_RANGE}"), source })
}

/// Sets who may open an ICMP socket.
pub(super) fn set_ping_group_range(range: &str) -> Result<(), LinkError> {
    write(Path::new(PING_GROUP_RANGE), range)
}

/// The link's IPv6: no router advertisements or autoconfiguration (addresses come from the configuration), no
/// duplicate address detection (an address is usable at once), link-local address by EUI-64 as on AWS.
pub(super) fn prepare_link(config: &LinkConfig) -> Result<(), LinkError> {
    let wants_ipv6 = config.addresses.iter().any(|address| address.addr().is_ipv6())
        || config.routes.iter().any(|route| route.destination.addr().is_ipv6());
    let dir = Path::new("/proc/sys/net/ipv6/conf").join(&config.name);
    if !dir.exists() {
        return if wants_ipv6 { Err(LinkError::Ipv6Disabled(config.name.clone())) } else { Ok(()) };
    }
    let settings = [
        ("accept_ra", "0"),
        ("autoconf", "0"),
        ("accept_dad", "0"),
        ("dad_transmits", "0"),
        ("addr_gen_mode", "0"),
    ];
    for (setting, value) in settings {
        write(&dir.join(setting), value)?;
    }
    // Container engines disable IPv6 in their namespaces by default; who configures addresses wants it on.
    if wants_ipv6 {
        write(&dir.join("disable_ipv6"), "0")?;
    }
    Ok(())
}

/// Whether the namespace sends on what is not addressed to it, in one family. Without IPv6 in the kernel there is nothing
/// that it could keep.
pub(super) fn forwards(ipv6: bool) -> Result<bool, LinkError> {
    let path = if ipv6 { "/proc/sys/net/ipv6/conf/all/forwarding" } else { "/proc/sys/net/ipv4/ip_forward" };
    match fs::read_to_string(path) {
        Ok(value) => Ok(value.trim_end() != "0"),
        Err(error) if ipv6 && error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(source) => Err(LinkError::Refused { what: format!("reading {path}"), source }),
    }
}

/// Makes the namespace one that sends on what is not addressed to it, or one that does not. A middlebox on one leg sends
/// it back where it came from, so it tells nobody of a shorter way; and it takes what comes from anywhere.
pub(super) fn set_forwarding(on: bool) -> Result<(), LinkError> {
    let value = if on { "1" } else { "0" };
    let mut settings = vec![("ipv4/ip_forward", value)];
    if on {
        settings.extend([("ipv4/conf/all/send_redirects", "0"), ("ipv4/conf/default/send_redirects", "0")]);
        settings.extend([("ipv4/conf/all/rp_filter", "0"), ("ipv4/conf/default/rp_filter", "0")]);
    }
    settings.push(("ipv6/conf/all/forwarding", value));
    for (setting, value) in settings {
        let path = Path::new("/proc/sys/net").join(setting);
        // Without IPv6 in the kernel there is nothing to forward.
        if path.exists() {
            write(&path, value)?;
        }
    }
    if on {
        // A link that is there already has its own; a redirect needs both to be off.
        let links = fs::read_dir("/proc/sys/net/ipv4/conf");
        let links =
            links.map_err(|source| LinkError::Refused { what: "listing links".to_owned(), source })?;
        for link in links.flatten() {
            write(&link.path().join("send_redirects"), "0")?;
            write(&link.path().join("rp_filter"), "0")?;
        }
    }
    Ok(())
}

fn write(path: &Path, value: &str) -> Result<(), LinkError> {
    let attempt = || -> io::Result<()> {
        if fs::read_to_string(path)?.trim_end() == value { Ok(()) } else { fs::write(path, value) }
    };
    attempt().map_err(|source| LinkError::Refused {
        what: format!("writing {value:?} to {}", path.display()),
        source,
    })
}
