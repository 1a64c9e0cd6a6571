use serde_json::json;
use vpclab_tests::{harness::Net, packet::*};
#[test]
fn scratch() {
    for flags in [Flags::Syn, Flags::SynAck, Flags::Ack, Flags::Rst, Flags::Fin] {
    let mut net = Net::new(json!({
        "vpcs": {"v": {"cidr_block": "10.0.0.0/16"}}, "internet_gateways": {"g": {"vpc": "v"}},
        "route_tables": {"t": {"vpc":"v","routes":[{"cidr_block":"0.0.0.0/0","gateway":"g"}]}},
        "subnets": {"s": {"vpc":"v","cidr_block":"10.0.1.0/24","route_table":"t"}},
        "security_groups": {"x": {"vpc":"v","ingress":[{"protocol":"tcp","from_port":0,"to_port":65535,"cidr_blocks":["0.0.0.0/0"]}],"egress":[{"protocol":"-1","cidr_blocks":["198.51.100.0/24","10.0.0.0/16"]}]}},
        "instances": { "j": {"subnet":"s","private_ip":"10.0.1.11","security_groups":["x"]},"i": {"subnet":"s","private_ip":"10.0.1.10","associate_public_ip_address":true,"public_ip":"203.0.113.9","security_groups":["x"]}},
        "internet_hosts": {"client":{"address":"198.51.100.7"}}
    }));
    let p = Packet::new("10.0.1.10","198.51.100.7", tcp(50001,80,Flags::Syn));
    let f = net.send("i",&p);
    let seen = f.arrives_at("client");
    let e = Packet{src:seen.src,dst:seen.dst,body:p.body}.error(ErrorKind::PortUnreachable).unwrap();
    let fr = vpclab_tests::frames::frame(&e, net.mac("client"), net.router_mac("client"), b"vpclab");
    let vpclab_wire::Body::Ip(h) = vpclab_wire::parse(&fr).unwrap().body else { panic!() };
    println!("{:?}", h.transport);
    println!("{flags:?} {e:?} {:?}", net.send("client",&e).outcome);

    let p = Packet::new("10.0.1.10","10.0.1.11", tcp(50001,80,flags));
    net.send("i",&p).arrives_at("j");
    let e = p.error(ErrorKind::PortUnreachable).unwrap();
    println!("inside {:?}", net.send("j",&e).outcome);
    }
}
