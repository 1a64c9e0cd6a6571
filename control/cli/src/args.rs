//! What can be said on the command line?
//!
//! The one definition of commands and options: `--help`, the man pages and the shell completions come out of it.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// The lab that is meant where none is named.
pub(crate) const DEFAULT_LAB: &str = "default";
/// Names the lab where the command line does not.
pub(crate) const LAB_VARIABLE: &str = "VPCLAB_LAB";

/// Stands for standard output where an option takes a file.
pub(crate) const STDOUT: &str = "-";

/// Your VPC, as packets, with reasons.
///
/// vpclab runs AWS-style VPC networks on one Linux machine, and says for every packet which rule lets it pass or makes
/// it die. A topology is one JSON or YAML document in Terraform's words.
#[derive(Debug, Parser)]
#[command(
    name = "vpclab",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    after_long_help = "\
Examples:
  vpclab explain --from web-1 --to db-1:5432/tcp -t shop.json    why does this pass or die?
  vpclab analyse --to db-1 -t shop.json                          who reaches it, by which traffic?
  vpclab diff main.json branch.json                              what does this change open or close?
  vpclab test shop.tests.json                                    reachability tests, no root needed
  vpclab lint shop.json                                          what is probably a mistake?
  vpclab map -t shop.json                                        what does it look like?
  sudo vpclab up shop.json -d                                    run it: TAPs in network namespaces
  sudo vpclab exec web-1 -- curl http://10.0.2.10                a program inside an instance

Exit status: 0 yes or success, 1 a clean no (unreachable, a test failed, lint findings, connectivity
             changed),
             2 the question was wrong or could not be asked."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Up(Up),
    Down(Down),
    Apply(Apply),
    Get(Get),
    Exec(Exec),
    Attach(Attach),
    Detach(Detach),
    Explain(Explain),
    Analyse(Analyse),
    Diff(Diff),
    Test(Test),
    Lint(Lint),
    Map(Map),
    Import(Import),
    Counters(Counters),
    Completions(Completions),
    Man(Man),
}

/// Which running lab.
#[derive(Debug, Clone, Args)]
pub(crate) struct Lab {
    /// The running lab's name
    #[arg(long, value_name = "NAME", default_value = DEFAULT_LAB, env = LAB_VARIABLE)]
    pub lab: String,
}

/// How to print.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Format {
    /// Print JSON, the control API's own types
    #[arg(long)]
    pub json: bool,
}

/// Start a lab: the engine, the API, and a TAP for each instance
///
/// Needs root (CAP_NET_ADMIN, CAP_SYS_ADMIN) and /dev/net/tun. In the foreground it runs until Ctrl-C and removes all it
/// made; with -d it stays, until `vpclab down`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  sudo vpclab up shop.json          in the foreground, until Ctrl-C
  sudo vpclab up shop.json -d       in the background
  sudo vpclab up ci.json -d --lab ci-42")]
pub(crate) struct Up {
    /// The topology, JSON or YAML
    pub topology: PathBuf,
    /// Stay in the background once ready
    #[arg(short = 'd', long)]
    pub detach: bool,
    #[command(flatten)]
    pub lab: Lab,
    /// Use plain TAP devices, without checksum and segmentation offloads
    #[arg(long)]
    pub plain: bool,
    /// Started by this program itself: log to a file beside the socket
    #[arg(long, hide = true)]
    pub background: bool,
    /// Started by this program itself: leave the terminal's session
    #[arg(long, hide = true)]
    pub own_session: bool,
    #[command(flatten)]
    pub format: Format,
}

/// Stop a lab and leave nothing behind
///
/// Programs started by `vpclab exec` are ended; attached processes and containers are unplugged and go on.
#[derive(Debug, Args)]
pub(crate) struct Down {
    #[command(flatten)]
    pub lab: Lab,
    #[command(flatten)]
    pub format: Format,
}

/// Make the running lab match a file: prints the plan, then one atomic change
#[derive(Debug, Args)]
#[command(after_long_help = "\
Every packet after the change obeys it; a file with a mistake changes nothing.

Examples:
  vpclab apply shop.json
  vpclab apply shop.json --dry-run      only the plan")]
pub(crate) struct Apply {
    /// The topology, JSON or YAML
    pub topology: PathBuf,
    /// Print the plan and change nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub lab: Lab,
    #[command(flatten)]
    pub format: Format,
}

/// Show resources
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  vpclab get subnets -t shop.json
  vpclab get network_acls database -t shop.json
  vpclab get instances                  of the running lab")]
pub(crate) struct Get {
    /// vpcs, subnets, route_tables, internet_gateways, egress_only_internet_gateways, nat_gateways,
    /// vpc_peering_connections, transit_gateways, transit_gateway_vpc_attachments, transit_gateway_peering_attachments,
    /// transit_gateway_route_tables, managed_prefix_lists, network_acls, security_groups, network_interfaces, instances,
    /// eips, internet_hosts, vpc_endpoints, services, vpn_gateways, customer_gateways, vpn_connections, dx_gateways,
    /// dx_gateway_associations, dx_private_virtual_interfaces, dx_transit_virtual_interfaces, customer_networks,
    /// customer_hosts, and the kinds that are stored and not modelled; the singular works too. In a running lab also
    /// counters
    pub kind: String,
    /// One resource, by name or id
    pub name: Option<String>,
    #[command(flatten)]
    pub source: Source,
    #[command(flatten)]
    pub format: Format,
}

/// A file, or else the running lab.
#[derive(Debug, Clone, Args)]
pub(crate) struct Source {
    /// Ask this file and not the running lab
    #[arg(short, long, value_name = "FILE")]
    pub topology: Option<PathBuf>,
    #[command(flatten)]
    pub lab: Lab,
}

/// Run a command inside an instance
///
/// The command sees the instance's network, host name and resolv.conf; in an attached container it sees all of the
/// container, and in an attached container or process it runs as its user, with its capabilities; seccomp and
/// AppArmor/SELinux profiles are not taken over. Its exit status becomes this one's; 127 if there is no such command,
/// 126 if it is not executable.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  sudo vpclab exec web-1 -- ip address
  sudo vpclab exec db-1 -- nc -l 5432")]
pub(crate) struct Exec {
    /// An instance or internet host, by name or id
    pub instance: String,
    #[command(flatten)]
    pub lab: Lab,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

/// Make an existing container, process or namespace an instance
///
/// Docker is asked where DOCKER_HOST says (unix:// only), else at its usual socket.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  sudo vpclab attach web-1 --container nginx
  sudo vpclab attach web-1 --pid 4711
  sudo vpclab attach web-1 --netns /run/netns/blue")]
pub(crate) struct Attach {
    /// An instance or internet host, by name or id
    pub instance: String,
    #[command(flatten)]
    pub target: Target,
    #[command(flatten)]
    pub lab: Lab,
    #[command(flatten)]
    pub format: Format,
}

/// What becomes the instance.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Target {
    /// A running Docker container
    #[arg(long, value_name = "NAME")]
    pub container: Option<String>,
    /// A running process
    #[arg(long)]
    pub pid: Option<i32>,
    /// A network namespace, by name or path
    #[arg(long, value_name = "NAME_OR_PATH")]
    pub netns: Option<String>,
}

/// Give an instance its own namespace back
#[derive(Debug, Args)]
pub(crate) struct Detach {
    /// An instance or internet host, by name or id
    pub instance: String,
    #[command(flatten)]
    pub lab: Lab,
    #[command(flatten)]
    pub format: Format,
}

/// Why does this packet pass or die?
///
/// The answer is about a new connection: the request has to arrive and its reply has to return. All that denies is
/// named, not the first thing only. With -t nothing needs to run.
#[derive(Debug, Args)]
#[command(after_long_help = "\
An end is an instance, a network interface or an internet host (name or id), an address
(VPC/ADDRESS where several VPCs have it), `internet`, `internet:ADDRESS`, or a set of ends.
An instance of several addresses is each of them, from the internet each public one.

`internet` is every public host that no rule or route names more closely than /0. Those that
one names, such as an office's /29, are somebody else: if they fare differently, a line right
below the answer says so. Where they are together as many addresses as a /12 (IPv6: a /28),
they are the internet too: the answer is partial, which is a no. A block such as 0.0.0.0/0
leaves nobody out.

Where both ends have IPv4 and IPv6 the answer is about IPv4; if IPv6 fares differently the
first line tells both, and --family 6 asks about it.
A port without a protocol is TCP; icmp is an echo request; neither asks for every protocol.

Examples:
  vpclab explain --from web-1 --to db-1:5432/tcp -t shop.json
  vpclab explain --from internet --to web-1:443 -t shop.json
  vpclab explain --from client --to '[2001:db8::10]:443/tcp' -t shop.json
  vpclab explain --from web-1 --to internet/icmp

Exit status: 0 reachable, 1 not reachable,
             2 the question is wrong, or the answer depends on what is not modelled.")]
pub(crate) struct Explain {
    /// Who asks
    #[arg(long, value_name = "SRC")]
    pub from: String,
    /// Whom, as in db-1:5432/tcp
    #[arg(long, value_name = "DST[:PORT][/PROTO]")]
    pub to: String,
    /// The destination port, for names that contain `:` or `/`
    #[arg(long)]
    pub port: Option<u16>,
    /// tcp, udp, icmp, all, or a protocol's number
    #[arg(long)]
    pub protocol: Option<String>,
    /// The source port; without one, all that a Linux client may choose: 32768 to 60999
    #[arg(long)]
    pub source_port: Option<u16>,
    /// The address family, 4 or 6; without it, IPv4 when both ends have it
    #[arg(long)]
    pub family: Option<u8>,
    #[command(flatten)]
    pub source: Source,
    #[command(flatten)]
    pub format: Format,
}

/// Make a topology of what you have: CloudFormation, Terraform, `aws ec2 describe-*`
///
/// The topology goes to stdout or a file, the report to stderr: what was understood, approximated, stored without being
/// modelled, or left out, resource by resource. Resources keep their names: the logical id, the Terraform address, the
/// AWS id; with several templates or plans, NAME/ before it.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Sources:
  a CloudFormation template (YAML or JSON, also CDK's output); nested stacks are read from files beside it
  what `terraform show -json` prints of a plan or a state
  what `aws ec2 describe-*` prints: a file with one or all of it, or a folder of such files

Examples:
  vpclab import network.yaml -o network.json
  vpclab import net=network.yaml app=service.yaml@eu-west-1 --parameter net.Env=prod -o shop.json
  terraform show -json plan.out > plan.json && vpclab import plan.json -o shop.json
  vpclab import dumps/ -o account.json --report report.json

Exit status: 0 also with approximations, 1 with --strict if something was left out,
             2 if a source cannot be read or lacks something.")]
pub(crate) struct Import {
    /// What to import; NAME is the file's stem, the region us-east-1, where nothing is said
    #[arg(required = true, value_name = "[NAME=]PATH[@REGION[/ACCOUNT]]")]
    pub sources: Vec<vpclab_import::Source>,
    /// What the sources are written in; without it each is looked at
    #[arg(long, value_enum)]
    pub format: Option<ImportFormat>,
    /// Write the topology to this file
    #[arg(short = 'o', long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write the report to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Refuse to leave anything out
    #[arg(long)]
    pub strict: bool,
    /// Make up what is referred to and not given, and answer nothing that depends on it
    #[arg(long)]
    pub stand_ins: bool,
    /// The value of a template's parameter
    #[arg(long, value_name = "[NAME.]KEY=VALUE")]
    pub parameter: Vec<vpclab_import::Parameter>,
    /// A file of parameters, as `aws cloudformation --parameters` takes it
    #[arg(long, value_name = "[NAME=]FILE")]
    pub parameters: Vec<String>,
    /// Print the report to stdout as JSON; needs -o
    #[arg(long, requires = "output")]
    pub json: bool,
}

/// What sources can be written in.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ImportFormat {
    /// A CloudFormation template
    Cloudformation,
    /// `terraform show -json`
    Terraform,
    /// `aws ec2 describe-*`
    Describe,
}

/// Who reaches whom, by which traffic?
///
/// The exact sets of protocols, ports and sources that pass in full, request and reply, out of the packet engine's own
/// walks: of every pair of instances, declared hosts and the internet, or of some of them. What depends on something that
/// is not modelled is told apart and never counted as passing.
#[derive(Debug, Args)]
#[command(after_long_help = "\
SET is an end as in `vpclab explain`, or a set of them: a subnet, a VPC, a security group,
tag:KEY=VALUE, a CIDR block, `*` for every instance, `internet`, a gateway for whom it leads to.

Examples:
  vpclab analyse -t shop.json                              everybody with everybody
  vpclab analyse --to db-1 -t shop.json                    what reaches db-1, and from where
  vpclab analyse --from internet -t shop.json              what is open to the internet
  vpclab analyse --by subnet -t shop.json                  from subnet to subnet
  vpclab analyse --by group --markdown -t shop.json
  vpclab analyse --csv -t shop.json > reach.csv            one line for each pair and port range
  vpclab analyse --dot -t shop.json | dot -Tsvg > reach.svg

Exit status: 0 whatever passes, 2 the question is wrong.")]
pub(crate) struct Analyse {
    /// Who asks; without it, everybody
    #[arg(long, value_name = "SET")]
    pub from: Option<String>,
    /// Whom; without it, everybody
    #[arg(long, value_name = "SET")]
    pub to: Option<String>,
    /// What a row is about
    #[arg(long, value_enum, default_value_t = AnalyseBy::Instance)]
    pub by: AnalyseBy,
    /// The address family, 4 or 6; without it, both
    #[arg(long)]
    pub family: Option<u8>,
    #[command(flatten)]
    pub source: Source,
    #[command(flatten)]
    pub output: Matrix,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AnalyseBy {
    /// Single hosts; those who fare alike share a row
    Instance,
    /// The subnets they are in
    Subnet,
    /// The security groups they are in
    Group,
}

/// How to print a matrix.
#[derive(Debug, Clone, Copy, Args)]
#[group(multiple = false)]
pub(crate) struct Matrix {
    /// Print JSON, the control API's own types
    #[arg(long)]
    pub json: bool,
    /// Print CSV, a line for each pair and range of ports
    #[arg(long)]
    pub csv: bool,
    /// Print a table in Markdown
    #[arg(long)]
    pub markdown: bool,
    /// Print a graph for Graphviz
    #[arg(long)]
    pub dot: bool,
}

/// What changes in connectivity between two topologies, or by a Terraform plan?
///
/// Of every pair of ends of either topology, by name: which traffic passes in the new one and did not in the old one,
/// which does no longer, and by which rules. Those who change alike share a row. Of one Terraform plan it compares what there
/// is before with what there is to be.
#[derive(Debug, Args)]
#[command(after_long_help = "\
A side is a topology, JSON or YAML, or what `vpclab import` takes without further options: a
template, a plan (what there is to be), a state, what `aws ec2 describe-*` prints.

Examples:
  vpclab diff main.json branch.json
  vpclab diff main.json branch.json --markdown > comment.md      for a pull request
  terraform plan -out=p && terraform show -json p > plan.json
  vpclab diff plan.json                                          before and after this plan

Exit status: 0 nothing changes, 1 something changes or may change, 2 a file is wrong.")]
pub(crate) struct Diff {
    /// The topology as it was; or a Terraform plan, alone
    #[arg(value_name = "OLD|PLAN")]
    pub old: PathBuf,
    /// The topology as it is to be
    pub new: Option<PathBuf>,
    /// Make up what an imported file refers to and has not, and answer nothing that depends on it
    #[arg(long)]
    pub stand_ins: bool,
    #[command(flatten)]
    pub output: Review,
}

/// How to print what changes.
#[derive(Debug, Clone, Copy, Args)]
#[group(multiple = false)]
pub(crate) struct Review {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Print Markdown
    #[arg(long)]
    pub markdown: bool,
}

/// Run reachability tests
///
/// Each test says who asks whom, and whether that is to be allowed or denied; a denied one may say by which rule, an
/// allowed one by which way. Others say who only may ask, or what is so when a zone or a NAT gateway is down. Every result
/// prints the level it was obtained at. A test that could not run is counted as not run, and never passes.
/// A client that does not choose its source port (`source_port` in the file) may use any from 32768 to 60999.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Levels:
  explain   the decision function alone; needs nothing
  virtual   TCP/IP stacks inside the process, the real engine, a virtual clock; needs nothing
  live      real sockets in network namespaces; needs root. Without --lab it starts a lab for
            the run and removes it

Examples:
  vpclab test shop.tests.json
  vpclab test *.tests.yaml --level explain --junit results.xml
  vpclab test *.tests.yaml --github --junit results.xml --markdown=comment.md     in CI
  sudo vpclab test shop.tests.json --level live

Exit status: 0 all passed, 1 some failed, 2 some did not run, or a file is wrong.")]
pub(crate) struct Test {
    /// Files of tests, JSON or YAML
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The topology, instead of the one each file names
    #[arg(short, long, value_name = "FILE")]
    pub topology: Option<PathBuf>,
    /// What witnesses
    #[arg(long, value_enum, default_value_t = TestLevel::Virtual)]
    pub level: TestLevel,
    /// At the level live: use this running lab and its topology; VPCLAB_LAB says the same there
    // Not clap's own `env`: at the other levels the variable is no mistake, and the option is one.
    #[arg(long, value_name = "NAME")]
    pub lab: Option<String>,
    /// Print TAP version 14
    #[arg(long, conflicts_with = "json")]
    pub tap: bool,
    /// Print GitHub's workflow commands for what failed, after the results
    #[arg(long)]
    pub github: bool,
    /// Print Markdown for a comment on a pull request, or write it to this file too
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = STDOUT)]
    pub markdown: Option<PathBuf>,
    /// Write JUnit XML to this file too
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Print JSON, the control API's own types
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TestLevel {
    /// The decision function alone
    Explain,
    /// TCP/IP stacks inside the process
    Virtual,
    /// Real sockets in network namespaces
    Live,
}

/// What in this design is probably a mistake?
///
/// Replies that a network ACL denies, routes that lead nowhere or not back, subnets that are not what their names say, groups
/// open to the world, rules that never decide, and what nobody uses; each with its reason and its remedy. What is about
/// packets is asked of the engine. With a file nothing needs to run.
#[derive(Debug, Args)]
#[command(after_long_help = "\
A document accepts a finding with its reason, in the resource or at its top; at a place, what
comes later is found again:
  \"bastion\": { ..., \"x-vpclab-accept\":
      { \"open-to-the-world\": { \"tcp 22 from 0.0.0.0/0\": \"SSH with keys only\" } } }

Examples:
  vpclab lint shop.json
  vpclab lint shop.json --strict        notes count as well
  vpclab lint --json                    the running lab, as data

Exit status: 0 nothing found but notes, 1 errors or warnings,
             2 the file is wrong, or accepts what there is not.")]
pub(crate) struct Lint {
    /// The topology, JSON or YAML; without one, the running lab
    #[arg(value_name = "TOPOLOGY", conflicts_with = "topology")]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub source: Source,
    /// Let notes count: exit 1 for them too
    #[arg(long)]
    pub strict: bool,
    #[command(flatten)]
    pub format: Format,
}

/// Show the network as a tree: what is where, and what guards it
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  vpclab map -t shop.json
  vpclab map                            the running lab")]
pub(crate) struct Map {
    #[command(flatten)]
    pub source: Source,
    /// Print JSON: the topology with AWS's defaults filled in
    #[arg(long)]
    pub json: bool,
}

/// Show what a running lab has counted: frames forwarded, and dropped by interface and reason
#[derive(Debug, Args)]
pub(crate) struct Counters {
    #[command(flatten)]
    pub lab: Lab,
    #[command(flatten)]
    pub format: Format,
}

/// Print completions for a shell
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  vpclab completions bash > /etc/bash_completion.d/vpclab
  vpclab completions zsh > ~/.zfunc/_vpclab")]
pub(crate) struct Completions {
    /// The shell
    pub shell: Shell,
}

/// Write the man pages into a folder
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// The folder; made if it does not exist
    pub folder: PathBuf,
}
