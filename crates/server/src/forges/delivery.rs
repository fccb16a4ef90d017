//! The headers of a webhook: which forge sent it, what it is about, and the proof that its sender knows the link's secret.

use annals_model::Secret;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::error::ApiError;

/// A forge's form of webhooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// GitHub's, which Gitea and Forgejo have too.
    GitHub,
    /// GitLab's.
    GitLab,
    /// That of Bitbucket Cloud.
    Bitbucket,
}

/// The names of a form's headers.
struct Names {
    form: Form,
    event: &'static str,
    proof: &'static str,
    /// Absent if the form has no identifier of deliveries. One of an event is none: what an event causes has it too.
    delivery: Option<&'static str>,
}

/// Every form, in the order in which they are looked for: Gitea and Forgejo send GitHub's headers beside their own.
const FORMS: &[Names] = &[
    names(Form::GitHub, "x-github-event", "x-hub-signature-256", Some("x-github-delivery")),
    names(Form::GitHub, "x-forgejo-event", "x-forgejo-signature", Some("x-forgejo-delivery")),
    names(Form::GitHub, "x-gitea-event", "x-gitea-signature", Some("x-gitea-delivery")),
    names(Form::GitLab, "x-gitlab-event", "x-gitlab-token", Some("webhook-id")),
    names(Form::Bitbucket, "x-event-key", "x-hub-signature", Some("x-request-uuid")),
];

const fn names(
    form: Form,
    event: &'static str,
    proof: &'static str,
    delivery: Option<&'static str>,
) -> Names {
    Names { form, event, proof, delivery }
}

/// What the headers of a webhook say.
#[derive(Debug)]
pub(crate) struct Delivery<'a> {
    pub(crate) form: Form,
    /// The forge's name for what happened.
    pub(crate) event: &'a str,
    /// The forge's identifier of the delivery, which a repeated one has too.
    pub(crate) id: Option<&'a str>,
    proof: &'a str,
}

impl<'a> Delivery<'a> {
    /// Reads the headers of a webhook.
    ///
    /// # Errors
    ///
    /// [`ApiError::BadRequest`] if no forge sends such headers.
    pub(crate) fn of(headers: &'a HeaderMap) -> Result<Self, ApiError> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let known = FORMS.iter().find_map(|names| Some((names, header(names.event)?)));
        let (names, event) = known.ok_or_else(|| {
            let message = "not a webhook of GitHub, GitLab, Gitea, Forgejo or Bitbucket: \
                 X-GitHub-Event, X-Gitlab-Event, X-Gitea-Event, X-Forgejo-Event or X-Event-Key is missing";
            ApiError::BadRequest(message.to_owned())
        })?;
        let proof = header(names.proof).unwrap_or_default();
        Ok(Self { form: names.form, event, id: names.delivery.and_then(header), proof })
    }

    /// Returns whether the sender knows the secret. GitLab sends the secret itself, the others a signature of the body.
    pub(crate) fn is_proven(&self, secret: &Secret, body: &[u8]) -> bool {
        match self.form {
            Form::GitLab => self.proof.as_bytes().ct_eq(secret.0.as_bytes()).into(),
            Form::GitHub | Form::Bitbucket => is_signed(secret.0.as_bytes(), body, self.proof),
        }
    }
}

/// Returns whether a signature (HMAC-SHA-256 in hexadecimal digits, with or without `sha256=`) is of that body.
fn is_signed(secret: &[u8], body: &[u8], signature: &str) -> bool {
    let Ok(tag) = hex::decode(signature.strip_prefix("sha256=").unwrap_or(signature)) else { return false };
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("an HMAC key may have any length");
    mac.update(body);
    mac.verify_slice(&tag).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of GitHub's documentation.
    const SIGNATURE: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    #[test]
    fn signatures_are_github_s() {
        let header = format!("sha256={SIGNATURE}");
        assert!(is_signed(b"It's a Secret to Everybody", b"Hello, World!", &header));
        assert!(!is_signed(b"It's a Secret to Everybody", b"Hello, World?", &header));
        assert!(!is_signed(b"another", b"Hello, World!", &header));
        assert!(!is_signed(b"", b"", "sha256="));
    }

    #[test]
    fn each_forge_proves_itself_by_its_own_headers() {
        let secret = Secret("It's a Secret to Everybody".to_owned());
        let signed = format!("sha256={SIGNATURE}");
        for (sent, form, is_proven) in [
            (vec![("x-github-event", "push"), ("x-hub-signature-256", &*signed)], Some(Form::GitHub), true),
            (vec![("x-github-event", "push")], Some(Form::GitHub), false),
            (vec![("x-gitea-event", "push"), ("x-gitea-signature", SIGNATURE)], Some(Form::GitHub), true),
            (vec![("x-forgejo-event", "push"), ("x-forgejo-signature", SIGNATURE)], Some(Form::GitHub), true),
            (vec![("x-gitea-event", "push"), ("x-gitlab-token", &*secret.0)], Some(Form::GitHub), false),
            (vec![("x-gitlab-event", "Push Hook"), ("x-gitlab-token", &*secret.0)], Some(Form::GitLab), true),
            (vec![("x-gitlab-event", "Push Hook"), ("x-hub-signature", &*signed)], Some(Form::GitLab), false),
            (vec![("x-event-key", "repo:push"), ("x-hub-signature", &*signed)], Some(Form::Bitbucket), true),
            (vec![("x-hub-signature", &*signed)], None, false),
        ] {
            let headers: HeaderMap =
                sent.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            let delivery = Delivery::of(&headers).ok();
            assert_eq!(delivery.as_ref().map(|delivery| delivery.form), form, "{sent:?}");
            let proven = delivery.is_some_and(|delivery| delivery.is_proven(&secret, b"Hello, World!"));
            assert_eq!(proven, is_proven, "{sent:?}");
        }
    }
}
