//! What was examined on the way?
//!
//! Each stop of the walk reports a [`Step`] to a [`Probe`]. Forwarding passes [`NoProbe`], which compiles away;
//! explanation passes a [`Recorder`]. The probe also says whether the walk goes on after a filter has denied: that is
//! how an explanation finds every blocker with the code that forwards.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::fabric::{Direction, RouteTarget};
use crate::flow::Tracking;
use crate::index::{
    AttachmentIdx, CustomerNetworkIdx, EgressOnlyIdx, EniIdx, HostIdx, InternetGatewayIdx, LinkIdx,
    NatGatewayIdx, NetworkAclIdx, PeeringIdx, RouteTableIdx, SecurityGroupIdx, SubnetIdx, TransitTableIdx,
    VpcEndpointIdx, VpcIdx, VpnGatewayIdx,
};
use crate::reason::DropReason;

/// One thing examined, with the rule that decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The packet leaves an interface.
    Leave {
        /// The interface.
        eni: EniIdx,
    },
    /// The source/destination check (PIPE-18).
    SourceDestCheck {
        /// The interface.
        eni: EniIdx,
        /// Outbound looks at the source, inbound at the destination.
        direction: Direction,
        /// Whether the check is on at all.
        enabled: bool,
        /// Whether the packet may pass.
        passed: bool,
    },
    /// The interface's security groups.
    SecurityGroup {
        /// The interface.
        eni: EniIdx,
        /// Whose rules.
        direction: Direction,
        /// Who decided.
        decision: GroupDecision,
    },
    /// A subnet's network ACL.
    NetworkAcl {
        /// The ACL.
        network_acl: NetworkAclIdx,
        /// The subnet.
        subnet: SubnetIdx,
        /// Into or out of the subnet.
        direction: Direction,
        /// The entry that decided; none stands for the final `*`.
        rule: Option<u16>,
        /// Whether it allows.
        allowed: bool,
    },
    /// A route table was looked up.
    Route {
        /// The table.
        route_table: RouteTableIdx,
        /// The route that matched.
        matched: Option<(IpNet, RouteTarget)>,
    },
    /// An internet gateway.
    InternetGateway {
        /// The gateway.
        gateway: InternetGatewayIdx,
        /// Out to the internet or in from it.
        direction: Direction,
        /// The address it replaced and what stands there now; none where nothing is translated (IGW-14).
        translated: Option<(IpAddr, IpAddr)>,
    },
    /// An egress-only internet gateway.
    EgressOnly {
        /// The gateway.
        gateway: EgressOnlyIdx,
        /// Out to the internet or in from it.
        direction: Direction,
    },
    /// A NAT gateway.
    NatGateway {
        /// The gateway.
        gateway: NatGatewayIdx,
        /// Whose packet it is.
        side: NatSide,
        /// Source and destination before.
        before: (IpAddr, IpAddr),
        /// Source and destination after.
        after: (IpAddr, IpAddr),
    },
    /// A VPC endpoint.
    Endpoint {
        /// The endpoint.
        endpoint: VpcEndpointIdx,
        /// To the service or from it.
        direction: Direction,
        /// Source and destination before.
        before: (IpAddr, IpAddr),
        /// Source and destination after.
        after: (IpAddr, IpAddr),
    },
    /// A VPC peering connection.
    Peering {
        /// The connection.
        peering: PeeringIdx,
        /// The VPC at the other end.
        to: VpcIdx,
    },
    /// A virtual private gateway.
    VpnGateway {
        /// The gateway.
        gateway: VpnGatewayIdx,
        /// Out to the customer or in from it.
        direction: Direction,
        /// The link that it takes, or came by.
        link: LinkIdx,
    },
    /// A VPN connection or a virtual interface.
    PrivateLink {
        /// The link.
        link: LinkIdx,
        /// Out to the customer or in from it.
        direction: Direction,
    },
    /// A customer network looked up its routes.
    CustomerNetwork {
        /// The network.
        network: CustomerNetworkIdx,
        /// The destination that matched, and the link there.
        matched: Option<(IpNet, LinkIdx)>,
    },
    /// The guest of an interface sends a packet on that is not addressed to it. Explanations alone have this step.
    Forward {
        /// The interface by which it got the packet.
        eni: EniIdx,
        /// The interface by which it sends it.
        out: EniIdx,
        /// What it puts in place of the source, or of the destination of an answer.
        translated: Option<(IpAddr, IpAddr)>,
    },
    /// A transit gateway's route table was looked up (TGW-04).
    TransitRoute {
        /// The attachment that the packet came in by.
        attachment: AttachmentIdx,
        /// The table.
        table: TransitTableIdx,
        /// The route that matched.
        matched: Option<IpNet>,
    },
    /// A transit gateway sends the packet out.
    TransitGateway {
        /// The attachment that the packet came in by.
        from: AttachmentIdx,
        /// The attachment that it leaves by.
        to: AttachmentIdx,
        /// The subnet whose interface it leaves by, into a VPC (TGW-20, TGW-22).
        subnet: Option<SubnetIdx>,
    },
    /// The packet reaches an interface's guest.
    Arrive {
        /// The interface.
        eni: EniIdx,
    },
    /// The packet leaves for a host outside every VPC.
    Outside {
        /// The host; none where the internet has one that the topology does not declare.
        host: Option<HostIdx>,
        /// The host's address.
        address: IpAddr,
    },
}

/// From which side a packet comes to a NAT gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NatSide {
    /// From a client, by a route.
    Inside,
    /// From the other end, to an address of the gateway.
    Outside,
}

/// Who decided at a security group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupDecision {
    /// The packet belongs to a remembered connection (CT-01).
    Tracked,
    /// An ICMP error about a remembered connection (CT-17).
    Related,
    /// A rule allows it.
    Rule {
        /// The group.
        group: SecurityGroupIdx,
        /// Its place in the group's declared list of this direction.
        declared_at: usize,
        /// Whether the flow is remembered from here on; none where the packet opens no flow.
        tracking: Option<Tracking>,
    },
    /// No rule allows it.
    Denied,
    /// No rule allows it that is known, and there may be others.
    Unknown,
}

/// Receives the steps of a walk.
pub trait Probe {
    /// Takes note of a step; `step` is built only by probes that look at it.
    fn step(&mut self, step: impl FnOnce() -> Step);

    /// Hears that a filter denied the packet. `true` lets the walk go on as if it had not.
    fn denied(&mut self, reason: DropReason) -> bool;
}

/// Looks at nothing and stops at the first denial: what forwarding uses.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProbe;

/// Keeps every step, and every denial.
#[derive(Debug, Clone, Default)]
pub struct Recorder {
    /// The steps in the order of the walk.
    pub steps: Vec<Step>,
    /// What filters denied, in the order of the walk.
    pub denials: Vec<DropReason>,
    /// Whether the walk goes on after a denial.
    pub survey: bool,
}

impl Probe for NoProbe {
    fn step(&mut self, _: impl FnOnce() -> Step) {}

    fn denied(&mut self, _: DropReason) -> bool {
        false
    }
}

impl Probe for Recorder {
    fn step(&mut self, step: impl FnOnce() -> Step) {
        self.steps.push(step());
    }

    fn denied(&mut self, reason: DropReason) -> bool {
        self.denials.push(reason);
        self.survey
    }
}
