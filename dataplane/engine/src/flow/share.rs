//! Whose share of a memory does a flow take?
//!
//! Memory is everybody's, so nobody gets all of it: who opens more than its share is refused, and its neighbours are not.

use crate::fabric::Fabric;
use crate::flow::Ingress;
use crate::index::{EniIdx, HostIdx, InstanceIdx, Slot};

/// Whose share a record takes: whoever sent the packet that opened the flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Holder {
    /// An instance, by whichever of its interfaces.
    Instance(Slot<InstanceIdx>),
    /// An interface of no instance.
    Interface(Slot<EniIdx>),
    /// A host outside every VPC.
    Host(Slot<HostIdx>),
    /// The internet, where no host is declared.
    Internet,
}

impl Holder {
    /// Who is behind the place where a packet came in.
    pub(crate) fn behind(fabric: &Fabric, ingress: Ingress) -> Self {
        match ingress {
            Ingress::Interface(eni) => {
                let attached = fabric.enis.get(eni.index).and_then(|interface| interface.attachment);
                let instance = attached.map(|(instance, _)| fabric.instances.slot(instance));
                instance.map_or(Self::Interface(eni), Self::Instance)
            }
            Ingress::Host(host) => Self::Host(host),
            Ingress::Internet => Self::Internet,
        }
    }
}
