//! The daemon without a command line around it: `labd LAB TOPOLOGY [plain] [sweep]`, for tests that kill it and for
//! measuring: `plain` devices, and `sweep` for a daemon that removes the dead labs of others.
//!
//! Prints one line when the lab is ready. Questions are answered with the generation they were asked of.

use std::error::Error;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Instant;

use vpclab_api::ApiError;
use vpclab_daemon::{UpOptions, run};
use vpclab_model::Document;

fn main() -> Result<(), Box<dyn Error>> {
    let started = Instant::now();
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [lab, path, rest @ ..] = arguments.as_slice() else {
        return Err("usage: labd LAB TOPOLOGY [plain] [sweep]".into());
    };
    let has = |word: &str| rest.iter().any(|other| other == word);
    run(UpOptions {
        lab: lab.clone(),
        document: Document::from_path(path)?,
        document_path: Some(path.into()),
        plain_devices: has("plain"),
        clear_dead_labs: has("sweep"),
        owner: None,
        explain: Arc::new(|fabric, _, request| {
            let sentence = format!("{} to {} in generation {}", request.from, request.to, fabric.generation);
            Err(ApiError::new("NotExplainedHere", sentence))
        }),
        started,
        ready: Box::new(|ready| {
            // Nobody may be reading.
            let _ = writeln!(io::stdout(), "ready after {} ms", ready.ready_after.as_millis());
        }),
    })?;
    Ok(())
}
