//! The part of a URL that is safe to show.

/// Returns a URL without its user information, query and fragment, which may hold credentials.
///
/// `None` if the rest could hold a credential too. Only the simplest forms are accepted, because programs disagree on
/// how to parse the others.
pub fn public_url(text: &str) -> Option<String> {
    let Some((scheme, rest)) = text.split_once("://") else {
        // Git's short form of a repository over SSH, which has no place for a password.
        let (host, path) = text.strip_prefix("git@")?.split_once(':')?;
        return (is_host(host) && is_path(path)).then(|| text.to_owned());
    };
    let end = |text: &str, marks: &[char]| text.find(marks).unwrap_or(text.len());
    let (authority, rest) = rest.split_at(end(rest, &['/', '?', '#']));
    let host = authority.split_once('@').map_or(authority, |(_, host)| host);
    let path = &rest[..end(rest, &['?', '#'])];
    // A later `@` may end a password that contains `/`, `?` or `#`.
    let is_read = is_scheme(scheme) && is_host_and_port(host) && is_path(path) && !rest.contains('@');
    is_read.then(|| format!("{scheme}://{host}{path}"))
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

fn is_host_and_port(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, "")) => return address.parse::<std::net::Ipv6Addr>().is_ok(),
        Some((address, rest)) if address.parse::<std::net::Ipv6Addr>().is_ok() => ("host", rest),
        _ => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    is_host(host)
        && (port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok()))
}

fn is_host(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

fn is_path(text: &str) -> bool {
    !text.contains(|c: char| c.is_control() || c.is_whitespace() || matches!(c, '@' | '\\' | '?' | '#'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn credentials_are_removed_and_unclear_urls_are_not_shown() {
        for (url, shown) in [
            ("https://github.com/o/r.git", Some("https://github.com/o/r.git")),
            ("https://github.com", Some("https://github.com")),
            ("https://u:p@host/x?token=1", Some("https://host/x")),
            ("https://token@host", Some("https://host")),
            ("https://:p@host/", Some("https://host/")),
            ("HTTPS://U:P@Host/X", Some("HTTPS://Host/X")),
            ("https://host?token=1", Some("https://host")),
            ("https://host/x#access_token=1", Some("https://host/x")),
            ("https://u:p@host:8443/x", Some("https://host:8443/x")),
            ("https://u:p@[::1]/x", Some("https://[::1]/x")),
            ("https://u:p@[2001:db8::1]:8443/x?q", Some("https://[2001:db8::1]:8443/x")),
            ("ssh://git@host:22/o/r", Some("ssh://host:22/o/r")),
            ("git+ssh://u:p@host/o/r", Some("git+ssh://host/o/r")),
            ("https://bücher.example/x", Some("https://bücher.example/x")),
            ("https://host/a:b/%40c", Some("https://host/a:b/%40c")),
            ("git@github.com:o/r.git", Some("git@github.com:o/r.git")),
            ("git@github.com:o/r?token=1", None),
            ("git@host:p@host:x", None),
            ("token@github.com:o/r", None),
            ("ghp_token", None),
            ("", None),
            ("u:p@host/x", None),
            ("host/x?token=1", None),
            ("https:u:p@host", None),
            ("https:/u:p@host", None),
            ("https:\\\\u:p@host", None),
            ("https://u:p@host\\x", None),
            ("https://host\\@u:p/", None),
            ("https://u:p@ho\nst/x", None),
            ("ht\ntps://u:p@host/x", None),
            (" https://u:p@host/x", None),
            ("https://host/x y", None),
            ("https://u:p@a@host/x", None),
            ("https://u:12/secret@host/x", None),
            ("https://u:12?secret@host/x", None),
            ("https://u:12#secret@host/x", None),
            ("https://u:p", None),
            ("https://u%3Ap%40host/", None),
            ("https://host:99999/", None),
            ("https://[secret]/", None),
            ("https://[::1]secret/", None),
            ("https://", None),
            ("://host", None),
            ("https:u:p@host://x", None),
            ("mailto:u@host", None),
            ("data:text/plain,secret", None),
        ] {
            assert_eq!(public_url(url).as_deref(), shown, "{url}");
        }
    }

    proptest! {
        #[test]
        fn no_part_of_a_credential_remains(
            url in "[a-z]{0,5}(:|://|:/)([a-z0-9:@/?#\\\\]{0,4}canary[a-z0-9:@/?#\\\\]{0,4}[@])?[a-z]{1,3}[:0-9]{0,3}(/[a-z]{0,2})?([?#]canary)?",
        ) {
            if let Some(shown) = public_url(&url) {
                prop_assert!(!shown.contains("canary"), "{url} shows {shown}");
                prop_assert_eq!(public_url(&shown), Some(shown));
            }
        }

        #[test]
        fn any_text_is_accepted_and_the_result_is_stable(text in any::<String>()) {
            if let Some(shown) = public_url(&text) {
                prop_assert!(!shown.contains(['?', '#', '\\']));
                prop_assert_eq!(public_url(&shown), Some(shown));
            }
        }
    }
}
