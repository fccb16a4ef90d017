//! The address of a database.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::Config;
use url::Url;

use annals_model::nearest;

use crate::error::with_causes;

/// The timeout for connecting.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// How long sent data may stay unacknowledged, and how long a connection may be idle before it is probed.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// The address of a database: `postgres://user:password@host:port/database?sslmode=verify-full`.
///
/// It is parsed from a URL with the parameters of libpq:
///
/// - `sslmode=disable`: not encrypted.
/// - `sslmode=prefer` (the default): encrypted if the server offers it; the certificate is not verified.
/// - `sslmode=require`: encrypted; the certificate is not verified.
/// - `sslmode=verify-full`: encrypted, with a certificate for this host from one of the system's authorities, or from
///   one in the file `sslrootcert`.
/// - `options=-csearch_path%3Dname` chooses a schema.
///
/// It is displayed without user and password.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    pub(crate) config: Config,
    pub(crate) verification: Verification,
    shown: String,
}

/// Whether the server's certificate is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verification {
    None,
    /// Against the authorities in this file, or against the system's.
    Full(Option<PathBuf>),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // No error may repeat the address: it contains a password.
        let mut url = Url::parse(text).map_err(|error| format!("not a database address: {error}{ENCODE}"))?;
        if url.fragment().is_some() {
            return Err(format!("not a database address: it contains a #{ENCODE}"));
        }
        let (mut verify, mut root_certificate) = (false, None);
        let mut kept = Vec::new();
        for (name, value) in url.query_pairs() {
            match (&*name, &*value) {
                ("sslmode", "verify-full") => {
                    verify = true;
                    kept.push(("sslmode".to_owned(), "require".to_owned()));
                }
                ("sslmode", "disable" | "prefer" | "require") => kept.push((name.into(), value.into())),
                ("sslmode", mode) => return Err(unknown_mode(mode)),
                ("sslrootcert", file) => root_certificate = Some(PathBuf::from(file)),
                (name, _) if !PARAMETERS.contains(&name) => return Err(unknown_parameter(name)),
                _ => kept.push((name.into(), value.into())),
            }
        }
        if root_certificate.is_some() && !verify {
            return Err("sslrootcert needs sslmode=verify-full".to_owned());
        }
        url.set_query(None);
        if !kept.is_empty() {
            url.query_pairs_mut().extend_pairs(kept);
        }
        // The URL crate encodes a space as a plus, which tokio-postgres would read as a plus.
        let query = url.query().map(|query| query.replace('+', "%20"));
        url.set_query(query.as_deref());
        let address = url.as_str();
        let mut config: Config =
            address.parse().map_err(|error| format!("not a database address: {}", with_causes(&error)))?;
        let options = format!("{SETTINGS} {}", config.get_options().unwrap_or_default());
        config
            .application_name("annals")
            .options(options.trim())
            .connect_timeout(CONNECT_TIME_MAX)
            .tcp_user_timeout(SILENCE_MAX)
            .keepalives_idle(SILENCE_MAX);
        let verification = if verify { Verification::Full(root_certificate) } else { Verification::None };
        let host = url.host_str().unwrap_or("localhost");
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let shown = format!("postgres://{host}{port}{}", url.path());
        Ok(Self { config, verification, shown })
    }
}

/// Advice in errors: a special character that is not encoded usually cuts the address short.
const ENCODE: &str =
    "; percent-encode special characters in user and password (%23 for #, %2F for /, %3F for ?, %40 for @)";

/// The supported parameters besides those for TLS.
const PARAMETERS: [&str; 18] = [
    "application_name",
    "channel_binding",
    "connect_timeout",
    "dbname",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "load_balance_hosts",
    "options",
    "password",
    "port",
    "sslnegotiation",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
];

/// Explains what to use instead of an unsupported `sslmode`.
fn unknown_mode(mode: &str) -> String {
    match mode {
        "verify-ca" => "sslmode=verify-ca is not supported, use verify-full".to_owned(),
        "allow" => "sslmode=allow is not supported, use prefer".to_owned(),
        _ => "sslmode must be disable, prefer, require or verify-full".to_owned(),
    }
}

/// Explains an unknown parameter. A name with unusual characters is not repeated, as it may be part of a password.
fn unknown_parameter(name: &str) -> String {
    if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
        return format!("the text after ? is not a parameter{ENCODE}");
    }
    let known = PARAMETERS.into_iter().chain(["sslmode", "sslrootcert"]);
    let meant = nearest(name, known).map(|known| format!(", did you mean {known}?")).unwrap_or_default();
    format!("unknown parameter {name}{meant}")
}

/// Settings of every session. The address can override them in its own `options`.
const SETTINGS: &str = concat!(
    // Timeouts: of a statement, of waiting for a lock, and of an idle transaction. The last one ends the locks of a process
    // that was stopped in the middle of a commit.
    "-c statement_timeout=15s -c lock_timeout=2s -c idle_in_transaction_session_timeout=10s",
    // Every query finds its rows by key. If the planner took a table for small, it would read the whole table, or lock
    // rows in another order than the query names them.
    " -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off",
    " -c jit=off",
);

impl fmt::Display for Address {
    /// Omits user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_libpq_reads_them_and_shown_without_secrets() {
        let address: Address = "postgres://me:secret@db.example.com:5433/annals?sslmode=verify-full\
                                &sslrootcert=/etc/ca.pem&options=-c%20search_path%3Dlog"
            .parse()
            .unwrap();
        assert_eq!(address.to_string(), "postgres://db.example.com:5433/annals");
        assert!(!format!("{address:?}").contains("secret"));
        assert_eq!(address.verification, Verification::Full(Some("/etc/ca.pem".into())));
        assert_eq!(address.config.get_ssl_mode(), tokio_postgres::config::SslMode::Require);
        let options = address.config.get_options().unwrap();
        assert!(options.ends_with("-c search_path=log"), "{options}");
        assert_eq!(address.config.get_password(), Some(b"secret".as_slice()));

        let plain: Address = "postgresql://localhost/annals".parse().unwrap();
        assert_eq!(plain.verification, Verification::None);
        assert_eq!(plain.config.get_ssl_mode(), tokio_postgres::config::SslMode::Prefer);
        for (wrong, why) in [
            ("postgres://me:secret@host/db?sslmode=perhaps", "sslmode must be"),
            ("postgres://me:secret@host/db?sslrootcert=a.pem", "needs sslmode=verify-full"),
            ("postgres://me:secret@host:port/db", "not a database address"),
            ("postgres://me:secret@host/db?colour=red", "unknown parameter colour"),
            (
                "postgres://me:secret@host/db?sslmod=require",
                "unknown parameter sslmod, did you mean sslmode?",
            ),
            ("postgres://me:secret@host/db?sslmode=verify-ca", "verify-ca is not supported, use verify-full"),
            ("postgres://me:12#secret@host/db", "percent-encode"),
            ("postgres://me:12?secret@host/db", "percent-encode"),
            ("postgres://me:a#secret@host/db", "percent-encode"),
            ("postgres://me:secret@host/db?port=x", "invalid value for option `port`"),
        ] {
            let error = wrong.parse::<Address>().unwrap_err();
            assert!(error.contains(why) && !error.contains("secret"), "{error}");
        }
    }
}
