//! The public keys of an account.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest, Sha256};

use super::{Account, AccountAction, AccountPrivateState};
use crate::action::{Context, Decision};
use crate::catalogue::{self, AccountChanges};
use crate::{FieldErrors, Rejection, ResourceId, UserId};

/// The most keys of one account, the longest name of a key, and the longest key.
const KEYS_MAX: usize = 50;
const NAME_MAX: usize = 128;
const CONTENT_BYTES_MAX: usize = 8 << 10;

/// The kinds of keys that OpenSSH supports and that are still secure.
const KINDS: &[&str] = &[
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// Returns the identifier of a user's key.
pub fn key_id(user: UserId, name: &str) -> ResourceId {
    ResourceId::derived(user.as_bytes(), "key", name)
}

/// Adds a public key. Creates its identifier.
#[derive(Debug, Clone)]
pub struct AddKey {
    /// The name its user gives it.
    pub name: String,
    /// The key, in OpenSSH's form.
    pub content: String,
}

impl AccountAction for AddKey {
    type Created = ResourceId;

    fn decide(
        &self,
        account: &Account,
        private: &mut Arc<AccountPrivateState>,
        _: &Context<'_>,
    ) -> Result<Decision<ResourceId>, Rejection> {
        let fingerprint = fingerprint(&self.content);
        let name_error = if !(1..=NAME_MAX).contains(&self.name.chars().count()) {
            Some(format!("must have 1 to {NAME_MAX} characters"))
        } else if account.keys.contains_key(&self.name) {
            Some("has already been taken".to_owned())
        } else if account.keys.len() >= KEYS_MAX {
            Some(format!("limit reached ({KEYS_MAX})"))
        } else {
            None
        };
        let is_known = account.keys.values().any(|key| Some(&key.fingerprint) == fingerprint.as_ref());
        let content_error = match &fingerprint {
            None => Some("must be a public key, as in ~/.ssh/id_ed25519.pub"),
            Some(_) if is_known => Some("already exists"),
            Some(_) => None,
        };
        let errors = [
            name_error.map(|message| ("name".to_owned(), message)),
            content_error.map(|message| ("content".to_owned(), message.to_owned())),
        ];
        if let Some(errors) = FieldErrors::any(errors.into_iter().flatten()) {
            return Err(Rejection::Invalid(errors));
        }
        let name = self.name.clone();
        Arc::make_mut(private).keys.insert(name.clone(), self.content.trim().to_owned());
        let fingerprint = fingerprint.unwrap_or_default();
        let id = key_id(account.id(), &name);
        Ok(Decision::creating(id, AccountChanges::NewKey(catalogue::NewKey { name, fingerprint })))
    }
}

/// Removes a public key.
#[derive(Debug, Clone)]
pub struct DeleteKey {
    /// The key's identifier.
    pub id: ResourceId,
}

impl AccountAction for DeleteKey {
    type Created = ();

    fn decide(
        &self,
        account: &Account,
        private: &mut Arc<AccountPrivateState>,
        _: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        let name = account.keys.keys().find(|name| key_id(account.id(), name) == self.id);
        let name = name.ok_or(Rejection::NotFound("key"))?.clone();
        Arc::make_mut(private).keys.remove(&name);
        Ok(Decision::of(AccountChanges::DeleteKey(catalogue::DeleteKey { name })))
    }
}

/// Returns the fingerprint of a public key, as `ssh-keygen -l` prints it; `None` if the text is not a public key.
fn fingerprint(content: &str) -> Option<String> {
    let content = content.trim();
    let mut parts = content.splitn(3, ' ');
    let (kind, blob) = (parts.next()?, parts.next()?);
    let blob = STANDARD.decode(blob).ok()?;
    // The decoded key begins with the length of the kind, followed by the kind again.
    let (length, rest) = blob.split_first_chunk::<4>()?;
    let inner = rest.get(..u32::from_be_bytes(*length) as usize)?;
    let is_good = KINDS.contains(&kind)
        && inner == kind.as_bytes()
        && content.len() <= CONTENT_BYTES_MAX
        && !content.contains('\n');
    is_good.then(|| format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(&blob))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_those_of_openssh() {
        // Made with ssh-keygen, and its fingerprint with ssh-keygen -l.
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl github";
        assert_eq!(fingerprint(key).unwrap(), "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU");
        for bad in
            ["", "ssh-ed25519", "ssh-ed25519 ????", "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIOMq", "ssh-dss AAAA"]
        {
            assert_eq!(fingerprint(bad), None, "{bad}");
        }
    }
}
