//! Is everything that a live test may leave behind found by `scripts/leftovers.sh`?

use std::path::{Path, PathBuf};
use std::process::Command;

use vpclab_daemon::paths;
use vpclab_tap::{Netns, OffloadTap};

use crate::fixture::{Inhabitant, document_path, ip, live, name_in};

/// No process has this id: Linux gives none above 2^22.
const NOBODY: u32 = 4_999_999;

/// A namespace and files that go away with the test.
struct Traces {
    namespaces: Vec<String>,
    directories: Vec<PathBuf>,
}

impl Drop for Traces {
    fn drop(&mut self) {
        self.namespaces.iter().for_each(|name| drop(Netns::delete(name)));
        self.directories.iter().for_each(|path| drop(std::fs::remove_dir(path)));
    }
}

#[test]
fn the_scan_for_leftovers_finds_every_kind_of_name_once_its_test_has_ended() {
    if !live() {
        return;
    }
    let [lab, foreign, docker, elsewhere, document] =
        ["lab", "foreign", "docker", "docker-elsewhere", "document"].map(|what| name_in(NOBODY, what));
    let temporary = |name: &str| std::env::temp_dir().join(name);
    let traces = Traces {
        namespaces: vec![foreign.clone(), format!("vpclab-{lab}-a")],
        directories: vec![
            temporary(&docker),
            temporary(&elsewhere),
            temporary(&document),
            document_path(&lab),
            paths(&lab).unwrap().directory,
        ],
    };
    traces.directories.iter().for_each(|path| std::fs::create_dir_all(path).unwrap());
    traces.namespaces.iter().for_each(|name| drop(Netns::create(name).unwrap()));
    // One of the lab's devices where somebody else lives.
    let somebody = Inhabitant::apart();
    let _tap = OffloadTap::open(&somebody.netns(), "eth0").unwrap();
    let alias = format!("vpclab:{lab}:b");
    ip(&somebody.netns(), &format!("link set eth0 alias {alias}"));

    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts");
    let scan =
        Command::new("bash").args(["-c", ". ./leftovers.sh; leftover_traces"]).current_dir(scripts).output();
    let found = String::from_utf8(scan.unwrap().stdout).unwrap();
    let namespaces = traces.namespaces.iter().map(|name| format!("/run/netns/{name}"));
    let directories = traces.directories.iter().map(|path| path.display().to_string());
    for trace in namespaces.chain(directories).chain([format!("device alias {alias}")]) {
        assert!(found.lines().any(|line| line == trace), "{trace} is not found:\n{found}");
    }
    let own = format!("test-{}-", std::process::id());
    assert!(!found.contains(&own), "a test that runs has left nothing yet:\n{found}");
}
