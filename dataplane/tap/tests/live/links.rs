//! A link becomes what its configuration says, no less and no more.

use vpclab_tap::OffloadTap;
use vpclab_tap::link::{self, LinkConfig, LinkError, SourceRule, WantedLink};

use crate::fixture::{Namespace, config, live, mac, route};

fn state(ns: &Namespace) -> String {
    [
        "-o link show dev eth0",
        "-o addr show dev eth0",
        "route show table all dev eth0",
        "-6 route show table all dev eth0",
        "rule show",
        "-6 rule show",
    ]
    .map(|what| ns.ip(what))
    .concat()
}

#[test]
fn a_link_is_brought_to_exactly_its_configuration_and_a_second_time_changes_nothing() {
    if !live() {
        return;
    }
    let ns = Namespace::new();
    let _tap = OffloadTap::open(&ns.0, "eth0").unwrap();
    let mut first = config(1);
    first.addresses.push("10.0.1.11/24".parse().unwrap());
    first.routes = vec![
        route("0.0.0.0/0", Some("10.0.1.2")),
        link::RouteConfig {
            onlink: true,
            table: Some(1000),
            source: Some("10.0.1.1".parse().unwrap()),
            ..route("0.0.0.0/0", Some("192.0.2.1"))
        },
        route("203.0.113.0/24", None),
        link::RouteConfig { metric: 50, ..route("::/0", Some("2001:db8::2")) },
        route("2001:db8:1::/48", Some("2001:db8::2")),
    ];
    first.rules = vec![
        SourceRule { from: "10.0.1.11/32".parse().unwrap(), table: 1000 },
        SourceRule { from: "2001:db8::1/128".parse().unwrap(), table: 200 },
    ];
    link::apply(&ns.0, &first).unwrap();
    let once = state(&ns);
    for expected in [
        "mtu 9001",
        "qdisc noqueue",
        "qlen 2000",
        "link/ether 02:00:00:00:00:01",
        "alias eni-1",
        "LOWER_UP",
        "inet 10.0.1.1/24",
        "inet 10.0.1.11/24",
        "inet6 2001:db8::1/64",
        "inet6 fe80::ff:fe00:1/64",
        "default via 10.0.1.2 proto static",
        "default via 192.0.2.1 table 1000 proto static src 10.0.1.1 onlink",
        "203.0.113.0/24 proto static scope link",
        "default via 2001:db8::2 proto static metric 50",
        "2001:db8:1::/48 via 2001:db8::2 proto static metric 1024",
        "from 10.0.1.11 lookup 1000",
        "from 2001:db8::1 lookup 200",
    ] {
        assert!(once.contains(expected), "{expected:?} is missing from:\n{once}");
    }
    assert!(!once.contains("tentative"), "addresses are usable at once:\n{once}");
    link::apply(&ns.0, &first).unwrap();
    assert_eq!(state(&ns), once);

    ns.ip("route add 198.51.100.0/24 via 10.0.1.2");
    ns.ip("rule add from 10.9.9.9 lookup 77");
    let mut second = config(1);
    second.mac = mac(7);
    second.mtu = 1500;
    second.alias = "renamed".to_owned();
    second.addresses = vec!["10.0.1.11/24".parse().unwrap(), "2001:db8::7/64".parse().unwrap()];
    second.routes = vec![route("0.0.0.0/0", Some("10.0.1.3"))];
    link::apply(&ns.0, &second).unwrap();
    let changed = state(&ns);
    for expected in [
        "mtu 1500",
        "02:00:00:00:00:07",
        "alias renamed",
        "inet 10.0.1.11/24",
        "inet6 2001:db8::7/64",
        "fe80::ff:fe00:7/64",
        "default via 10.0.1.3",
        "from 10.9.9.9 lookup 77",
    ] {
        assert!(changed.contains(expected), "{expected:?} is missing from:\n{changed}");
    }
    for gone in [
        "10.0.1.1/24",
        "via 10.0.1.2 ",
        "2001:db8::1",
        "table 1000",
        "203.0.113.0",
        "198.51.100.0",
        "lookup 1000",
        "lookup 200",
        "fe80::ff:fe00:1/64",
        "metric 50",
    ] {
        assert!(!changed.contains(gone), "{gone:?} is still in:\n{changed}");
    }
}

#[test]
fn the_first_address_of_a_network_is_the_one_the_kernel_speaks_from() {
    if !live() {
        return;
    }
    let ns = Namespace::new();
    let _tap = OffloadTap::open(&ns.0, "eth0").unwrap();
    let mut config = config(1);
    config.addresses =
        ["10.0.1.1/24", "10.0.1.5/24", "10.0.2.1/24"].map(|address| address.parse().unwrap()).to_vec();
    for first in ["10.0.1.1", "10.0.1.5"] {
        link::apply(&ns.0, &config).unwrap();
        let route = ns.ip("-o route get 10.0.1.99");
        assert!(route.contains(&format!("src {first} ")), "{route}");
        let addresses = ns.ip("-o -4 addr show dev eth0");
        assert_eq!(addresses.lines().count(), 3, "{addresses}");
        config.addresses.swap(0, 1);
    }
}

#[test]
fn a_link_is_found_by_its_alias_whatever_its_name_and_removed_with_its_rules() {
    if !live() {
        return;
    }
    let ns = Namespace::new();
    let _tap = OffloadTap::open(&ns.0, "eth0").unwrap();
    let mut config = config(1);
    config.rules = vec![SourceRule { from: "10.0.1.1/32".parse().unwrap(), table: 100 }];
    link::apply(&ns.0, &config).unwrap();
    let names: Vec<_> = link::list(&ns.0).unwrap().into_iter().map(|link| (link.name, link.is_tap)).collect();
    assert_eq!(names, [("lo".to_owned(), false), ("eth0".to_owned(), true)]);
    let found = link::find(&ns.0, "eth0").unwrap();
    assert_eq!((found.alias.as_str(), found.mac, found.mtu), ("eni-1", Some(mac(1)), 9001));
    assert!(found.up && found.carrier && found.qdisc == "noqueue");
    // What root inside may do at any time.
    ns.ip("link set eth0 down");
    ns.ip("link set eth0 name ens5 mtu 1400 address 02:00:00:00:00:99");
    let wanted = [WantedLink { config: config.clone(), rename: Some("eth7".to_owned()) }];
    let applied = link::apply_together(&ns.0, &wanted).unwrap().remove(0).unwrap();
    assert_eq!(applied, LinkConfig { name: "ens5".to_owned(), ..config.clone() });
    let again = link::find(&ns.0, "ens5").unwrap();
    assert_eq!((again.index, again.mac, again.mtu, again.up), (found.index, Some(mac(1)), 9001, true));
    assert!(ns.ip("rule show").contains("lookup 100"));
    let addressed = link::addressed(&ns.0).unwrap();
    let of_link =
        addressed.iter().find(|(link, _)| link.name == "ens5").map(|(_, addresses)| addresses).unwrap();
    assert!(config.addresses.iter().all(|address| of_link.contains(address)), "{of_link:?}");

    let removed = link::remove_where(&ns.0, |link| link.alias == "eni-1").unwrap();
    assert!(matches!(&removed[..], [(link, Ok(()))] if link.name == "ens5"), "{removed:?}");
    assert!(!ns.ip("rule show").contains("lookup 100"));
    assert!(link::remove_where(&ns.0, |link| link.alias == "eni-1").unwrap().is_empty());
    let refused = link::remove_where(&ns.0, |link| link.name == "lo").unwrap();
    assert!(matches!(&refused[..], [(_, Err(LinkError::Refused { .. }))]), "{refused:?}");
    let applied = link::apply_together(&ns.0, &wanted).unwrap();
    assert!(matches!(&applied[..], [Err(LinkError::AliasNotFound(_))]), "{applied:?}");
    assert!(matches!(link::apply(&ns.0, &config), Err(LinkError::NotFound(_))));
}

/// A link as an instance has it: the first one of several has the default route.
fn member(number: u8, primary: bool) -> LinkConfig {
    let gateway = format!("10.0.{number}.1");
    let mut routes = vec![
        link::RouteConfig { table: Some(100), ..route("0.0.0.0/0", Some(&gateway)) },
        link::RouteConfig { table: Some(100), ..route(&format!("10.0.{number}.0/24"), None) },
    ];
    if primary {
        routes.push(route("0.0.0.0/0", Some(&gateway)));
        routes.push(route("::/0", Some("fe80::1")));
    } else {
        routes.iter_mut().for_each(|route| route.table = Some(101));
    }
    let table = if primary { 100 } else { 101 };
    LinkConfig {
        name: String::new(),
        addresses: vec![
            format!("10.0.{number}.10/24").parse().unwrap(),
            format!("2001:db8:{number}::10/64").parse().unwrap(),
        ],
        rules: vec![SourceRule { from: format!("10.0.{number}.10/32").parse().unwrap(), table }],
        routes,
        ..config(number)
    }
}

fn wanted(config: LinkConfig, name: &str, rename: &str) -> WantedLink {
    WantedLink { config: LinkConfig { name: name.to_owned(), ..config }, rename: Some(rename.to_owned()) }
}

#[test]
fn links_take_over_each_others_routes_and_names() {
    if !live() {
        return;
    }
    let ns = Namespace::new();
    let _taps = ["eth0", "eth1"].map(|name| OffloadTap::open(&ns.0, name).unwrap());
    for (name, number) in [("eth0", 1), ("eth1", 2)] {
        link::stage(&ns.0, &LinkConfig { name: name.to_owned(), ..member(number, number == 1) }).unwrap();
        let staged = ns.ip(&format!("-o address show dev {name}"));
        assert!(staged.is_empty() && !link::find(&ns.0, name).unwrap().up, "{staged}");
    }
    // Which one is the first, and by what name each is known.
    let mut names = ["eth0".to_owned(), "eth1".to_owned()];
    for first in [0, 1, 0] {
        let of = |place: usize| {
            let number = u8::try_from(place + 1).unwrap();
            wanted(
                member(number, place == first),
                &names[place],
                if place == first { "eth0" } else { "eth1" },
            )
        };
        let wanted = [of(0), of(1)];
        let applied: Vec<_> = link::apply_together(&ns.0, &wanted).unwrap();
        let applied: Vec<LinkConfig> = applied.into_iter().map(Result::unwrap).collect();
        assert_eq!((applied[first].name.as_str(), applied[1 - first].name.as_str()), ("eth0", "eth1"));
        let (number, other) = (first + 1, 2 - first);
        let default = format!("default via 10.0.{number}.1 dev eth0 proto static");
        assert_eq!(ns.ip("-4 route show default").trim(), default);
        assert_eq!(
            ns.ip("route show table 101 default").trim(),
            format!("default via 10.0.{other}.1 dev eth1 proto static")
        );
        assert!(ns.ip("-6 route show default").contains("via fe80::1 dev eth0"));
        let rules = ns.ip("rule show");
        assert!(rules.contains(&format!("from 10.0.{other}.10 lookup 101")), "{rules}");
        assert_eq!(rules.lines().filter(|line| line.contains("lookup 10")).count(), 2, "{rules}");
        let addresses = ns.ip("-o address show dev eth0");
        assert!(addresses.contains(&format!("2001:db8:{number}::10/64")), "{addresses}");
        names = [applied[0].name.clone(), applied[1].name.clone()];
        // A second time changes nothing.
        let before = state(&ns);
        link::apply_together(&ns.0, &[wanted[0].clone(), wanted[1].clone()]).unwrap();
        assert_eq!(state(&ns), before);
    }
}

#[test]
fn a_link_that_somebody_stands_in_the_way_of_says_who_and_spares_the_others() {
    if !live() {
        return;
    }
    let ns = Namespace::new();
    let _taps = ["eth0", "eth1", "wan0"].map(|name| OffloadTap::open(&ns.0, name).unwrap());
    for what in
        ["link set wan0 up", "address add 192.0.2.2/24 dev wan0", "route add default via 192.0.2.1 dev wan0"]
    {
        ns.ip(what);
    }
    let wanted = [wanted(member(1, true), "eth0", "wan0"), wanted(member(2, false), "eth1", "eth1")];
    for WantedLink { config, .. } in &wanted {
        link::stage(&ns.0, config).unwrap();
    }
    let applied = link::apply_together(&ns.0, &wanted).unwrap();
    let told = applied[0].as_ref().unwrap_err().to_string();
    assert!(told.contains("0.0.0.0/0 to link eth0, which link wan0 has already"), "{told}");
    assert!(applied[1].is_ok() && ns.ip("route show table 101").contains("dev eth1"), "{applied:?}");
    ns.ip("route del default dev wan0");
    assert!(link::apply_together(&ns.0, &wanted).unwrap().iter().all(Result::is_ok));
    assert!(ns.ip("-4 route show default").contains("via 10.0.1.1 dev eth0"));
}

#[test]
fn rules_of_a_link_that_is_gone_are_cleared_away_with_the_next_change() {
    if !live() {
        return;
    }
    let ns = Namespace::new();
    let tap = OffloadTap::open(&ns.0, "eth0").unwrap();
    let mut config = config(1);
    config.rules = vec![SourceRule { from: "10.0.1.1/32".parse().unwrap(), table: 100 }];
    link::apply(&ns.0, &config).unwrap();
    drop(tap);
    assert!(ns.ip("rule show").contains("lookup 100"), "the kernel ties rules to no link");
    let _tap = OffloadTap::open(&ns.0, "eth0").unwrap();
    config.rules.clear();
    link::apply(&ns.0, &config).unwrap();
    assert!(!ns.ip("rule show").contains("lookup 100"));
}

#[test]
fn a_namespace_without_ipv6_is_told_apart_from_a_refusal() {
    if !live() {
        return;
    }
    let ns = Namespace::new();
    let _tap = OffloadTap::open(&ns.0, "eth0").unwrap();
    // Below 1280 bytes the kernel takes IPv6 off the link (RFC 8200 section 5), as it does where it has none.
    let mut config = config(1);
    config.mtu = 1000;
    config.addresses.truncate(1);
    config.routes = vec![route("2001:db8:1::/48", None)];
    assert!(matches!(link::apply(&ns.0, &config), Err(LinkError::Ipv6Disabled(name)) if name == "eth0"));
    config.routes.clear();
    link::apply(&ns.0, &config).unwrap();
}

#[test]
fn ipv6_that_a_container_engine_has_switched_off_is_switched_on_for_the_link() {
    if !live() {
        return;
    }
    let ns = Namespace::new();
    ns.0.run(|| {
        for which in ["all", "default"] {
            std::fs::write(format!("/proc/sys/net/ipv6/conf/{which}/disable_ipv6"), "1").unwrap();
        }
    })
    .unwrap();
    let _tap = OffloadTap::open(&ns.0, "eth0").unwrap();
    link::apply(&ns.0, &config(1)).unwrap();
    assert!(ns.ip("-o addr show dev eth0").contains("2001:db8::1/64"));
}

#[test]
fn what_preparing_a_namespace_changes_can_be_put_back() {
    if !live() {
        return;
    }
    let ns = Namespace::new();
    ns.ip("link set lo down");
    ns.0.run(|| std::fs::write("/proc/sys/net/ipv4/ping_group_range", "1\t0").unwrap()).unwrap();
    let before = link::settings(&ns.0).unwrap();
    assert!(!before.loopback_up && before.ping_group_range == "1\t0", "{before:?}");
    link::prepare(&ns.0).unwrap();
    assert!(link::settings(&ns.0).unwrap().loopback_up);
    link::restore(&ns.0, &before).unwrap();
    assert_eq!(link::settings(&ns.0).unwrap(), before);
}
