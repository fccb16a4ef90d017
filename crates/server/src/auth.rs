//! Who asks.
//!
//! Three credentials are known: the operator token, a user's API token (`tk-us-…`), and the bearer token that the API
//! token is exchanged for (a JWT of one hour). Each is sent as `Authorization: Bearer`; as clients of old do, the last
//! two also as Basic with an empty user. A bearer token is worth nothing once the API token it came from is revoked.

use std::sync::Arc;

use annals_model::{Account, Person, Time, UserId};
use annals_store::{Row, RowKey, Token, TokenHash, TokenId};
use axum::extract::FromRequestParts;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::request::Parts;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::access::needs_a_user;
use crate::error::ApiError;
use crate::limits::BEARER_SECONDS;
use crate::service::Service;

const NO_CREDENTIALS: ApiError =
    ApiError::Unauthorized("send an API token, or the token it was exchanged for, as Authorization: Bearer");
pub(crate) const BAD_CREDENTIALS: ApiError = ApiError::Unauthorized("Invalid credentials");

/// Whoever presents a valid credential.
#[derive(Clone)]
pub(crate) enum Caller {
    Operator,
    User(SignedIn),
}

/// A user who presents a valid credential.
#[derive(Clone)]
pub(crate) struct SignedIn {
    pub(crate) account: Arc<Account>,
    /// The API token that is behind the credential, and when its secret was issued.
    token: (TokenId, Time),
}

impl SignedIn {
    pub(crate) fn id(&self) -> UserId {
        self.account.id()
    }

    pub(crate) fn person(&self) -> &Person {
        &self.account.person
    }
}

/// The platform's own credential was presented.
pub(crate) struct Operator;

/// A valid API token was presented as such.
pub(crate) struct Exchanging {
    pub(crate) user: UserId,
    pub(crate) token: Arc<Token>,
}

impl FromRequestParts<Service> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, ApiError> {
        // Several extractors may ask; a request counts once.
        if let Some(known) = parts.extensions.get::<Self>() {
            return Ok(known.clone());
        }
        let caller = Self::who_presents(parts, service).await?;
        parts.extensions.insert(caller.clone());
        Ok(caller)
    }
}

impl Caller {
    async fn who_presents(parts: &Parts, service: &Service) -> Result<Self, ApiError> {
        let credential = presented(parts)?;
        if is_operator(service, &credential) {
            return Ok(Self::Operator);
        }
        let found = match SigningKey::looks_like_a_bearer(&credential) {
            true => user_of_bearer(service, &credential, parts.uri.path()).await?,
            false => {
                token_of(service, &credential).await?.map(|(user, token)| (user, (token.id, token.issued_at)))
            }
        };
        let Some((user, token)) = found else { return Err(BAD_CREDENTIALS) };
        let Some(Row::Account(account)) = service.store.row(&RowKey::Account(user)).await? else {
            return Err(BAD_CREDENTIALS);
        };
        if let Some(limit) = &service.rate_limit {
            limit.check(account.id())?;
        }
        Ok(Self::User(SignedIn { account, token }))
    }
}

impl FromRequestParts<Service> for SignedIn {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, ApiError> {
        match Caller::from_request_parts(parts, service).await? {
            Caller::User(user) => Ok(user),
            Caller::Operator => Err(needs_a_user()),
        }
    }
}

impl FromRequestParts<Service> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, ApiError> {
        match Caller::from_request_parts(parts, service).await? {
            Caller::Operator => Ok(Self),
            Caller::User(_) => Err(ApiError::Forbidden("this needs the operator token".to_owned())),
        }
    }
}

impl FromRequestParts<Service> for Exchanging {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, ApiError> {
        let credential = presented(parts)?;
        let (user, token) = token_of(service, &credential).await?.ok_or(BAD_CREDENTIALS)?;
        Ok(Self { user, token })
    }
}

/// A name and a password were presented.
pub(crate) struct NameAndPassword {
    pub(crate) name: String,
    pub(crate) password: String,
}

/// The name and the password in a request's head, if it has such.
pub(crate) fn name_and_password(parts: &Parts) -> Option<NameAndPassword> {
    let header = parts.headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (_, value) = header.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))?;
    let decoded = String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?;
    let (name, password) = decoded.split_once(':').filter(|(name, _)| !name.is_empty())?;
    Some(NameAndPassword { name: name.to_owned(), password: password.to_owned() })
}

/// The credential in the request's head.
fn presented(parts: &Parts) -> Result<String, ApiError> {
    let header = parts.headers.get(AUTHORIZATION).ok_or(NO_CREDENTIALS)?;
    let (scheme, value) =
        header.to_str().ok().and_then(|header| header.split_once(' ')).ok_or(BAD_CREDENTIALS)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(value.trim().to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(BAD_CREDENTIALS);
    }
    let decoded = STANDARD.decode(value.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let password = decoded.as_deref().and_then(|text| text.strip_prefix(':')).ok_or(BAD_CREDENTIALS)?;
    Ok(password.to_owned())
}

fn is_operator(service: &Service, credential: &str) -> bool {
    TokenHash::of(credential).as_bytes().ct_eq(service.operator_token.as_bytes()).into()
}

/// The API token with that secret, and whose it is.
async fn token_of(service: &Service, secret: &str) -> Result<Option<(UserId, Arc<Token>)>, ApiError> {
    let Some(Row::TokenWithHash(user, id)) =
        service.store.row(&RowKey::TokenHash(TokenHash::of(secret))).await?
    else {
        return Ok(None);
    };
    Ok(token(service, user, id).await?.map(|token| (user, token)))
}

async fn token(service: &Service, user: UserId, id: TokenId) -> Result<Option<Arc<Token>>, ApiError> {
    match service.store.row(&RowKey::Token(user, id)).await? {
        Some(Row::Token(token)) => Ok(Some(token)),
        _ => Ok(None),
    }
}

/// The user of that bearer token, if it is valid, the API token it came from is too, and it is good for that path.
async fn user_of_bearer(
    service: &Service,
    bearer: &str,
    path: &str,
) -> Result<Option<(UserId, (TokenId, Time))>, ApiError> {
    let now = service.clock.now().as_seconds();
    let Some(claims) = service.signing_key.verify(bearer).filter(|claims| now < claims.exp) else {
        return Ok(None);
    };
    if let Some(addon) = &claims.addon_uuid
        && path.strip_prefix("/api/databases/").and_then(|path| path.split('/').next()) != Some(addon)
    {
        return Ok(None);
    }
    let token = token(service, claims.uuid, claims.token_id).await?;
    let is_current = token.is_some_and(|token| token.issued_at == claims.token_issued_at);
    Ok(is_current.then_some((claims.uuid, (claims.token_id, claims.token_issued_at))))
}

/// What a bearer token says. The names are those that clients know, but for the last two, which are ours.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    /// Who issued it.
    iss: String,
    /// When, in seconds since 1970.
    pub(crate) iat: u64,
    /// The user.
    uuid: UserId,
    /// Something that no other bearer token has.
    rnd: String,
    /// Until when, in seconds since 1970.
    pub(crate) exp: u64,
    /// The API token it was exchanged for.
    token_id: TokenId,
    /// When the secret was issued that was presented; a renewed token has another.
    token_issued_at: Time,
    /// The one database it is good for, if it is for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    addon_uuid: Option<String>,
}

/// What bearer tokens are signed with.
pub(crate) struct SigningKey {
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
    pub(crate) fn from_hex(text: &str) -> Option<Self> {
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

    fn looks_like_a_bearer(credential: &str) -> bool {
        credential.bytes().filter(|&byte| byte == b'.').count() == 2
    }

    /// A bearer token for that API token, issued now.
    pub(crate) fn issue(&self, user: UserId, token: &Token, now_seconds: u64) -> String {
        self.sign(user, (token.id, token.issued_at), None, now_seconds)
    }

    /// A bearer token for one database, in the name of that user, issued now.
    pub(crate) fn issue_for_addon(&self, user: &SignedIn, addon_id: String, now_seconds: u64) -> String {
        self.sign(user.id(), user.token, Some(addon_id), now_seconds)
    }

    fn sign(
        &self,
        user: UserId,
        (token_id, token_issued_at): (TokenId, Time),
        addon_uuid: Option<String>,
        now_seconds: u64,
    ) -> String {
        let claims = Claims {
            iss: "annals".to_owned(),
            iat: now_seconds,
            uuid: user,
            rnd: hex::encode(rand::random::<[u8; 16]>()),
            exp: now_seconds + BEARER_SECONDS,
            token_id,
            token_issued_at,
            addon_uuid,
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS512), &claims, &self.encoding)
            .expect("claims can always be written and signed")
    }

    fn verify(&self, bearer: &str) -> Option<Arc<Claims>> {
        let decode = || jsonwebtoken::decode(bearer, &self.decoding, &self.validation);
        self.verified.get_or_insert_with(bearer, || decode().map(|decoded| Arc::new(decoded.claims))).ok()
    }
}

/// A secret that nobody can guess, with that beginning.
pub(crate) fn new_secret(prefix: &str) -> String {
    format!("{prefix}{}", hex::encode(rand::random::<[u8; 24]>()))
}
