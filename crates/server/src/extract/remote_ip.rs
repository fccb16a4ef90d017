//! The address that a request comes from.
//!
//! This is the address of the connection. If a trusted proxy has that address, it is the last address in `X-Forwarded-For`
//! that no trusted proxy has. Clients can forge the addresses before that one.

use std::net::{IpAddr, SocketAddr};

use axum::extract::FromRequestParts;
use http::request::Parts;
use ipnet::IpNet;

use crate::error::ApiError;
use crate::state::AppState;

/// The address of the other end of the connection. The listener adds it to the extensions of each request.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// The address that a request comes from, if known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RemoteIp(pub(crate) Option<IpAddr>);

impl FromRequestParts<AppState> for RemoteIp {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        Ok(Self::of(parts, &state.config.trusted_proxies))
    }
}

impl RemoteIp {
    pub(crate) fn of(parts: &Parts, trusted: &[IpNet]) -> Self {
        let Some(Peer(peer)) = parts.extensions.get::<Peer>() else { return Self(None) };
        if trusted.is_empty() {
            return Self(Some(peer.ip().to_canonical()));
        }
        let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
        let mut address = peer.ip().to_canonical();
        let forwarded = parts.headers.get_all("x-forwarded-for").iter();
        let mut hops: Vec<&str> =
            forwarded.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).collect();
        while is_trusted(address)
            && let Some(hop) = hops.pop()
        {
            let Some(before) = address_in(hop.trim()) else { break };
            address = before;
        }
        Self(Some(address))
    }
}

/// Parses an address, with or without the port that some proxies add.
fn address_in(hop: &str) -> Option<IpAddr> {
    let bare = hop.parse::<IpAddr>().ok();
    bare.or_else(|| Some(hop.parse::<SocketAddr>().ok()?.ip())).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_a_client_forges_are_ignored() {
        for (peer, forwarded, trusted, expected) in [
            ("9.9.9.9:1", None, "", "9.9.9.9"),
            ("9.9.9.9:1", Some("1.1.1.1"), "", "9.9.9.9"),
            ("10.0.0.1:1", Some("1.1.1.1"), "10.0.0.0/8", "1.1.1.1"),
            ("10.0.0.1:1", Some("6.6.6.6, 1.1.1.1"), "10.0.0.0/8", "1.1.1.1"),
            ("10.0.0.1:1", Some("1.1.1.1, 10.0.0.2"), "10.0.0.0/8", "1.1.1.1"),
            ("10.0.0.1:1", Some("nonsense, 10.0.0.2"), "10.0.0.0/8", "10.0.0.2"),
            ("10.0.0.1:1", None, "10.0.0.0/8", "10.0.0.1"),
            ("[::ffff:10.0.0.1]:1", Some("1.1.1.1:4711"), "10.0.0.0/8", "1.1.1.1"),
            ("[::1]:1", Some("2001:db8::1"), "::1/128", "2001:db8::1"),
            ("[::1]:1", Some("[2001:db8::1]:4711"), "::1/128", "2001:db8::1"),
            // What a client sends itself comes before what the proxies add, and is not read.
            ("10.0.0.1:1", Some("127.0.0.1, 6.6.6.6"), "10.0.0.0/8", "6.6.6.6"),
            ("10.0.0.1:1", Some("10.0.0.9, 6.6.6.6, 10.0.0.2"), "10.0.0.0/8", "6.6.6.6"),
            // If all of them are trusted, the first one is the client.
            ("10.0.0.1:1", Some("10.0.0.3, 10.0.0.2"), "10.0.0.0/8", "10.0.0.3"),
            ("10.0.0.1:1", Some(""), "10.0.0.0/8", "10.0.0.1"),
            ("10.0.0.1:1", Some("unknown"), "10.0.0.0/8", "10.0.0.1"),
            ("9.9.9.9:1", Some("1.1.1.1"), "10.0.0.0/8", "9.9.9.9"),
            ("10.0.0.1:1", Some("6.6.6.6, 192.0.2.1"), "10.0.0.0/8,192.0.2.1/32", "6.6.6.6"),
            ("[2001:db8:1::1]:1", Some("2001:db8:2::2"), "2001:db8:1::/48", "2001:db8:2::2"),
            ("[2001:db8:9::1]:1", Some("2001:db8:2::2"), "2001:db8:1::/48", "2001:db8:9::1"),
        ] {
            let mut request = http::Request::builder().extension(Peer(peer.parse().unwrap()));
            if let Some(forwarded) = forwarded {
                request = request.header("x-forwarded-for", forwarded);
            }
            let (parts, ()) = request.body(()).unwrap().into_parts();
            let trusted: Vec<IpNet> = trusted.split(',').filter_map(|network| network.parse().ok()).collect();
            let RemoteIp(found) = RemoteIp::of(&parts, &trusted);
            assert_eq!(found.unwrap().to_string(), expected, "{peer} {forwarded:?} {trusted:?}");
        }
    }
}
