//! Sending mail over SMTP.

use std::time::Duration;

use annals_store::Mail;
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use crate::settings::MailConfig;

/// The timeout for connecting.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// The timeout for sending one mail. The library has a timeout for the connection only.
const SEND_TIME_MAX: Duration = Duration::from_secs(60);

/// A client of the configured mail server.
pub(crate) struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

/// Why a mail was not sent.
pub(crate) enum Failure {
    /// The server rejects this mail; a retry cannot succeed.
    Permanent(String),
    /// A retry may succeed.
    Temporary(String),
}

impl Mailer {
    /// Creates a client. The error says what is wrong with the configuration, without its password.
    pub(crate) fn new(config: &MailConfig) -> Result<Self, String> {
        let from =
            config.from.parse().map_err(|error| format!("the sender is not a mail address: {error}"))?;
        let mut url = url::Url::parse(&config.smtp_url)
            .map_err(|error| format!("the address is not a URL: {error}"))?;
        let is_local = matches!(url.host_str(), Some("localhost" | "127.0.0.1"));
        let has_tls_option = url.query_pairs().any(|(key, _)| key == "tls");
        if url.scheme() == "smtp" && url.password().is_some() && !is_local && !has_tls_option {
            // Otherwise the password would cross the network unencrypted.
            url.query_pairs_mut().append_pair("tls", "required");
        }
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.as_str())
            .map_err(|error| format!("the address is not an smtp:// or smtps:// URL: {error}"))?
            .timeout(Some(CONNECT_TIME_MAX))
            .build();
        Ok(Self { transport, from })
    }

    pub(crate) async fn send(&self, mail: &Mail) -> Result<(), Failure> {
        let to: Address = mail.to.parse().map_err(|error| Failure::Permanent(format!("{error}")))?;
        // The identifier is the same in every attempt, so that recipients can recognize a mail that was sent twice.
        let id = format!("<{}@annals>", mail.id);
        let message = Message::builder()
            .message_id(Some(id))
            .from(self.from.clone())
            .to(to.into())
            .subject(&mail.subject)
            .header(ContentType::TEXT_PLAIN)
            .body(mail.text.clone())
            .map_err(|error| Failure::Permanent(error.to_string()))?;
        match tokio::time::timeout(SEND_TIME_MAX, self.transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if is_permanent(&error) => Err(Failure::Permanent(error.to_string())),
            Ok(Err(error)) => Err(Failure::Temporary(error.to_string())),
            Err(_) => Err(Failure::Temporary("the mail server did not respond in time".to_owned())),
        }
    }
}

/// Returns whether the server rejects this mail permanently. Codes 530 to 539 are about the credentials of annals, not about
/// the mail.
fn is_permanent(error: &smtp::Error) -> bool {
    error.is_permanent() && error.status().is_none_or(|code| !(530..540).contains(&u16::from(code)))
}
