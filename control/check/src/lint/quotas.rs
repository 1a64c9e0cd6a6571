//! Is there more of something than AWS grants unasked?
//!
//! Asked where the document says nothing of quotas: the model counts, as if `quotas` said `aws-default`. A document that
//! says `none` has thought of it.

use serde_json::Value;
use vpclab_api::Finding;
use vpclab_model::{Document, QUOTAS, Topology};

use super::Lint;
use super::catalogue::BEYOND_DEFAULT_QUOTA;

pub(super) fn check(cx: &Lint<'_>) -> Vec<Finding> {
    let mut value = cx.document.as_value().clone();
    let Some(top) = value.as_object_mut().filter(|top| top.get("quotas").is_none_or(Value::is_null)) else {
        return Vec::new();
    };
    top.insert("quotas".to_owned(), Value::from("aws-default"));
    let Err(mistakes) = Topology::from_document(&Document::from(value), Some(cx.topology)) else {
        return Vec::new();
    };
    let finding = |mistake: &vpclab_model::Mistake| {
        let (kind, name) = mistake.resource.split_once('.').unwrap_or(("", &mistake.resource));
        let quota = QUOTAS.iter().find(|quota| mistake.remedy.contains(&format!("`{}`", quota.name)));
        let remedy = format!("{}; ask AWS for more, or say `\"quotas\": \"none\"`", mistake.remedy);
        let finding = BEYOND_DEFAULT_QUOTA.about_kind(kind, name, mistake.problem.clone(), remedy);
        let fact = quota.map_or("SG-16", |quota| quota.fact);
        let rule = Some(mistake.attribute.clone()).filter(|attribute| !attribute.is_empty());
        Finding { rule, facts: vec![fact.to_owned()], ..finding }
    };
    mistakes.0.iter().map(finding).collect()
}
