//! How do several links of a namespace become what they are to be, where one takes over what another has?
//!
//! The kernel holds one route for each destination, table and metric, and one link for each name. So the steps are taken
//! by all links, one after the other: names, then the links themselves, then addresses, routes and rules, where all
//! have given up what they are not to have before any takes what it is to have. What always holds: what is right
//! already is not touched; a step that fails keeps neither the link nor the others from the next.

use rtnetlink::Handle;

use super::{LinkConfig, LinkError, LinkInfo, WantedLink, addresses, netlink, routes, rules, sysctl};

/// A link on its way.
struct Member {
    info: LinkInfo,
    /// With the name it has now.
    config: LinkConfig,
    /// The first step that failed.
    failure: Option<LinkError>,
}

/// Brings one link to its configuration.
pub(super) async fn apply(handle: &Handle, info: LinkInfo, config: LinkConfig) -> Result<(), LinkError> {
    let mut members = [Member { info, config, failure: None }];
    bring(handle, &mut members).await?;
    let [Member { failure, .. }] = members;
    failure.map_or(Ok(()), Err)
}

/// Brings the links that have the aliases to their configurations, and gives them their names.
pub(super) async fn apply_by_alias(
    handle: &Handle,
    wanted: &[WantedLink],
) -> Result<Vec<Result<LinkConfig, LinkError>>, LinkError> {
    let mut links = netlink::links(handle).await?;
    rename(handle, &mut links, wanted).await;
    let mut members = Vec::new();
    let mut missing = Vec::new();
    for WantedLink { config, .. } in wanted {
        let info = links.iter().find(|link| link.alias == config.alias).cloned();
        missing.push(info.is_none());
        members.extend(info.map(|info| {
            let config = LinkConfig { name: info.name.clone(), ..config.clone() };
            Member { info, config, failure: None }
        }));
    }
    bring(handle, &mut members).await?;
    let mut members = members.into_iter();
    let outcomes = wanted.iter().zip(missing).map(|(wanted, is_missing)| {
        let found = if is_missing { None } else { members.next() };
        match found {
            None => Err(LinkError::AliasNotFound(wanted.config.alias.clone())),
            Some(Member { failure: Some(error), .. }) => Err(error),
            Some(Member { config, .. }) => Ok(config),
        }
    });
    Ok(outcomes.collect())
}

/// Gives links their names, also where they exchange them. One that cannot have its own keeps another: programs see
/// that, and packets do not.
async fn rename(handle: &Handle, links: &mut [LinkInfo], wanted: &[WantedLink]) {
    let mut moves: Vec<(usize, &str)> = Vec::new();
    for WantedLink { config, rename } in wanted {
        let Some(target) = rename.as_deref() else { continue };
        let is_it = |link: &LinkInfo| link.alias == config.alias && link.name == config.name;
        let place = links.iter().position(is_it).filter(|place| links[*place].name != target);
        moves.extend(place.map(|place| (place, target)));
    }
    // A name that another is to have is given up first.
    for &(place, _) in &moves {
        if !moves.iter().any(|(_, target)| *target == links[place].name) {
            continue;
        }
        let is_taken = |name: &String| {
            links.iter().any(|link| link.name == *name) || moves.iter().any(|(_, target)| target == name)
        };
        let free = (0_u32..).map(|number| format!("eth{number}")).find(|name| !is_taken(name));
        if let Some(free) = free {
            move_to(handle, &mut links[place], &free).await;
        }
    }
    for (place, target) in moves {
        if !links.iter().any(|link| link.name == target) {
            move_to(handle, &mut links[place], target).await;
        }
    }
}

async fn move_to(handle: &Handle, link: &mut LinkInfo, name: &str) {
    if netlink::rename(handle, link.index, &link.name, name).await.is_ok() {
        name.clone_into(&mut link.name);
    }
}

async fn bring(handle: &Handle, members: &mut [Member]) -> Result<(), LinkError> {
    for member in &mut *members {
        member
            .step(async |info, config| {
                netlink::set_attributes(handle, info, config).await?;
                sysctl::prepare_link(config)?;
                netlink::set_up(handle, info.index, &config.name).await?;
                netlink::set_noqueue(handle, info.index, &config.name).await
            })
            .await;
    }
    for member in &mut *members {
        member.step(async |info, config| addresses::remove(handle, info.index, config).await).await;
    }
    for member in &mut *members {
        member.step(async |info, config| addresses::add(handle, info.index, config).await).await;
    }
    let present = routes::read(handle).await?;
    for member in &mut *members {
        member.step(async |info, config| routes::remove(handle, &present, info.index, config).await).await;
    }
    // What was removed may have taken other routes along.
    let present = routes::read(handle).await?;
    for member in &mut *members {
        member.step(async |info, config| routes::add(handle, &present, info.index, config).await).await;
    }
    for member in &mut *members {
        member.step(async |info, config| rules::apply(handle, info.index, config).await).await;
    }
    Ok(())
}

impl Member {
    /// Takes a step, whatever became of the former ones.
    async fn step(&mut self, step: impl AsyncFnOnce(&LinkInfo, &LinkConfig) -> Result<(), LinkError>) {
        if let Err(error) = step(&self.info, &self.config).await {
            self.failure.get_or_insert(error);
        }
    }
}
