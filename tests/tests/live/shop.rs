//! Which network do the live tests run in?

/// Three instances in one subnet and one in another, a host outside, dual stack. `web` are the inbound rules of the
/// group of `web-1`, `web-2` and `web-3`, `acl` the inbound entries of their subnet.
pub(crate) fn shop(web: &str, acl: &str) -> String {
    format!(
        r#"{{
  "vpcs": {{ "shop": {{ "cidr_block": "10.0.0.0/16", "ipv6_cidr_block": "2001:db8:1::/56" }} }},
  "internet_gateways": {{ "igw": {{ "vpc": "shop" }} }},
  "route_tables": {{ "shop/main": {{ "routes": [
      {{ "cidr_block": "0.0.0.0/0", "gateway": "igw" }}, {{ "ipv6_cidr_block": "::/0", "gateway": "igw" }} ] }} }},
  "subnets": {{
      "front": {{ "vpc": "shop", "cidr_block": "10.0.1.0/24", "ipv6_cidr_block": "2001:db8:1:1::/64", "network_acl": "front" }},
      "back":  {{ "vpc": "shop", "cidr_block": "10.0.2.0/24", "ipv6_cidr_block": "2001:db8:1:2::/64" }} }},
  "network_acls": {{ "front": {{ "vpc": "shop", "ingress": [ {acl} ], "egress": [
      {{ "rule_no": 100, "action": "allow", "protocol": "-1", "cidr_block": "0.0.0.0/0" }},
      {{ "rule_no": 101, "action": "allow", "protocol": "-1", "ipv6_cidr_block": "::/0" }} ] }} }},
  "security_groups": {{
      "web": {{ "vpc": "shop", "ingress": [ {web} ] }},
      "app": {{ "vpc": "shop", "ingress": [ {{ "protocol": "icmp", "from_port": -1, "to_port": -1, "cidr_blocks": ["10.0.0.0/16"] }} ] }} }},
  "instances": {{
      "web-1": {{ "subnet": "front", "security_groups": ["web"], "private_ip": "10.0.1.10", "ipv6_addresses": ["2001:db8:1:1::10"],
                  "associate_public_ip_address": true, "public_ip": "203.0.113.10" }},
      "web-2": {{ "subnet": "front", "security_groups": ["web"], "private_ip": "10.0.1.11", "ipv6_addresses": ["2001:db8:1:1::11"] }},
      "web-3": {{ "subnet": "front", "security_groups": ["web"], "private_ip": "10.0.1.12", "ipv6_addresses": ["2001:db8:1:1::12"] }},
      "app-1": {{ "subnet": "back", "security_groups": ["app"], "private_ip": "10.0.2.10", "ipv6_addresses": ["2001:db8:1:2::10"] }} }},
  "internet_hosts": {{ "client": {{ "address": "198.51.100.7", "ipv6_address": "2001:db8:ffff::7" }} }}
}}"#
    )
}

/// ACL entries that let everything in.
pub(crate) const OPEN_ACL: &str = r#"
      { "rule_no": 100, "action": "allow", "protocol": "-1", "cidr_block": "0.0.0.0/0" },
      { "rule_no": 101, "action": "allow", "protocol": "-1", "ipv6_cidr_block": "::/0" }"#;

/// Group rules: HTTP from the VPC and the client, iperf3 from the VPC, ping from everywhere.
pub(crate) const WEB_RULES: &str = r#"
      { "protocol": "tcp", "from_port": 80, "to_port": 80, "cidr_blocks": ["10.0.0.0/16", "198.51.100.0/24"], "ipv6_cidr_blocks": ["2001:db8::/32"] },
      { "protocol": "tcp", "from_port": 5201, "to_port": 5201, "cidr_blocks": ["10.0.0.0/16"], "ipv6_cidr_blocks": ["2001:db8:1::/56"] },
      { "protocol": "udp", "from_port": 5201, "to_port": 5201, "cidr_blocks": ["10.0.0.0/16"], "ipv6_cidr_blocks": ["2001:db8:1::/56"] },
      { "protocol": "icmp", "from_port": -1, "to_port": -1, "cidr_blocks": ["0.0.0.0/0"] },
      { "protocol": "icmpv6", "ipv6_cidr_blocks": ["::/0"] }"#;
