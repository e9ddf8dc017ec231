//! The lines of the profile on which a verdict rests: what a person looks at first who thinks that
//! the target is right and the profile wrong.

use std::borrow::Cow;

use crate::check::Check;
use crate::model::{Blame, Evidence, Need, Record, Trigger, Verdict};
use crate::profile::{Method, Profile};

/// A key of the profile, dotted.
type Key = Cow<'static, str>;

/// The lines for `verdict` of `check`: the window that decided, or else the keys that supply what
/// the check declared to need, or else the URL that was asked last. None for what was not tried.
pub(super) fn of(check: &Check, verdict: &Verdict, profile: &Profile) -> Vec<String> {
    let keys = match verdict {
        Verdict::Conforms(_) | Verdict::NotVerified(_) => return Vec::new(),
        Verdict::Deviates(deviation) => match deviation.window {
            Some(window) => vec![window.into()],
            None => {
                let needs = check.needs.iter().filter_map(|need| key_of(*need, profile)).collect();
                or_url(needs, &deviation.evidence, profile)
            }
        },
        Verdict::Inconclusive(why) if why.blame == Blame::Credentials => vec![credentials(profile).into()],
        Verdict::Inconclusive(why) => or_url(Vec::new(), &why.evidence, profile),
    };
    let mut lines: Vec<String> = keys.into_iter().filter_map(|key| profile.places.tell(&key)).collect();
    lines.dedup();
    lines
}

fn or_url(keys: Vec<Key>, evidence: &Evidence, profile: &Profile) -> Vec<Key> {
    if keys.is_empty() { url(evidence, profile).map(Key::from).into_iter().collect() } else { keys }
}

/// The key of the URL below which the last request went; frames without their upgrade came over the WebSocket.
fn url(evidence: &Evidence, profile: &Profile) -> Option<&'static str> {
    let urls = &profile.urls;
    let known = [
        ("urls.websocket", Some(&urls.websocket)),
        ("urls.auth", Some(&urls.auth)),
        ("urls.backend", Some(&urls.backend)),
        ("urls.frontend", urls.frontend.as_ref()),
    ];
    evidence.entries.iter().rev().find_map(|entry| match &entry.record {
        Record::Request { url: asked, .. } => {
            let below = |url: &url::Url| asked.starts_with(url.as_str().trim_end_matches('/'));
            known.iter().find(|(_, url)| url.is_some_and(below)).map(|(key, _)| *key)
        }
        Record::Frame { .. } => Some("urls.websocket"),
        Record::Response { .. } | Record::Ended(_) | Record::Note(_) => None,
    })
}

/// The key that makes the profile supply `need`; none where a URL or the target itself supplies it.
fn key_of(need: Need, profile: &Profile) -> Option<Key> {
    let credentials = &profile.credentials;
    let key = match need {
        Need::Sign => "credentials.signing_key.key",
        // In the order in which a short login is tried.
        Need::Short if credentials.method == Method::E2eBypass => "credentials.bypass_key",
        Need::Short if credentials.signing_key.is_some() => "credentials.signing_key.key",
        Need::Short if credentials.short_login.is_some() => "credentials.short_login.email",
        Need::Short => "credentials.bypass_key",
        Need::Service => "service.id",
        Need::Password => "credentials.wrong_password_user",
        Need::OAuth => "users.oauth_providers",
        Need::OAuthAuto => "users.oauth_consent",
        Need::States => "users.states",
        Need::Prompts => "prompts",
        Need::Trigger(trigger) => {
            let outage = matches!(trigger, Trigger::AuthOutage | Trigger::BackendOutage);
            return Some(format!("triggers.{}.{}", trigger.slug(), if outage { "down" } else { "content" }).into());
        }
        Need::Raw => "limits.raw_frames",
        Need::Browser => "browser.command",
        Need::Launch => "independence.launch.auth",
        Need::Source => "independence.source",
        Need::Databases => "independence.databases.auth",
        Need::TwoUsers | Need::Tls | Need::Jwks | Need::Frontend => return None,
    };
    Some(key.into())
}

const fn credentials(profile: &Profile) -> &'static str {
    match profile.credentials.method {
        Method::E2eBypass => "credentials.bypass_key",
        Method::Password => "credentials.users",
        Method::DevLogin => "credentials.method",
        Method::SigningKey => "credentials.signing_key.key",
        Method::Tokens => "credentials.tokens",
    }
}
