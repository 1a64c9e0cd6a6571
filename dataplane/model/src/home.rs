//! Where does a resource live, and whose is it?
//!
//! Most of AWS ends at the edge of a region and of an account: what lies beyond is not found there, unless a peering
//! connection or a share says otherwise. Everything inside a VPC has the VPC's home.

use serde::Serialize;

/// The account that owns what names no other, twelve digits.
pub const DEFAULT_OWNER: &str = "123456789012";

/// The region of a document that names none.
pub const DEFAULT_REGION: &str = "us-east-1";

/// The region of a resource and the account that owns it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Home {
    /// The AWS region, such as `us-east-1`.
    pub region: String,
    /// The account, twelve digits.
    pub owner: String,
}

impl Home {
    /// What sets the two apart, as it is said of each: `in region us-east-1`, or `of account 123456789012`. Nothing when
    /// they agree. The region comes first, as it does with AWS.
    pub(crate) fn apart(&self, other: &Self) -> Option<[String; 2]> {
        if self.region != other.region {
            Some([self, other].map(|home| format!("in region {}", home.region)))
        } else if self.owner != other.owner {
            Some([self, other].map(|home| format!("of account {}", home.owner)))
        } else {
            None
        }
    }
}
