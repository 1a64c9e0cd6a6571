//! In which region and account is a resource of Terraform?

use serde_json::Value;

use crate::describe::account;
use crate::source::is_region;
use crate::terraform::plan::Instance;
use crate::terraform::references::{Evaluator, Scope};
use crate::val::Val;

impl Evaluator<'_> {
    /// The region: the resource's own, its ARN's, its zone's or its provider's.
    pub(super) fn region(&self, at: usize) -> String {
        let own = || self.source.region.clone();
        let Some(instance) = self.plan.instances.get(at) else { return own() };
        let text = |key: &str| instance.values.get(key).and_then(Value::as_str);
        let arn = text("arn").and_then(|arn| arn.split(':').nth(3));
        let zone = text("availability_zone").and_then(crate::describe::region_of_zone);
        let said = text("region").or(arn).filter(|region| is_region(region)).map(str::to_owned).or(zone);
        said.or_else(|| self.provider_region(instance))
            .or_else(|| self.plan.home.region.clone())
            .unwrap_or_else(own)
    }

    fn provider_region(&self, instance: &Instance) -> Option<String> {
        let block = self.plan.block(&instance.module, instance.is_data, &instance.of_type, &instance.name);
        let key = block.and_then(|block| block.get("provider_config_key")?.as_str()).unwrap_or("aws");
        let provider =
            self.plan.providers.get(key).or_else(|| self.plan.providers.get(key.rsplit(':').next()?));
        let provider = provider.or_else(|| self.plan.providers.get("aws"))?;
        let expression = provider.get("expressions")?.get("region")?;
        let scope = Scope { module: &[], index: None, for_each: None, depth: 0, key: "" };
        let found = self.expression(scope, expression).values.iter().find_map(Val::text)?;
        is_region(&found).then_some(found)
    }

    /// The account of a resource: its own, or that of the first that says one.
    pub(super) fn account(&self, instance: &Instance) -> String {
        let usual = || self.plan.home.account.clone();
        account_of(instance).or_else(usual).unwrap_or_else(|| self.source.account.clone())
    }
}

/// The region that a resource says.
pub(super) fn region_of(instance: &Instance) -> Option<String> {
    let text = |key: &str| instance.values.get(key).and_then(Value::as_str);
    let zone = text("availability_zone").and_then(crate::describe::region_of_zone);
    let arn = text("arn").and_then(|arn| arn.split(':').nth(3)).filter(|region| is_region(region));
    zone.or_else(|| arn.map(str::to_owned))
}

/// The account that a resource says.
pub(super) fn account_of(instance: &Instance) -> Option<String> {
    let text = |key: &str| instance.values.get(key).and_then(Value::as_str);
    let arn = text("arn").and_then(|arn| arn.split(':').nth(4));
    text("owner_id").or(arn).filter(|account| account.len() == 12).and_then(account)
}
