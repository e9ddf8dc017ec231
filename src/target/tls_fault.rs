//! What ended a TLS handshake, in a person's words, and the key of the profile that would mend it.

use rustls::{AlertDescription, CertificateError, Error};
use rustls_pki_types::UnixTime;
use time::OffsetDateTime;
use time::macros::format_description;

use super::fault::joined;
use crate::profile::Tls;

/// What the profile says about TLS, as far as advice depends on it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Given {
    ca_file: bool,
    client: bool,
    only_tls13: bool,
}

impl From<&Tls> for Given {
    fn from(tls: &Tls) -> Self {
        Self { ca_file: tls.ca_file.is_some(), client: tls.client.is_some(), only_tls13: tls.require_tls13 }
    }
}

impl Given {
    /// Cause and next step, as [`super::fault::split`] takes them apart.
    pub(super) fn told(self, error: &Error) -> String {
        let (cause, next) = match error {
            Error::InvalidCertificate(certificate) => self.of_certificate(certificate),
            Error::AlertReceived(alert) => self.of_alert(*alert),
            Error::PeerIncompatible(_) if self.only_tls13 => Self::no_tls13(),
            Error::InvalidMessage(_) => (
                "the answer is no TLS".into(),
                "correct host, port or scheme in `urls`: does the service speak plain HTTP there?",
            ),
            other => (other.to_string(), "look at what terminates TLS before the service"),
        };
        joined(&cause, next)
    }

    fn no_tls13() -> (String, &'static str) {
        (
            "no common TLS version: the service does not speak TLS 1.3, which `tls.require_tls13` demands".into(),
            "update the service, or lift `tls.require_tls13`",
        )
    }

    fn of_certificate(self, error: &CertificateError) -> (String, &'static str) {
        const RENEW: &str = "renew it at the service; if it is valid, set the clock of this machine";
        match error {
            CertificateError::UnknownIssuer if self.ca_file => (
                "the certificate's issuer is unknown, to `tls.ca_file` as well".into(),
                "name the PEM file of its own authority in `tls.ca_file`, and have the service send intermediates",
            ),
            CertificateError::UnknownIssuer => {
                ("the certificate's issuer is unknown".into(), "name the PEM file of its authority in `tls.ca_file`")
            }
            CertificateError::NotValidForNameContext { expected, presented } => {
                let names: Vec<_> = presented.iter().map(|name| plain(name)).collect();
                let names = if names.is_empty() { "no name at all".to_owned() } else { names.join(", ") };
                let cause = format!("the certificate is for {names}, not for {}", expected.to_str());
                (cause, "correct the host in `urls`, or issue a certificate for it")
            }
            CertificateError::ExpiredContext { not_after, .. } => {
                (format!("the certificate expired on {}", day(*not_after)), RENEW)
            }
            CertificateError::NotValidYetContext { not_before, .. } => {
                (format!("the certificate is not valid before {}", day(*not_before)), RENEW)
            }
            other => (format!("the certificate is not accepted: {other}"), "replace it at the service"),
        }
    }

    fn of_alert(self, alert: AlertDescription) -> (String, &'static str) {
        match alert {
            AlertDescription::CertificateRequired if !self.client => (
                "the service demands a client certificate".into(),
                "name a client certificate in `tls.client_cert_file` and its key in `tls.client_key_file`",
            ),
            AlertDescription::HandshakeFailure if !self.client => (
                "the service ended the handshake without a reason".into(),
                "if it demands a client certificate, name one in `tls.client_cert_file`",
            ),
            AlertDescription::ProtocolVersion if self.only_tls13 => Self::no_tls13(),
            AlertDescription::ProtocolVersion => {
                ("no common TLS version: the service speaks neither 1.2 nor 1.3".into(), "update the service")
            }
            AlertDescription::UnrecognisedName => (
                "the service knows no host of this name".into(),
                "correct the host in `urls`; `resolve` changes the address only",
            ),
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::DecryptError
            | AlertDescription::AccessDenied
                if self.client =>
            {
                let cause = format!("the service does not take the client certificate ({alert:?})");
                (cause, "replace `tls.client_cert_file` and `tls.client_key_file`")
            }
            other => (
                format!("the service ended the handshake ({other:?})"),
                "look at what terminates TLS before the service",
            ),
        }
    }
}

/// A name of a certificate without the word for its type: `a.b` for `DnsName("a.b")`.
fn plain(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, inner)| inner.strip_suffix(')')).unwrap_or(name);
    inner.trim_matches('"')
}

fn day(at: UnixTime) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute] UTC");
    i64::try_from(at.as_secs())
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok()?.format(format).ok())
        .unwrap_or_else(|| format!("{} s after 1970", at.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_demand_for_a_certificate_is_not_told_to_who_sent_one() {
        let demanded = Error::AlertReceived(AlertDescription::CertificateRequired);
        assert!(Given::default().told(&demanded).contains("`tls.client_cert_file`"));
        let with_one = Given { client: true, ..Given::default() };
        assert!(!with_one.told(&demanded).contains("demands"));
        let refused = Error::AlertReceived(AlertDescription::UnknownCA);
        assert!(with_one.told(&refused).contains("`tls.client_cert_file`"));
    }

    #[test]
    fn names_and_days_are_told_as_people_write_them() {
        assert_eq!(plain("DnsName(\"api.example\")"), "api.example");
        assert_eq!(plain("IpAddress(127.0.0.1)"), "127.0.0.1");
        assert_eq!(plain("*.example"), "*.example");
        let expired = CertificateError::ExpiredContext {
            time: UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_700_000_000)),
            not_after: UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_600_000_000)),
        };
        let told = Given::default().told(&Error::InvalidCertificate(expired));
        assert!(told.contains("expired on 2020-09-13 12:26 UTC"), "{told}");
    }
}
