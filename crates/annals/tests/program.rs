//! The built program: a few whole journeys, faults, and what is left when it is killed.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod program {
    mod client;
    pub(crate) mod clients;
    pub(crate) mod crash;
    pub(crate) mod database;
    pub(crate) mod disk;
    pub(crate) mod faults;
    pub(crate) mod journeys;
    mod live;
    pub(crate) mod mail;
    pub(crate) mod mistakes;
    pub(crate) mod moving;
    pub(crate) mod readme;
    pub(crate) mod running;
    pub(crate) mod schemathesis;
}
