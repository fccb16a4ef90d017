//! Sending mail by SMTP.

use std::time::Duration;

use annals_store::Mail;
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use crate::settings::MailConfig;

/// How long a connection may take to be made.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// How long a whole mail may take: the library bounds only the connection.
const SEND_TIME_MAX: Duration = Duration::from_secs(60);

/// Sends mail.
pub(crate) struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

/// Why a mail was not sent.
pub(crate) enum Failure {
    /// It will never be.
    Never(String),
    /// It may be, another time.
    Later(String),
}

impl Mailer {
    /// A sender by that configuration; says what is wrong with it, without its password.
    pub(crate) fn new(config: &MailConfig) -> Result<Self, String> {
        let from = config.from.parse().map_err(|error| format!("the sender is no mail address: {error}"))?;
        let mut url =
            url::Url::parse(&config.smtp_url).map_err(|error| format!("the address is no URL: {error}"))?;
        let is_local = matches!(url.host_str(), Some("localhost" | "127.0.0.1"));
        let says_tls = url.query_pairs().any(|(key, _)| key == "tls");
        if url.scheme() == "smtp" && url.password().is_some() && !is_local && !says_tls {
            // Otherwise the password would go over the network in clear.
            url.query_pairs_mut().append_pair("tls", "required");
        }
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.as_str())
            .map_err(|error| format!("the address is no smtp:// or smtps:// URL: {error}"))?
            .timeout(Some(CONNECT_TIME_MAX))
            .build();
        Ok(Self { transport, from })
    }

    pub(crate) async fn send(&self, mail: &Mail) -> Result<(), Failure> {
        let to: Address = mail.to.parse().map_err(|error| Failure::Never(format!("{error}")))?;
        // Always the same for the same mail, so that one which is sent twice can be told.
        let id = format!("<{}@annals>", mail.id);
        let message = Message::builder()
            .message_id(Some(id))
            .from(self.from.clone())
            .to(to.into())
            .subject(&mail.subject)
            .header(ContentType::TEXT_PLAIN)
            .body(mail.text.clone())
            .map_err(|error| Failure::Never(error.to_string()))?;
        match tokio::time::timeout(SEND_TIME_MAX, self.transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if is_final(&error) => Err(Failure::Never(error.to_string())),
            Ok(Err(error)) => Err(Failure::Later(error.to_string())),
            Err(_) => Err(Failure::Later("the mail server did not answer in time".to_owned())),
        }
    }
}

/// Whether the server refuses this mail for good; what it says of our credentials (53x) is not about the mail.
fn is_final(error: &smtp::Error) -> bool {
    error.is_permanent() && error.status().is_none_or(|code| !(530..540).contains(&u16::from(code)))
}
