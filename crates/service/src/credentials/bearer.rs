//! Bearer tokens: JWTs that expire after one hour.

use std::sync::Arc;

use annals_model::{Time, UserId};
use annals_store::TokenId;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};

/// How long a bearer token is valid.
const LIFETIME_SECONDS: u64 = 60 * 60;

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
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    /// Bearer tokens whose signature was verified. They are cached because a client sends the same token for an hour.
    verified: Cache<String, Arc<Claims>>,
}

/// The most cached bearer tokens; each takes about half a kilobyte.
const VERIFIED_MAX: usize = 10_000;

impl SigningKey {
    /// Reads a key from its hexadecimal form.
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
        jsonwebtoken::encode(&Header::new(Algorithm::HS512), &claims, &self.encoding)
            .expect("claims can always be written and signed")
    }

    /// Returns the claims of a bearer token; `None` if its signature is wrong or it has expired.
    pub(super) fn verify(&self, bearer: &str, now: Time) -> Option<Arc<Claims>> {
        let decode = || jsonwebtoken::decode(bearer, &self.decoding, &self.validation);
        let verified =
            self.verified.get_or_insert_with(bearer, || decode().map(|decoded| Arc::new(decoded.claims)));
        verified.ok().filter(|claims| now.as_seconds() < claims.exp)
    }
}
