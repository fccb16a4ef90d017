//! The address to listen on.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};

use anyhow::bail;
use tokio::net::TcpListener;

/// Parses an address as users write it: `127.0.0.1:9000`, `localhost:9000`, or a port alone, which means this machine only.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.strip_prefix(':').unwrap_or(text).parse() {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    let form = "must be a port, or an address and a port such as 127.0.0.1:8080";
    let has_port = text.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if !has_port || text.parse::<IpAddr>().is_ok() {
        return Err(form.to_owned());
    }
    let found: Vec<_> = text.to_socket_addrs().map_err(|error| format!("{form}: {error}"))?.collect();
    let v4 = found.iter().find(|address| address.is_ipv4());
    v4.or(found.first()).copied().ok_or_else(|| form.to_owned())
}

/// Listens on the address.
///
/// # Errors
///
/// If the address cannot be used. The error says what to do.
pub(crate) async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let error = match TcpListener::bind(address).await {
        Ok(listener) => return Ok(listener),
        Err(error) => error,
    };
    match error.kind() {
        ErrorKind::AddrInUse => bail!(
            "cannot listen on {address}: another process uses the port, perhaps another annals; stop it, or choose another port with --listen"
        ),
        ErrorKind::PermissionDenied => bail!(
            "cannot listen on {address}: permission denied; choose a port from 1024 upwards with --listen"
        ),
        ErrorKind::AddrNotAvailable => bail!(
            "cannot listen on {address}: this machine does not have that address; choose one of its own with --listen"
        ),
        _ => bail!("cannot listen on {address}: {error}"),
    }
}

/// Warns that traffic is not encrypted if other machines can reach the address and no public URL names a proxy.
pub(crate) fn warn_without_tls(address: SocketAddr, public_url: Option<&str>) {
    if !address.ip().is_loopback() && public_url.is_none() {
        tracing::warn!(
            "other machines can reach {address}, and traffic is not encrypted: put a proxy with TLS in front, and set --public-url to its address"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn addresses_are_parsed_as_users_write_them() {
        for (text, expected) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("9000", "127.0.0.1:9000"),
            (":9001", "127.0.0.1:9001"),
            ("localhost:9000", "127.0.0.1:9000"),
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("[::1]:80", "[::1]:80"),
        ] {
            assert_eq!(address(text).unwrap().to_string(), expected, "{text}");
        }
        for text in
            ["", "localhost", "127.0.0.1", "::1", "127.0.0.1:", "127.0.0.1:99999", "http://localhost:80"]
        {
            let error = address(text).unwrap_err();
            assert!(error.starts_with("must be a port, or an address and a port"), "{text}: {error}");
        }
    }
}
