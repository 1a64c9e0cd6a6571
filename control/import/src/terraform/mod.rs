//! tmp
use crate::{
    Options,
    estate::Estate,
    source::{Read, SourceError},
};
pub(crate) fn read(_: &Read, _: &Options, _: &mut Estate) -> Result<(), SourceError> {
    Ok(())
}
