//! Which files does a program inside an instance find in place of the host's?
//!
//! `resolv.conf`, `hostname` and `hosts`, in a directory of the guest's own. `exec` puts them in place.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use crate::blueprint::{Blueprint, Resolver};
use crate::slug::hostname;

const FILES: [&str; 3] = ["resolv.conf", "hostname", "hosts"];

/// Writes a guest's files into its directory. Content changes in place: programs may have them mounted.
pub(crate) fn write(directory: &Path, blueprint: &Blueprint) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let name = hostname(blueprint.key.name(), blueprint.key.fingerprint());
    let contents = [resolv_conf(blueprint.resolver.as_ref()), format!("{name}\n"), hosts(blueprint, &name)];
    for (file, content) in FILES.iter().zip(contents) {
        write_if_different(&directory.join(file), &content)?;
    }
    Ok(())
}

/// The files with the paths at which programs are to see them.
pub(crate) fn list(directory: &Path) -> Vec<(String, String)> {
    let pair = |file: &&str| (directory.join(file).display().to_string(), format!("/etc/{file}"));
    FILES.iter().map(pair).collect()
}

/// The text of `resolv.conf`.
pub(crate) fn resolv_conf(resolver: Option<&Resolver>) -> String {
    match resolver {
        Some(Resolver { nameserver, search }) => format!("search {search}\nnameserver {nameserver}\n"),
        None => "# A host of the internet without a resolver.\n".to_owned(),
    }
}

fn hosts(blueprint: &Blueprint, name: &str) -> String {
    let mut text = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n".to_owned();
    let addresses = blueprint.devices.iter().flat_map(|device| device.addresses());
    for address in addresses {
        text.push_str(&format!("{address} {name}\n"));
    }
    text
}

fn write_if_different(path: &Path, content: &str) -> io::Result<()> {
    if fs::read_to_string(path).is_ok_and(|present| present == content) {
        return Ok(());
    }
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
    file.write_all(content.as_bytes())
}
