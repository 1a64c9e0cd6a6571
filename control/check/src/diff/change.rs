//! What changes from one cell to another?
//!
//! Packets of both, part by part of the internet where rules of either tell parts of it apart.

use ipnet::IpNet;

use crate::analyse::fare::{Cell, Fare};
use crate::analyse::traffic::Packets;

/// What changes for some hosts of a pair of ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Change {
    /// The addresses of the internet that it is about; none are all, or all that no other change is about.
    pub(crate) blocks: Vec<IpNet>,
    /// By family, IPv6 or not.
    pub(crate) families: Vec<(bool, Changed)>,
}

/// What changes in one family.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Changed {
    pub(crate) gained: Packets,
    pub(crate) lost: Packets,
    pub(crate) unknown: Packets,
    /// What neither topology knows to pass or not to pass.
    pub(crate) unsure: Packets,
    /// What passes in both.
    pub(crate) stays: Packets,
}

impl Change {
    pub(crate) fn gains(&self) -> bool {
        self.families.iter().any(|(_, changed)| !changed.gained.is_empty())
    }

    pub(crate) fn loses(&self) -> bool {
        self.families.iter().any(|(_, changed)| !changed.lost.is_empty())
    }

    /// Whether something is gained, lost or not known.
    pub(crate) fn tells(&self) -> bool {
        self.families.iter().any(|(_, changed)| changed.tells())
    }

    /// Without what passes or is not known as before.
    pub(crate) fn told(mut self) -> Self {
        self.families.retain(|(_, changed)| changed.tells());
        for (_, changed) in &mut self.families {
            (changed.unsure, changed.stays) = (Packets::default(), Packets::default());
        }
        self
    }
}

impl Changed {
    pub(crate) fn tells(&self) -> bool {
        !(self.gained.is_empty() && self.lost.is_empty() && self.unknown.is_empty())
    }
}

/// What changes from `old` to `new`, and what passes or is not known in both; nothing where nothing passes in either.
pub(crate) fn changes(old: &Cell, new: &Cell) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    for ipv6 in [false, true] {
        for (blocks, old, new) in regions(old, new, ipv6) {
            let changed = changed(old, new);
            if changed == Changed::default() {
                continue;
            }
            match changes.iter_mut().find(|known| known.blocks == blocks) {
                Some(known) => known.families.push((ipv6, changed)),
                None => changes.push(Change { blocks, families: vec![(ipv6, changed)] }),
            }
        }
    }
    changes
}

/// Whether some of the traffic is known of neither.
pub(crate) fn known_in_neither(old: &Cell, new: &Cell) -> bool {
    let both = |(_, old, new): (Vec<IpNet>, &Fare, &Fare)| !old.unknown.and(&new.unknown).is_empty();
    [false, true].into_iter().any(|ipv6| regions(old, new, ipv6).into_iter().any(both))
}

fn changed(old: &Fare, new: &Fare) -> Changed {
    if old == new {
        let (stays, unsure) = (old.passes.clone(), old.unknown.or(&old.sometimes));
        return Changed { stays, unsure, ..Changed::default() };
    }
    let (unsure_then, unsure_now) = (old.unknown.or(&old.sometimes), new.unknown.or(&new.sometimes));
    Changed {
        stays: old.passes.and(&new.passes),
        unsure: unsure_then.and(&unsure_now),
        gained: new.passes.without(&old.passes).without(&unsure_then),
        lost: old.passes.without(&new.passes).without(&unsure_now),
        unknown: unsure_then.without(&unsure_now).or(&unsure_now.without(&unsure_then)),
    }
}

/// The parts of the internet that either cell tells apart, with how each fares in both.
fn regions<'c>(old: &'c Cell, new: &'c Cell, ipv6: bool) -> Vec<(Vec<IpNet>, &'c Fare, &'c Fare)> {
    static NOTHING: std::sync::LazyLock<Fare> = std::sync::LazyLock::new(Fare::default);
    type Parts<'c> = (&'c Fare, Vec<(&'c [IpNet], &'c Fare)>);
    fn parts(cell: &Cell, ipv6: bool) -> Parts<'_> {
        let of_family = cell.parts.iter().filter(|part| part.ipv6 == ipv6);
        let rest = of_family.clone().find(|part| part.blocks.is_empty()).map(|part| &part.fare);
        let named = of_family.filter(|part| !part.blocks.is_empty());
        (rest.unwrap_or(&NOTHING), named.map(|part| (part.blocks.as_slice(), &part.fare)).collect())
    }
    let ((old_rest, old_named), (new_rest, new_named)) = (parts(old, ipv6), parts(new, ipv6));
    let mut regions = vec![(Vec::new(), old_rest, new_rest)];
    let all = |named: &[(&[IpNet], &Fare)]| -> Vec<IpNet> {
        named.iter().flat_map(|(blocks, _)| blocks.iter().copied()).collect()
    };
    let (all_old, all_new) = (all(&old_named), all(&new_named));
    for (blocks, fare) in &old_named {
        regions.push((without(blocks, &all_new), fare, new_rest));
        for (others, other) in &new_named {
            regions.push((within(blocks, others), fare, other));
        }
    }
    regions.extend(new_named.iter().map(|(blocks, fare)| (without(blocks, &all_old), old_rest, *fare)));
    let mut told: Vec<(Vec<IpNet>, &Fare, &Fare)> = Vec::new();
    for (place, (blocks, old, new)) in regions.into_iter().enumerate() {
        if place > 0 && blocks.is_empty() {
            continue;
        }
        match told.iter_mut().skip(1).find(|(_, old_fare, new_fare)| *old_fare == old && *new_fare == new) {
            Some((known, ..)) => *known = IpNet::aggregate(&[known.as_slice(), &blocks].concat()),
            None => told.push((blocks, old, new)),
        }
    }
    told
}

/// The addresses of both.
pub(super) fn within(a: &[IpNet], b: &[IpNet]) -> Vec<IpNet> {
    let both = a.iter().flat_map(|a| {
        b.iter().filter_map(move |b| match (a.contains(b), b.contains(a)) {
            (true, _) => Some(*b),
            (_, true) => Some(*a),
            _ => None,
        })
    });
    IpNet::aggregate(&both.collect::<Vec<_>>())
}

/// The addresses of `blocks` that are in none of `others`.
pub(super) fn without(blocks: &[IpNet], others: &[IpNet]) -> Vec<IpNet> {
    let mut left = Vec::new();
    let mut rest: Vec<IpNet> = blocks.to_vec();
    while let Some(block) = rest.pop() {
        if others.iter().any(|other| other.contains(&block)) {
            continue;
        }
        if others.iter().any(|other| block.contains(other))
            && let Ok(halves) = block.subnets(block.prefix_len() + 1)
        {
            rest.extend(halves);
        } else {
            left.push(block);
        }
    }
    IpNet::aggregate(&left)
}

#[cfg(test)]
mod tests {
    use vpclab_engine::explain::{Class, EPHEMERAL_PORTS, NAT_PORTS};
    use vpclab_model::PortRange;
    use vpclab_wire::Protocol;

    use super::*;
    use crate::analyse::fare::Part;

    fn tcp(from: u16, to: u16) -> Packets {
        Packets::of([Class::Ports {
            protocol: Protocol::TCP,
            source_ports: EPHEMERAL_PORTS,
            nat_ports: NAT_PORTS,
            ports: PortRange { from, to },
        }])
    }

    fn passes(packets: Packets) -> Fare {
        Fare { passes: packets, ..Fare::default() }
    }

    fn nets(blocks: &[&str]) -> Vec<IpNet> {
        blocks.iter().map(|block| block.parse().unwrap()).collect()
    }

    fn cell(parts: &[(&[&str], Fare)]) -> Cell {
        let part =
            |(blocks, fare): &(&[&str], Fare)| Part { ipv6: false, blocks: nets(blocks), fare: fare.clone() };
        Cell { parts: parts.iter().map(part).collect(), ..Cell::default() }
    }

    #[test]
    fn what_is_not_known_in_either_is_neither_gained_nor_lost() {
        let unknown = |packets| Fare { unknown: packets, ..Fare::default() };
        for (old, new, gained, lost, unsure) in [
            (passes(tcp(80, 80)), passes(tcp(80, 81)), tcp(81, 81), Packets::default(), Packets::default()),
            (passes(tcp(80, 81)), passes(tcp(81, 82)), tcp(82, 82), tcp(80, 80), Packets::default()),
            (unknown(tcp(80, 80)), passes(tcp(80, 80)), Packets::default(), Packets::default(), tcp(80, 80)),
            (passes(tcp(80, 80)), unknown(tcp(80, 80)), Packets::default(), Packets::default(), tcp(80, 80)),
            (unknown(tcp(80, 80)), Fare::default(), Packets::default(), Packets::default(), tcp(80, 80)),
        ] {
            let told = changed(&old, &new);
            assert_eq!([told.gained, told.lost, told.unknown], [gained, lost, unsure]);
        }
    }

    #[test]
    fn an_address_that_is_told_apart_in_one_topology_is_compared_with_the_rest_of_the_other() {
        let old = cell(&[(&[], passes(tcp(443, 443)))]);
        let new = cell(&[(&[], passes(tcp(443, 443))), (&["192.0.2.0/24"], passes(tcp(22, 22)))]);
        let told: Vec<Change> = changes(&old, &new).into_iter().filter(Change::tells).collect();
        let [change] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!(change.blocks, nets(&["192.0.2.0/24"]));
        assert_eq!(change.families[0].1.gained, tcp(22, 22));
        assert_eq!(change.families[0].1.lost, tcp(443, 443));
    }

    #[test]
    fn blocks_that_overlap_are_compared_where_they_do() {
        let old = cell(&[(&["10.0.0.0/8"], passes(tcp(1, 1)))]);
        let new = cell(&[(&["10.1.0.0/16"], passes(tcp(1, 1)))]);
        let told: Vec<Change> = changes(&old, &new).into_iter().filter(Change::tells).collect();
        let [change] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!(change.families[0].1.lost, tcp(1, 1));
        assert!(!change.blocks.iter().any(|block| block.contains(&nets(&["10.1.0.0/16"])[0])));
        assert_eq!(
            within(&nets(&["10.0.0.0/8"]), &nets(&["10.1.0.0/16", "11.0.0.0/8"])),
            nets(&["10.1.0.0/16"])
        );
    }
}
