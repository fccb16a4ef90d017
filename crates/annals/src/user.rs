//! The system user that runs the program.

use std::fs;
use std::os::unix::fs::MetadataExt;

/// Describes the user, as `user annals (uid 998)`, with as much as the system reveals.
pub(crate) fn describe() -> String {
    let Ok(process) = fs::metadata("/proc/self") else { return "this user".to_owned() };
    let uid = process.uid();
    match name_of(&fs::read_to_string("/etc/passwd").unwrap_or_default(), uid) {
        Some(name) => format!("user {name} (uid {uid})"),
        None => format!("the user with uid {uid}"),
    }
}

/// Returns the name of the user with that number from the text of `/etc/passwd`.
fn name_of(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_user_is_found_by_number() {
        let passwd = "root:x:0:0::/root:/bin/sh\nannals:x:998:998::/:/bin/false\n";
        assert_eq!(super::name_of(passwd, 998).as_deref(), Some("annals"));
        assert_eq!(super::name_of(passwd, 7), None);
    }
}
