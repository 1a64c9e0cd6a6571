//! Does a namespace send what it forwards from its own address? The program `nft` is asked to see to it, with a table of
//! ours that nobody else has reason to touch; it runs on a thread inside the namespace.

use std::io::{self, Write};
use std::process::{Command, Stdio};

use super::LinkError;

/// Only what comes from elsewhere is translated: the guest's own packets carry the address they mean to.
const ON: &str = "\
table inet vpclab_forwards
delete table inet vpclab_forwards
table inet vpclab_forwards {
    chain postrouting {
        type nat hook postrouting priority srcnat; policy accept;
        fib saddr type != local masquerade
    }
}
";

/// Made first, so that there is one to delete.
const OFF: &str = "table inet vpclab_forwards\ndelete table inet vpclab_forwards\n";

/// Makes the table, or removes it. A failure leaves what was there.
pub(super) fn set(on: bool) -> Result<(), LinkError> {
    let refused = |source| LinkError::Refused { what: "running nft".to_owned(), source };
    let mut command = Command::new("nft");
    command.args(["-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let missing =
                "there is no such program; install the package nftables, which `forwards: nat` needs";
            return Err(refused(io::Error::new(error.kind(), missing)));
        }
        child => child.map_err(refused)?,
    };
    let rules = if on { ON } else { OFF };
    let written = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(rules.as_bytes()));
    let output = child.wait_with_output().map_err(refused)?;
    if output.status.success() {
        return written.map_err(refused);
    }
    // One that fails before it has read the rules says why, better than that nobody reads them.
    let said = String::from_utf8_lossy(&output.stderr);
    Err(refused(io::Error::other(said.lines().next().unwrap_or("it failed and said nothing").to_owned())))
}
