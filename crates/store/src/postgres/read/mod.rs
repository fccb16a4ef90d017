//! Reading, over whichever connection is free.

pub(super) mod events;
pub(super) mod rows;
pub(super) mod search;
pub(super) mod states;
pub(super) mod statistics;
