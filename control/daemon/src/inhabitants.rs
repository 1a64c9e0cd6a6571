//! Who lives in a lab's own namespaces, and what becomes of them when those go?
//!
//! Programs that `vpclab exec` started there belong to the lab: they are asked to end, killed when they do not, and
//! named. Whoever else went there (`ip netns exec`, `nsenter`) is never signalled: such a process goes on without a
//! network, and is named too. What is attached is not here at all: it is unplugged and goes on.

use std::path::PathBuf;
use std::time::Duration;

use vpclab_tap::Netns;
use vpclab_tap::process::{self, Place, end_programs};

use crate::guest::describe;

/// How long a program has between being asked and being killed.
const PATIENCE: Duration = Duration::from_secs(1);

/// A namespace of the lab's own.
#[derive(Debug)]
pub(crate) struct OwnHome<'a> {
    pub(crate) netns: &'a Netns,
    /// The directory of the files that programs see there.
    pub(crate) files: PathBuf,
    pub(crate) instance: String,
}

/// Who lives in the homes, in sentences.
#[derive(Debug, Default)]
pub(crate) struct Inhabitants {
    /// Programs of the lab.
    pub(crate) programs: Vec<String>,
    pub(crate) strangers: Vec<String>,
}

/// Who lives there now.
pub(crate) fn inhabitants(homes: &[OwnHome<'_>]) -> Inhabitants {
    let mut inhabitants = Inhabitants::default();
    for (home, inside) in homes.iter().zip(process::inhabitants(&places(homes))) {
        inhabitants.programs.extend(sentence(home, &inside.programs));
        inhabitants.strangers.extend(going_on(home, &inside.strangers));
    }
    inhabitants
}

/// Ends the lab's programs there, and returns them in sentences.
pub(crate) fn end(homes: &[OwnHome<'_>]) -> Vec<String> {
    let ended = end_programs(&places(homes), PATIENCE);
    homes.iter().zip(ended).filter_map(|(home, programs)| sentence(home, &programs)).collect()
}

/// Strangers of a home that goes, as a sentence.
pub(crate) fn going_on(home: &OwnHome<'_>, strangers: &[(u32, String)]) -> Option<String> {
    let sentence = sentence(home, strangers)?;
    Some(format!("{sentence}, without a network; `vpclab exec` did not start it"))
}

/// As in `nc (42), sh (43) in web-1`.
fn sentence(home: &OwnHome<'_>, processes: &[(u32, String)]) -> Option<String> {
    (!processes.is_empty()).then(|| format!("{} in {}", describe(processes), home.instance))
}

fn places<'a>(homes: &'a [OwnHome<'_>]) -> Vec<Place<'a>> {
    homes.iter().map(|home| Place { netns: home.netns, files: &home.files }).collect()
}
