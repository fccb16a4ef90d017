//! Bearer tokens: JWTs of one hour.

use std::sync::Arc;

use annals_model::{Time, UserId};
use annals_store::TokenId;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};

/// How long a bearer token lasts.
const LIFETIME_SECONDS: u64 = 60 * 60;

/// What a bearer token says. The names are those that clients know, but for the last three, which are ours.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Claims {
    /// Who issued it.
    iss: String,
    /// When, in seconds since 1970.
    iat: u64,
    /// The user.
    uuid: UserId,
    /// Something that no other bearer token has.
    rnd: String,
    /// When it expires, in seconds since 1970.
    exp: u64,
    /// The API token it was exchanged for.
    token_id: TokenId,
    /// When the secret was issued that was presented; a renewed token has another.
    token_issued_at: Time,
    /// The one database it is good for, if it is for one.
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

/// What bearer tokens are signed with.
pub(super) struct SigningKey {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    /// Bearer tokens whose signature is good: clients send the same one for an hour.
    verified: Cache<String, Arc<Claims>>,
}

/// How many verified bearer tokens are remembered; each takes about half a kilobyte.
const VERIFIED_MAX: usize = 10_000;

impl SigningKey {
    /// The key with that hexadecimal form.
    pub(super) fn from_hex(text: &str) -> Option<Self> {
        let bytes = hex::decode(text).ok().filter(|bytes| bytes.len() == 64)?;
        let mut validation = Validation::new(Algorithm::HS512);
        // The expiry is compared with the service's own clock.
        validation.validate_exp = false;
        validation.set_required_spec_claims(&["exp"]);
        Some(Self {
            encoding: EncodingKey::from_secret(&bytes),
            decoding: DecodingKey::from_secret(&bytes),
            validation,
            verified: Cache::new(VERIFIED_MAX),
        })
    }

    pub(super) fn looks_like_a_bearer(credential: &str) -> bool {
        credential.bytes().filter(|&byte| byte == b'.').count() == 2
    }

    /// A bearer token for an API token and the time that its secret was issued, for one database if one is named.
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
        jsonwebtoken::encode(&Header::new(Algorithm::HS512), &claims, &self.encoding)
            .expect("claims can always be written and signed")
    }

    /// What a bearer token says, unless its signature is wrong or it has expired.
    pub(super) fn verify(&self, bearer: &str, now: Time) -> Option<Arc<Claims>> {
        let decode = || jsonwebtoken::decode(bearer, &self.decoding, &self.validation);
        let verified =
            self.verified.get_or_insert_with(bearer, || decode().map(|decoded| Arc::new(decoded.claims)));
        verified.ok().filter(|claims| now.as_seconds() < claims.exp)
    }
}
