//! What do data sources of Terraform say of what nobody manages here?

use serde_json::{Map, Value, json};

use crate::estate::Estate;
use crate::report::Fate;
use crate::terraform::references::Resource;
use crate::terraform::{Facts, begin, home};
use crate::val::Val;

/// What a data source says of something that no source manages, for its stand-in.
pub(super) fn data(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silence();
    let mut known = Map::new();
    let mut copy = |theirs: &str, ours: &str| {
        known.extend(resource.text(theirs).map(|text| (ours.to_owned(), json!(text))));
    };
    let kind = match resource.of_type.as_str() {
        "aws_vpc" => {
            copy("cidr_block", "cidr_block");
            known.insert("region".to_owned(), json!(resource.region));
            known.insert("owner".to_owned(), json!(resource.account));
            "vpcs"
        }
        "aws_subnet" => {
            copy("vpc_id", "vpc");
            copy("cidr_block", "cidr_block");
            copy("availability_zone", "availability_zone");
            "subnets"
        }
        "aws_security_group" => {
            copy("vpc_id", "vpc");
            "security_groups"
        }
        "aws_route_table" => {
            copy("vpc_id", "vpc");
            "route_tables"
        }
        "aws_internet_gateway" => {
            let attached = resource.values.get("attachments").map_or(&[][..], Val::items).first();
            known.extend(
                attached.and_then(|one| one.text_of("vpc_id")).map(|vpc| ("vpc".to_owned(), json!(vpc))),
            );
            "internet_gateways"
        }
        "aws_nat_gateway" => {
            copy("vpc_id", "vpc");
            copy("subnet_id", "subnet");
            "nat_gateways"
        }
        "aws_ec2_managed_prefix_list" | "aws_prefix_list" => {
            let name = resource.name.clone();
            let entries = resource.values.get("entries").map_or(&[][..], Val::items);
            let entries: Vec<Value> = entries
                .iter()
                .filter_map(|one| one.text_of("cidr"))
                .map(|cidr| json!({ "cidr": cidr }))
                .collect();
            if !name.starts_with("com.amazonaws.") && !entries.is_empty() {
                mapping.text("address_family", "address_family");
                mapping.number("max_entries", "max_entries");
                mapping.write("entries", entries);
                home(&mut mapping, resource);
                mapping.put("managed_prefix_lists");
            }
            return mapping.finish(Fate::Understood);
        }
        "aws_ec2_transit_gateway" => {
            known.insert("region".to_owned(), json!(resource.region));
            known.insert("owner".to_owned(), json!(resource.account));
            "transit_gateways"
        }
        _ => return mapping.finish(Fate::NotNetwork),
    };
    mapping.estate.hint(kind, &resource.name, known);
    mapping.finish(Fate::Understood);
}
