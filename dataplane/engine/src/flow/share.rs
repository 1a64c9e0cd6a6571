//! How much of a memory does each sender have?
//!
//! Memory is everybody's, so nobody gets all of it: who sends more than its share is refused, and its neighbours are not.

use std::collections::hash_map::Entry;

use crate::fabric::{Fabric, KeyedMap};
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

/// How many records each holder has.
#[derive(Debug, Default)]
pub struct Shares(KeyedMap<Holder, usize>);

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

impl Shares {
    /// How many records it has, expired ones that await the sweep included.
    pub fn of(&self, holder: Holder) -> usize {
        self.0.get(&holder).copied().unwrap_or(0)
    }

    /// One more record.
    pub(super) fn take(&mut self, holder: Holder) {
        *self.0.entry(holder).or_insert(0) += 1;
    }

    /// One record less.
    pub(super) fn give_back(&mut self, holder: Holder) {
        if let Entry::Occupied(mut count) = self.0.entry(holder) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}
