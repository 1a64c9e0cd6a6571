//! How are compiled resources numbered?
//!
//! Inside the fabric a resource is a dense index of its own type, so that an interface's number cannot look up a
//! subnet. Interfaces and hosts outlive a generation (connections and devices point at them), so their numbers are
//! stable: a survivor keeps its slot, a removed one bumps the slot's incarnation, and whoever remembers slot and
//! incarnation can never be attached to another resource.

use std::collections::HashMap;
use std::ops::{Index, IndexMut};

/// Declares dense index types and how each is made from a position.
macro_rules! indices {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u32);

        impl Position for $name {
            fn from_position(position: usize) -> Self {
                // A topology with four thousand million resources of one kind does not fit into memory.
                Self(u32::try_from(position).unwrap_or(u32::MAX))
            }

            fn position(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}

/// An index that knows its place in a table.
pub trait Position: Copy {
    /// The index of the entry at `position`.
    fn from_position(position: usize) -> Self;
    /// The place in the table.
    fn position(self) -> usize;
}

indices! {
    /// A compiled VPC.
    VpcIdx;
    /// A compiled subnet.
    SubnetIdx;
    /// A compiled route table.
    RouteTableIdx;
    /// A compiled network ACL.
    NetworkAclIdx;
    /// A compiled security group.
    SecurityGroupIdx;
    /// The rules that guard an interface in one direction: the union of its groups' rules.
    PolicyIdx;
    /// A compiled internet gateway.
    InternetGatewayIdx;
    /// A compiled egress-only internet gateway.
    EgressOnlyIdx;
    /// The slot of a NAT gateway, stable over generations.
    NatGatewayIdx;
    /// The slot of a VPC peering connection, stable over generations.
    PeeringIdx;
    /// A compiled transit gateway.
    TransitIdx;
    /// One side of a compiled attachment: a transit gateway and what is attached to it there.
    AttachmentIdx;
    /// A compiled route table of a transit gateway.
    TransitTableIdx;
    /// An instance.
    InstanceIdx;
    /// The slot of an elastic network interface, stable over generations.
    EniIdx;
    /// The slot of a VPC endpoint, stable over generations.
    VpcEndpointIdx;
    /// A resource that is stored and not modelled.
    NotModelledIdx;
    /// The slot of a host outside every VPC, stable over generations.
    HostIdx;
    /// A compiled virtual private gateway.
    VpnGatewayIdx;
    /// A compiled private link.
    LinkIdx;
    /// A compiled customer network.
    CustomerNetworkIdx;
}

/// A dense table, entered by its own kind of index.
#[derive(Debug, Clone)]
pub struct Table<I, T> {
    entries: Vec<T>,
    index: std::marker::PhantomData<fn(I)>,
}

/// A table whose entries keep their slot from one generation to the next.
#[derive(Debug, Clone)]
pub struct Arena<I, T> {
    slots: Vec<Option<T>>,
    incarnations: Vec<u32>,
    by_name: HashMap<Box<str>, I>,
}

/// A slot and the incarnation of who lives there: unequal once the resource is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slot<I> {
    /// The slot.
    pub index: I,
    /// How often the slot has changed hands.
    pub incarnation: u32,
}

impl<I: Position, T> Table<I, T> {
    /// An empty table.
    pub fn new() -> Self {
        Self { entries: Vec::new(), index: std::marker::PhantomData }
    }

    /// Adds an entry at the end.
    pub fn push(&mut self, entry: T) -> I {
        self.entries.push(entry);
        I::from_position(self.entries.len() - 1)
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Every entry with its index.
    pub fn iter(&self) -> impl Iterator<Item = (I, &T)> {
        self.entries.iter().enumerate().map(|(position, entry)| (I::from_position(position), entry))
    }
}

impl<I: Position, T> Default for Table<I, T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<I: Position, T> Index<I> for Table<I, T> {
    type Output = T;

    fn index(&self, index: I) -> &T {
        &self.entries[index.position()]
    }
}

impl<I: Position, T> IndexMut<I> for Table<I, T> {
    fn index_mut(&mut self, index: I) -> &mut T {
        &mut self.entries[index.position()]
    }
}

impl<I: Position, T> Arena<I, T> {
    /// The slots for `names`: survivors of `previous` stay where they are, others take free or new slots in order.
    pub fn with_names<U>(previous: Option<&Arena<I, U>>, names: impl IntoIterator<Item = Box<str>>) -> Self {
        let (slots, mut incarnations, old) = match previous {
            Some(arena) => (arena.slots.len(), arena.incarnations.clone(), Some(&arena.by_name)),
            None => (0, Vec::new(), None),
        };
        let mut by_name = HashMap::new();
        let mut taken = vec![false; slots];
        let mut fresh = Vec::new();
        for name in names {
            match old.and_then(|old| old.get(&name)) {
                Some(&index) => {
                    taken[index.position()] = true;
                    by_name.insert(name, index);
                }
                None => fresh.push(name),
            }
        }
        for (position, incarnation) in incarnations.iter_mut().enumerate() {
            let was_inhabited = previous.is_some_and(|arena| arena.slots[position].is_some());
            if was_inhabited && !taken[position] {
                *incarnation = incarnation.wrapping_add(1);
            }
        }
        let mut vacancies = (0..slots).filter(|&position| !taken[position]).collect::<Vec<_>>().into_iter();
        for name in fresh {
            let position = vacancies.next().unwrap_or_else(|| {
                incarnations.push(0);
                incarnations.len() - 1
            });
            by_name.insert(name, I::from_position(position));
        }
        let slots = std::iter::repeat_with(|| None).take(incarnations.len()).collect();
        Self { slots, incarnations, by_name }
    }

    /// Makes who lives at `index` another than before, under the same name.
    pub fn renew(&mut self, index: I) {
        if let Some(incarnation) = self.incarnations.get_mut(index.position()) {
            *incarnation = incarnation.wrapping_add(1);
        }
    }

    /// The index that belongs to `name`.
    pub fn find(&self, name: &str) -> Option<I> {
        self.by_name.get(name).copied()
    }

    /// Moves an entry into its slot.
    pub fn fill(&mut self, index: I, entry: T) {
        self.slots[index.position()] = Some(entry);
    }

    /// The entry at `index`, if the slot is inhabited.
    pub fn get(&self, index: I) -> Option<&T> {
        self.slots.get(index.position())?.as_ref()
    }

    /// The slot with its present incarnation.
    pub fn slot(&self, index: I) -> Slot<I> {
        Slot { index, incarnation: self.incarnations.get(index.position()).copied().unwrap_or(0) }
    }

    /// Every entry with its index, in order of slots.
    pub fn iter(&self) -> impl Iterator<Item = (I, &T)> {
        self.slots
            .iter()
            .enumerate()
            .filter_map(|(position, entry)| Some((I::from_position(position), entry.as_ref()?)))
    }
}

impl<I: Position, T> Index<I> for Arena<I, T> {
    type Output = T;

    /// # Panics
    ///
    /// Panics on a vacant slot. Compile resolves every reference inside one fabric to an inhabited slot; indices
    /// that come from elsewhere go through [`Arena::get`].
    #[allow(clippy::expect_used)]
    fn index(&self, index: I) -> &T {
        self.slots[index.position()].as_ref().expect("an index of this fabric points at an inhabited slot")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arena(previous: Option<&Arena<EniIdx, ()>>, names: &[&str]) -> Arena<EniIdx, ()> {
        let mut arena = Arena::with_names(previous, names.iter().map(|&name| name.into()));
        for name in names {
            let index = arena.find(name).unwrap();
            arena.fill(index, ());
        }
        arena
    }

    #[test]
    fn a_survivor_keeps_slot_and_incarnation() {
        let first = arena(None, &["a", "b", "c"]);
        let second = arena(Some(&first), &["c", "d"]);
        assert_eq!(first.slot(first.find("c").unwrap()), second.slot(second.find("c").unwrap()));
    }

    #[test]
    fn a_slot_that_changes_hands_is_another_incarnation() {
        let first = arena(None, &["a", "b"]);
        let second = arena(Some(&first), &["b", "c"]);
        let (a, c) = (first.slot(first.find("a").unwrap()), second.slot(second.find("c").unwrap()));
        assert_eq!(a.index, c.index);
        assert_ne!(a.incarnation, c.incarnation);
    }

    #[test]
    fn delete_and_recreate_is_a_new_incarnation() {
        let first = arena(None, &["a"]);
        let second = arena(Some(&first), &[]);
        let third = arena(Some(&second), &["a"]);
        assert_ne!(first.slot(first.find("a").unwrap()), third.slot(third.find("a").unwrap()));
    }
}
