//! What do the tests of templates share?

use std::path::Path;

use serde_json::Value;
use vpclab_import::{Fate, ImportError, Imported, Options, Parameter, Source, import};

/// Templates in a folder of their own.
#[derive(Debug)]
pub(crate) struct Templates {
    folder: tempfile::TempDir,
    sources: Vec<Source>,
    options: Options,
}

impl Templates {
    /// One template, called `t`.
    pub(crate) fn one(text: &str) -> Self {
        Self::none().and("t.yaml", text)
    }

    pub(crate) fn none() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder, sources: Vec::new(), options: Options::default() }
    }

    /// Another source.
    pub(crate) fn and(self, file: &str, text: &str) -> Self {
        let mut with = self.beside(file, text);
        let path = with.folder.path().join(file);
        with.sources.push(path.to_str().unwrap().parse().unwrap());
        with
    }

    /// A file that is no source.
    pub(crate) fn beside(self, file: &str, text: &str) -> Self {
        let path = self.folder.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new(""))).unwrap();
        std::fs::write(&path, text).unwrap();
        self
    }

    #[cfg(unix)]
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn stand_ins(mut self) -> Self {
        self.options.stand_ins = true;
        self
    }

    pub(crate) fn parameter(mut self, key: &str, value: &str) -> Self {
        let (source, key) = key.split_once('.').map_or((None, key), |(source, key)| (Some(source), key));
        let source = source.map(str::to_owned);
        self.options.parameters.push(Parameter { source, key: key.to_owned(), value: value.to_owned() });
        self
    }

    pub(crate) fn place(mut self, region: &str, account: &str) -> Self {
        let last = self.sources.last_mut().unwrap();
        last.region = Some(region.to_owned());
        last.account = Some(account.to_owned());
        self
    }

    pub(crate) fn import(&self) -> Result<Imported, ImportError> {
        import(&self.sources, &self.options)
    }

    /// What is imported; each resource of it is reported once.
    #[track_caller]
    pub(crate) fn imported(&self) -> Imported {
        let imported = self.import().unwrap_or_else(|error| panic!("{error}"));
        let mut seen = std::collections::BTreeSet::new();
        for resource in &imported.report.resources {
            assert!(seen.insert((&resource.source, &resource.address)), "{} twice", resource.address);
        }
        imported
    }

    /// What is wrong, a problem a line.
    #[track_caller]
    pub(crate) fn problems(&self) -> String {
        match self.import() {
            Ok(imported) => panic!("no problem: {:#}", imported.document),
            Err(error) => error.to_string(),
        }
    }
}

/// A resource of the document.
#[track_caller]
pub(crate) fn resource<'a>(imported: &'a Imported, kind: &str, name: &str) -> &'a Value {
    let found = imported.document.get(kind).and_then(|all| all.get(name));
    found.unwrap_or_else(|| panic!("no {kind}.{name} in {:#}", imported.document))
}

/// What became of a resource of a template.
#[track_caller]
pub(crate) fn fate(imported: &Imported, address: &str) -> Fate {
    reported(imported, address).fate
}

#[track_caller]
pub(crate) fn reported<'a>(imported: &'a Imported, address: &str) -> &'a vpclab_import::ReportedResource {
    let found = imported.report.resources.iter().find(|resource| resource.address == address);
    found.unwrap_or_else(|| panic!("{address} is not reported"))
}

/// The notes of a resource, a line each.
#[track_caller]
pub(crate) fn notes(imported: &Imported, address: &str) -> String {
    let notes = &reported(imported, address).notes;
    notes.iter().map(|note| note.text.clone()).collect::<Vec<_>>().join("\n")
}

/// A VPC with a subnet in it, and room for more resources behind.
pub(crate) const VPC: &str = "
Resources:
  Vpc:
    Type: AWS::EC2::VPC
    Properties: { CidrBlock: 10.0.0.0/16 }
  Subnet:
    Type: AWS::EC2::Subnet
    Properties: { VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24, AvailabilityZone: us-east-1a }
  Other:
    Type: AWS::EC2::Subnet
    Properties: { VpcId: !Ref Vpc, CidrBlock: 10.0.2.0/24, AvailabilityZone: us-east-1b }
  Group:
    Type: AWS::EC2::SecurityGroup
    Properties: { VpcId: !Ref Vpc, GroupDescription: g }
";

/// [`VPC`] and more resources.
pub(crate) fn with_vpc(resources: &str) -> String {
    format!("{VPC}{resources}")
}
