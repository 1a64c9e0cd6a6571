//! How is the running lab spoken to?

pub(crate) mod altered;
pub(crate) mod apply;
pub(crate) mod background;
mod difference;
pub(crate) mod ephemeral;
pub(crate) mod guest;
mod overlay;
pub(crate) mod up;

use vpclab_daemon::{Client, ClientError};

use crate::load::{self, Loaded};
use crate::output::Failure;

/// The lab of this name.
pub(crate) fn client(lab: &str) -> Result<Client, Failure> {
    Client::new(lab).map_err(|error| Failure::new("InvalidParameterValue", error.to_string()))
}

/// What a failed request comes to.
pub(crate) fn failed(error: ClientError) -> Failure {
    match error {
        ClientError::NoSuchLab(_) => Failure::new(
            "InvalidLab.NotFound",
            format!("{error}, or ask a file with -t FILE where the command takes one"),
        ),
        ClientError::Crashed(_) => Failure::new("IncorrectState", error.to_string()),
        ClientError::NotReady(_) | ClientError::NoAnswer { .. } => {
            Failure::new("Unavailable", error.to_string())
        }
        ClientError::Api(error) | ClientError::Broken(error) => error.into(),
    }
}

/// The topology that the lab runs, with the addresses it has assigned.
pub(crate) fn topology(lab: &str) -> Result<Loaded, Failure> {
    let client = client(lab)?;
    let document = client.topology().map_err(failed)?;
    let mut topology = load::topology(lab, &document)?;
    overlay::assigned(&client, &mut topology)?;
    let fabric = vpclab_engine::Fabric::compile(&topology, None);
    Ok(Loaded { document, topology, fabric })
}
