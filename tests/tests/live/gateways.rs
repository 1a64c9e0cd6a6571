//! Traceroute, tracepath, nmap, hping3, a STUN client and iperf3 through gateways.

use crate::support::{LiveLab, text, wait_until};

/// The topology of `configs/` with this name.
fn declared(name: &str) -> String {
    let path = format!("{}/../configs/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

fn up(lab: &str, topology: &str) -> Option<LiveLab> {
    LiveLab::up(lab, &declared(topology), &[])
}

/// The address after `MappedAddress =` in what the STUN client says about one server and its own port.
fn mapped(lab: &LiveLab, server: &str, own_port: &str) -> String {
    let said = text(&lab.exec("app-1", &["stun", server, "1", "-v", "-p", own_port]));
    let line = said.lines().find_map(|line| line.strip_prefix("MappedAddress = "));
    line.unwrap_or_else(|| panic!("no server answers at {server}:\n{said}")).to_owned()
}

#[test]
fn a_nat_gateway_is_a_hop_that_answers_no_ping() {
    let Some(lab) = up("nat-hop", "public-private-nat") else { return };
    for options in [&["-U"][..], &["-I"], &["-T", "-p", "443"]] {
        let mut command = vec!["traceroute", "-n", "-q", "1", "-w", "5", "-m", "4"];
        command.extend(options);
        command.push("198.51.100.7");
        let hops = lab.must("app-1", &command);
        let hops: Vec<&str> = hops.lines().skip(1).filter_map(|l| l.split_whitespace().nth(1)).collect();
        assert_eq!(hops, ["10.0.0.220", "198.51.100.7"], "{options:?}");
    }
    // Nothing between an instance with an address of its own and the internet is a hop.
    let hops = lab.must("web-1", &["traceroute", "-n", "-q", "1", "-w", "5", "-m", "4", "198.51.100.7"]);
    assert_eq!(hops.lines().count(), 2, "{hops}");
    assert!(!lab.succeeds("app-1", &["ping", "-c", "1", "-W", "2", "10.0.0.220"]));
    assert!(!lab.succeeds("api", &["ping", "-c", "1", "-W", "2", "203.0.113.9"]));
    assert!(lab.succeeds("app-1", &["ping", "-c", "1", "-W", "5", "198.51.100.7"]));
}

#[test]
fn the_kernel_learns_the_size_of_a_path_through_a_nat_gateway() {
    let Some(lab) = up("nat-mtu", "public-private-nat") else { return };
    let path = lab.must("app-1", &["tracepath", "-n", "198.51.100.7"]);
    for told in ["10.0.0.220", "pmtu 8500", "10.0.0.1 ", "pmtu 1500", "reached"] {
        assert!(path.contains(told), "{told} is missing:\n{path}");
    }
    // The kernel's own sockets know it too, and cut their segments to it.
    let sink = "import socket\n\
        s = socket.create_server(('198.51.100.7', 443)); c, _ = s.accept()\n\
        while c.recv(65536): pass";
    let _sink = lab.python("api", sink);
    lab.wait_for("api", "ss -ltn | grep -q ':443 '");
    let client = "import socket, time\n\
        s = socket.create_connection(('198.51.100.7', 443), 5); s.sendall(bytes(200000)); time.sleep(30)";
    let _client = lab.python("app-1", client);
    lab.wait_for("app-1", "ss -tin dst 198.51.100.7 | grep -q 'pmtu:1500'");
    let sockets = lab.must("app-1", &["ss", "-tin", "dst", "198.51.100.7"]);
    assert!(sockets.contains("mss:14"), "{sockets}");
}

#[test]
fn a_nat_gateway_forwards_fragments_of_udp_and_of_nothing_else() {
    let Some(lab) = up("nat-frag", "public-private-nat") else { return };
    lab.must("app-1", &["ip", "link", "set", "eth0", "mtu", "1500"]);
    assert!(
        !lab.succeeds("app-1", &["ping", "-c", "2", "-i", "0.2", "-W", "2", "-s", "10000", "198.51.100.7"])
    );
    assert!(lab.dropped("app-1", Some("nat-fragment")) >= 2);
    // The same from an instance whose packets pass no NAT gateway.
    lab.must("web-1", &["ping", "-c", "2", "-i", "0.2", "-W", "5", "-s", "10000", "198.51.100.7"]);
    let echo = "import socket\n\
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('198.51.100.7', 5000))\n\
        data, peer = s.recvfrom(20000); s.sendto(data, peer); print(peer[0])";
    let server = lab.python("api", echo);
    lab.wait_for("api", "ss -lun | grep -q ':5000 '");
    let ask = "import socket\n\
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(10)\n\
        s.sendto(bytes(10000), ('198.51.100.7', 5000)); print(len(s.recv(20000)))";
    assert_eq!(lab.must("app-1", &["python3", "-c", ask]).trim(), "10000");
    assert_eq!(server.output().trim(), "203.0.113.9");
}

#[test]
fn a_nat_gateway_lends_another_port_for_another_destination() {
    let Some(lab) = up("nat-stun", "public-private-nat") else { return };
    // One server with two ports: two destinations.
    let _stun = lab.background("api", &["stund", "-h", "198.51.100.7", "-p", "3478"]);
    lab.wait_for("api", "ss -lun | grep -q ':3479 '");
    let (first, second) =
        (mapped(&lab, "198.51.100.7:3478", "40000"), mapped(&lab, "198.51.100.7:3479", "40000"));
    assert_ne!(first, second, "the mapping depends on the endpoint");
    assert_eq!(mapped(&lab, "198.51.100.7:3478", "40000"), first, "and stays while the flow lives");
    for address in [&first, &second] {
        let (address, port) = address.rsplit_once(':').unwrap();
        assert_eq!(address, "203.0.113.9");
        assert!((1024..=65_535).contains(&port.parse::<u32>().unwrap()), "{port}");
    }
}

#[test]
fn a_nat_gateway_carries_three_protocols_and_an_internet_gateway_carries_all() {
    let Some(lab) = up("nat-proto", "public-private-nat") else { return };
    let scan = |from: &str| {
        let scan = ["nmap", "-n", "-Pn", "-sO", "-p", "6,17,47,50,132", "--max-retries", "2", "198.51.100.7"];
        let seen = lab.must(from, &scan);
        let states = seen.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            let number = words.next()?.parse::<u8>().ok()?;
            Some((number, words.next()?.to_owned()))
        });
        states.collect::<Vec<_>>()
    };
    let state = |number: u8, state: &str| (number, state.to_owned());
    // The host answers what its kernel does not speak with an ICMP error: "closed". Silence is "open|filtered".
    let all = [(47, "closed"), (50, "closed"), (132, "closed")].map(|(n, s)| state(n, s));
    let silent = [47, 50, 132].map(|number| state(number, "open|filtered"));
    let (direct, translated) = (scan("web-1"), scan("app-1"));
    assert!(all.iter().all(|state| direct.contains(state)), "{direct:?}");
    assert!(silent.iter().all(|state| translated.contains(state)), "{translated:?}");
    assert!(lab.dropped("app-1", Some("nat-protocol")) >= 3);
    for opened in [state(6, "open"), state(17, "open")] {
        assert!(translated.contains(&opened), "{translated:?}");
    }
}

/// All tracking is the engine's: the kernel of the machine could track connections too, once a rule of some firewall asks
/// it to, and then replies would pass for its reasons. In the namespaces of the peers nobody asks, and it tracks nothing.
#[test]
fn the_kernels_of_peers_track_none_of_their_connections() {
    const TRACKED: &str =
        "cd /proc/sys/net/netfilter 2>/dev/null && cat nf_conntrack_count || echo no conntrack";
    let Some(lab) = up("no-ct", "public-private-nat") else { return };
    let _server = lab.web_server("api", 443);
    let hold = "import socket, time\n\
        s = socket.create_connection(('198.51.100.7', 443), 5); print(s, flush=True); time.sleep(60)";
    for from in ["app-1", "web-1"] {
        // The engine lets the replies in; it is nobody else who knows these connections.
        let _held = lab.python(from, hold);
        lab.wait_for(from, "ss -tn state established dst 198.51.100.7 | grep -q ':443'");
        lab.must(from, &["ping", "-c", "1", "-W", "5", "198.51.100.7"]);
        for peer in [from, "api"] {
            let tracked = lab.must(peer, &["sh", "-c", TRACKED]);
            assert!(["0", "no conntrack"].contains(&tracked.trim()), "the kernel of {peer} tracks {tracked}");
        }
    }
}

#[test]
fn a_stray_segment_is_reset_inside_and_unheard_outside() {
    let Some(lab) = up("nat-stray", "public-private-nat") else { return };
    let outside = lab.capture("api", "tcp");
    let stray =
        text(&lab.exec("app-1", &["hping3", "-c", "2", "-i", "u200000", "-A", "-p", "443", "198.51.100.7"]));
    assert_eq!(stray.matches("flags=R").count(), 2, "the NAT gateway itself resets it: {stray}");
    let opening = text(&lab.exec("app-1", &["hping3", "-c", "1", "-S", "-p", "443", "198.51.100.7"]));
    assert!(opening.contains("flags=RA"), "{opening}");
    outside.wait_for("203.0.113.9");
    let seen = outside.seen();
    let first = seen.lines().find(|line| line.contains("203.0.113.9")).unwrap();
    assert!(first.contains("Flags [S]"), "nothing came before the opening segment:\n{seen}");
}

#[test]
fn a_stream_passes_a_nat_gateway_with_and_without_offloads() {
    for (lab, options) in [("nat-gso", &[][..]), ("nat-plain", &["--plain"])] {
        let Some(lab) = LiveLab::up(lab, &declared("public-private-nat"), options) else { return };
        for (from, address) in [("app-1", "198.51.100.7"), ("app-1", "2001:db8:ffff::7")] {
            let server = lab.background("api", &["iperf3", "-s", "-1", "-p", "5443"]);
            lab.wait_for("api", "ss -ltn | grep -q ':5443 '");
            let printed = lab.must(from, &["iperf3", "-J", "-t", "1", "-p", "5443", "-c", address]);
            server.output();
            let report: serde_json::Value = serde_json::from_str(&printed).unwrap();
            let rate = report["end"]["sum_received"]["bits_per_second"].as_f64().unwrap();
            assert!(rate > 1e6, "{address}: {rate} bit/s\n{printed}");
        }
    }
}

#[test]
fn an_ipv6_only_instance_speaks_to_an_ipv4_host() {
    let Some(lab) = up("nat64", "dual-stack-nat64") else { return };
    let _server = lab.web_server("old", 443);
    assert_eq!(lab.fetch("six-1", "http://[64:ff9b::198.51.100.7]:443/"), "203.0.113.9");
    lab.must("six-1", &["ping", "-c", "2", "-i", "0.2", "-W", "5", "64:ff9b::198.51.100.7"]);
    let hops = lab
        .must("six-1", &["traceroute", "-6", "-n", "-q", "1", "-w", "5", "-m", "4", "64:ff9b::198.51.100.7"]);
    assert!(hops.lines().last().is_some_and(|line| line.contains("64:ff9b::c633:6407")), "{hops}");
    // Nobody outside opens anything towards it.
    assert!(!lab.succeeds("new", &["ping", "-c", "1", "-W", "2", "2001:db8:64:2::4"]));
}

#[test]
fn twelve_instances_on_a_hub_reach_exactly_whom_its_tables_lead_to() {
    let Some(lab) = up("hub", "hub-and-spoke") else { return };
    let topology: serde_json::Value = serde_json::from_str(&declared("hub-and-spoke")).unwrap();
    let instances: Vec<(String, String)> = topology["instances"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, instance)| (name.clone(), instance["private_ip"].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(instances.len(), 12);
    let addresses: Vec<&str> = instances.iter().map(|(_, address)| address.as_str()).collect();
    let vpc = |name: &str| name.split('-').next().unwrap().to_owned();
    for (from, _) in &instances {
        // All at once: what is silent takes two seconds.
        let ping = format!(
            "for a in {}; do (ping -c 1 -W 2 $a >/dev/null && echo $a) & done; wait",
            addresses.join(" ")
        );
        let mut reached: Vec<String> =
            lab.must(from, &["sh", "-c", &ping]).lines().map(str::to_owned).collect();
        let mut expected: Vec<String> = instances
            .iter()
            .filter(|(to, _)| vpc(from) == vpc(to) || [vpc(from), vpc(to)].contains(&"shared".to_owned()))
            .map(|(_, address)| address.clone())
            .collect();
        reached.sort();
        expected.sort();
        assert_eq!(reached, expected, "from {from}");
    }
    assert!(lab.dropped("red-1", Some("packets-lost-no-route")) >= 6);

    // The size of the path, and a stream, across the hub.
    let path = text(&lab.exec("red-1", &["tracepath", "-n", "-m", "2", "10.0.0.10"]));
    assert!(path.contains("pmtu 8500"), "{path}");
    for address in ["10.0.0.10", "2001:db8:1000::4"] {
        let server = lab.background("shared-1", &["iperf3", "-s", "-1", "-p", "443"]);
        lab.wait_for("shared-1", "ss -ltn | grep -q ':443 '");
        lab.must("red-1", &["iperf3", "-t", "1", "-p", "443", "-c", address]);
        server.output();
    }
}

#[test]
fn both_directions_of_a_connection_meet_the_same_firewall() {
    for (lab, options) in [("inspect", &[][..]), ("inspect-plain", &["--plain"])] {
        let Some(lab) = LiveLab::up(lab, &declared("inspection"), options) else { return };
        let _server = lab.web_server("right-b1", 443);
        let firewalls = ["firewall-a", "firewall-b"].map(|name| lab.capture(name, "tcp"));
        let clients = ["left-a1", "left-a2", "left-a3", "left-b1", "left-b2", "left-b3"];
        let addresses = clients.map(|client| lab.fetch(client, "http://10.2.1.10:443/"));
        // Once each firewall's capture shows a later answer of its own, it shows all that came before.
        let answer = |address: &str| format!("10.2.1.10.443 > {address}.");
        let saw = |place: usize, what: &str| firewalls[place].seen().contains(what);
        for address in &addresses {
            wait_until("an answer is seen", || (0..2).any(|place| saw(place, &answer(address))));
        }
        for address in &addresses {
            let request = format!("IP {address}.");
            let there = [saw(0, &request), saw(1, &request)];
            let back = [saw(0, &answer(address)), saw(1, &answer(address))];
            assert_eq!(there, back, "{address}: request and answer met different firewalls");
            assert_ne!(there[0], there[1], "{address}: exactly one firewall carries it");
        }
        // What the firewall forwards has lost a hop, and a stream passes it.
        let server = lab.background("right-a1", &["iperf3", "-s", "-1", "-p", "443"]);
        lab.wait_for("right-a1", "ss -ltn | grep -q ':443 '");
        lab.must("left-b1", &["iperf3", "-t", "1", "-p", "443", "-c", "10.2.0.10"]);
        server.output();
        // The other way round the firewall's own group has the say.
        lab.must_hear_nothing("right-b1", "http://10.1.0.10:80/");
    }
}
