//! The form of names.

use crate::limits::{EMAIL_BYTES_MAX, USERNAME_BYTES_MAX, VARIABLE_NAME_MAX};

/// Returns whether a text can be a username.
pub(crate) fn is_username(name: &str) -> bool {
    (1..=USERNAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// Returns whether a text can be an email address: a local part and a domain, each of parts joined by dots. Letters and digits
/// of any script are allowed, as in RFC 6531. Quoted local parts and addresses instead of domains are not: people have none,
/// and software disagrees about them.
pub(crate) fn is_email(text: &str) -> bool {
    // RFC 5322, section 3.2.3.
    let is_local = |character: char| character.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(character);
    let is_label = |label: &str| {
        !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|character| character.is_alphanumeric() || character == '-')
    };
    let Some((local, domain)) = text.split_once('@') else { return false };
    text.len() <= EMAIL_BYTES_MAX
        && local.split('.').all(|part| !part.is_empty() && part.chars().all(is_local))
        && domain.split('.').all(|label| !label.is_empty() && is_label(label))
}

/// Returns whether a text can be the name of a variable.
pub(crate) fn is_variable_name(name: &str) -> bool {
    name.len() <= VARIABLE_NAME_MAX
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_local_parts_at_domains() {
        for good in [
            "jane@example.com",
            "a@b",
            "annals@localhost",
            "j.d+tag@mail.example.com",
            "o'neill_{x}@example.co",
            "josé@exämple.fr",
            "用户@例子.广告",
        ] {
            assert!(is_email(good), "{good}");
        }
        for bad in [
            "",
            "@",
            "a",
            "a@",
            "@b",
            "a@b@c",
            "<a@b.c>",
            "a@b..c",
            "a..b@c",
            ".a@b",
            "a.@b",
            "a@.b",
            "a@b.",
            "a,b@x",
            "a;b@x",
            "a b@x",
            "a@b\n",
            "a(b)@x",
            "\"a\"@x",
            "a@[192.0.2.1]",
            "a@-b",
            "a@b-",
            "a@b_c",
            "a\u{200b}@b.c",
            "a@b\u{200d}.c",
            "a\u{202e}@b.c",
            "\u{feff}a@b.c",
            "a\u{2066}b@c.d",
            "a\u{ad}@b.c",
        ] {
            assert!(!is_email(bad), "{bad:?}");
        }
        assert!(!is_email(&format!("{}@b.c", "a".repeat(EMAIL_BYTES_MAX))));
    }
}
