//! What does a file declare?

use std::path::Path;

use vpclab_engine::Fabric;
use vpclab_model::{Document, Topology};

use crate::output::{Failure, mistakes};

/// A topology and what packets read of it.
pub(crate) struct Loaded {
    /// What the user wrote.
    pub document: Document,
    /// As declared, with AWS's defaults.
    pub topology: Topology,
    /// Compiled.
    pub fabric: Fabric,
}

/// What `document` declares, without what packets read of it; `name` is what mistakes call it.
pub(crate) fn topology(name: &str, document: &Document) -> Result<Topology, Failure> {
    Ok(Topology::from_document(document, None).map_err(|error| mistakes(name, &error))?)
}

/// The topology in the file at `path`.
pub(crate) fn from_path(path: &Path) -> Result<Loaded, Failure> {
    let document = Document::from_path(path)?;
    let topology = topology(&path.display().to_string(), &document)?;
    let fabric = Fabric::compile(&topology, None);
    Ok(Loaded { document, topology, fabric })
}
