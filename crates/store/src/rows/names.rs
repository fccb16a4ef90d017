//! Names that reports may give to several holders. Actions give them to one.

use super::Key;
use super::registry::key;
use super::values::Neighbours;

/// The key of a row that leads from a name to its last holder.
pub trait Name: Key<Value: Copy + PartialEq> {
    /// The key of the row that a holder has while others hold the name too.
    type WhileShared: Key<Value = Neighbours<Self::Value>>;

    /// Returns the key of the row that a holder has while others hold the name too.
    fn shared(&self, holder: Self::Value) -> Self::WhileShared;
}

macro_rules! names {
    ($($name:ident, $shared:ident;)+) => {$(
        impl Name for key::$name {
            type WhileShared = key::$shared;

            fn shared(&self, holder: Self::Value) -> Self::WhileShared {
                key::$shared(self.0.clone(), holder)
            }
        }
    )+};
}

names! {
    AppName, SharedAppName;
    Domain, SharedDomain;
    Username, SharedUsername;
    Email, SharedEmail;
}
