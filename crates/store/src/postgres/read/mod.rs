//! Reading, over a connection of the read pool.

pub(super) mod events;
pub(super) mod rows;
pub(super) mod search;
pub(super) mod states;
pub(super) mod statistics;
