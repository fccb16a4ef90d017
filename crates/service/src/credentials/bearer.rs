//! Bearer tokens: JWTs that expire after one hour.
//!
//! All of them have the same header, so no other algorithm is ever considered: a token is `header.claims.signature`, each part
//! in base64url, and the signature is the HMAC-SHA512 of the first two (RFC 7515 and RFC 7519).

use std::sync::Arc;

use annals_model::{Time, UserId};
use annals_store::TokenId;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};
use sha2::Sha512;

/// How long a bearer token is valid.
const LIFETIME_SECONDS: u64 = 60 * 60;

/// The header of every bearer token.
const HEADER: &str = r#"{"typ":"JWT","alg":"HS512"}"#;

/// The claims of a bearer token. Clients know the names up to `exp`. Only annals reads the last three.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Claims {
    /// The issuer.
    iss: String,
    /// When it was issued, in seconds since 1970.
    iat: u64,
    /// The user.
    uuid: UserId,
    /// A random value that makes each bearer token unique.
    rnd: String,
    /// When it expires, in seconds since 1970.
    exp: u64,
    /// The API token that was exchanged for it.
    token_id: TokenId,
    /// When the API token's secret was issued. Renewing the API token changes this, which invalidates the bearer token.
    token_issued_at: Time,
    /// The database to which it is limited; `None` if it is not limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    addon_uuid: Option<String>,
}

impl Claims {
    pub(super) const fn user(&self) -> UserId {
        self.uuid
    }

    pub(super) const fn token(&self) -> (TokenId, Time) {
        (self.token_id, self.token_issued_at)
    }

    pub(super) fn database(&self) -> Option<&str> {
        self.addon_uuid.as_deref()
    }
}

/// The key that signs bearer tokens.
pub(super) struct SigningKey {
    mac: Hmac<Sha512>,
    /// Bearer tokens whose signature was verified. They are cached because a client sends the same token for an hour.
    verified: Cache<String, Arc<Claims>>,
}

/// The most cached bearer tokens; each takes about half a kilobyte.
const VERIFIED_MAX: usize = 10_000;

impl SigningKey {
    /// Reads a key from its hexadecimal form.
    pub(super) fn from_hex(text: &str) -> Option<Self> {
        let bytes = hex::decode(text).ok().filter(|bytes| bytes.len() == 64)?;
        let mac = Hmac::new_from_slice(&bytes).expect("an HMAC key may have any length");
        Some(Self { mac, verified: Cache::new(VERIFIED_MAX) })
    }

    pub(super) fn looks_like_a_bearer(credential: &str) -> bool {
        credential.bytes().filter(|&byte| byte == b'.').count() == 2
    }

    /// Issues a bearer token for an API token whose secret was issued at the given time. If a database is given, limits the
    /// bearer token to it.
    pub(super) fn sign(
        &self,
        user: UserId,
        (token_id, token_issued_at): (TokenId, Time),
        addon_uuid: Option<String>,
        now: Time,
    ) -> String {
        let claims = Claims {
            iss: "annals".to_owned(),
            iat: now.as_seconds(),
            uuid: user,
            rnd: hex::encode(rand::random::<[u8; 16]>()),
            exp: now.as_seconds() + LIFETIME_SECONDS,
            token_id,
            token_issued_at,
            addon_uuid,
        };
        let claims = serde_json::to_vec(&claims).expect("claims can always be written");
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.mac.clone().chain_update(&signed).finalize().into_bytes();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Returns a proof that annals wrote a text. No bearer token is one: its text has another form.
    pub(super) fn proof(&self, text: &str) -> String {
        hex::encode(&self.mac.clone().chain_update(text).finalize().into_bytes()[..32])
    }

    /// Returns the claims of a bearer token; `None` if its signature is wrong or it has expired.
    pub(super) fn verify(&self, bearer: &str, now: Time) -> Option<Arc<Claims>> {
        let verified =
            self.verified.get_or_insert_with(bearer, || self.decode(bearer).map(Arc::new).ok_or(()));
        verified.ok().filter(|claims| now.as_seconds() < claims.exp)
    }

    /// Returns the claims of a bearer token, whenever it expires; `None` if its signature is wrong.
    fn decode(&self, bearer: &str) -> Option<Claims> {
        let (signed, signature) = bearer.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        self.mac.clone().chain_update(signed).verify_slice(&signature).ok()?;
        let claims = URL_SAFE_NO_PAD.decode(claims).ok()?;
        serde_json::from_slice(&claims).ok().filter(|_| header == URL_SAFE_NO_PAD.encode(HEADER))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> SigningKey {
        SigningKey::from_hex(&hex::encode([byte; 64])).unwrap()
    }

    #[test]
    fn a_bearer_is_verified_until_it_expires_and_no_other_is() {
        let now = Time::from_millis(1_800_000_000_000);
        let user: UserId = "us-00000000-0000-4000-8000-0000000000aa".parse().unwrap();
        let token = ("6905bc8073636100011a0000".parse().unwrap(), now);
        let bearer = key(1).sign(user, token, Some("ad-1".to_owned()), now);
        let claims = key(1).verify(&bearer, now).unwrap();
        assert_eq!((claims.user(), claims.token(), claims.database()), (user, token, Some("ad-1")));
        let last = now.plus_millis(LIFETIME_SECONDS * 1000 - 1);
        assert!(key(1).verify(&bearer, last).is_some());
        assert!(key(1).verify(&bearer, last.plus_millis(1)).is_none());
        assert!(key(2).verify(&bearer, now).is_none(), "another key signed it");

        let parts: Vec<_> = bearer.split('.').collect();
        let without_algorithm = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"none"}"#);
        for other in [
            format!("{}.{}.", parts[0], parts[1]),
            format!("{without_algorithm}.{}.", parts[1]),
            format!("{without_algorithm}.{}.{}", parts[1], parts[2]),
            format!("{}.{}", parts[0], parts[1]),
            format!("{bearer}."),
            format!("{bearer}A"),
            String::new(),
        ] {
            assert!(key(1).verify(&other, now).is_none(), "{other}");
        }
        for index in 0..bearer.len() {
            let mut other = bearer.clone().into_bytes();
            other[index] = if other[index] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).unwrap();
            assert!(key(1).verify(&other, now).is_none(), "{index}");
        }
    }
}
