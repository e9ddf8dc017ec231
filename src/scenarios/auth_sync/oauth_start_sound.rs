use std::collections::BTreeSet;

use url::Url;

use super::oauth::{Browser, Form, callback, location, parameter};
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Finding, Judgement, Need, Stop};
use crate::target::Response;
use crate::wire::Endpoint;

pub(super) static CHECK: Check = check!("auth-sync/oauth-start-sound", run).needs(&[Need::OAuth]);

/// Flows that are begun to compare their states.
const FLOWS: usize = 4;
/// Bits of a state that nobody guesses.
const BITS: usize = 128;
/// A page that is not of the application: RFC 2606 keeps the name free.
const FOREIGN: &str = "https://elsewhere.example/collect";

async fn run(cx: &Context) -> Judgement {
    let provider = cx.profile().users.oauth_providers.first().map(String::as_str).unwrap_or_default();
    let mut states = BTreeSet::new();
    for _ in 0..FLOWS {
        cx.step("the start of a flow");
        let (answer, authorize) = started(cx, provider).await?;
        sound(cx, &answer, &authorize)?;
        let state = parameter(&authorize, "state").unwrap_or_default();
        let bits = bits(&state);
        let expected = format!("a state of at least {BITS} bits");
        cx.holds(bits >= BITS, Finding::WrongValue, expected, || format!("{bits} bits"), || answer.evidence())?;
        let new = states.insert(state);
        cx.holds(new, Finding::WrongValue, "a new state", || "that of another flow".into(), || answer.evidence())?;
    }
    for name in ["return_url", "redirect_uri"] {
        foreign(cx, provider, name).await?;
    }
    cx.conforms()
}

async fn started(cx: &Context, provider: &str) -> Result<(Response, Url), Stop> {
    let answer = Browser::new(cx).start(provider, &[]).await?;
    cx.status(&answer, cx.contract().success(Endpoint::OauthStart))?;
    let authorize = location(cx, &answer, &cx.profile().urls.auth)?;
    Ok((answer, authorize))
}

/// What the authorize URL and the cookie must say (RFC 6749 4.1.1, RFC 7636 4.3).
fn sound(cx: &Context, answer: &Response, authorize: &Url) -> Result<(), Stop> {
    let is = |name: &str, expected: &str| {
        cx.same(name, &Some(expected), &parameter(authorize, name).as_deref(), || answer.evidence())
    };
    is("response_type", "code")?;
    is("redirect_uri", callback(cx)?.as_str())?;
    is("code_challenge_method", "S256")?;
    // SHA-256 in base64url without padding (RFC 7636 4.2).
    let challenge = parameter(authorize, "code_challenge").unwrap_or_default();
    let seen = || format!("{} characters", challenge.len());
    cx.holds(challenge.len() == 43, Finding::WrongValue, "code_challenge of 43 characters", seen, || answer.evidence())?;
    for name in ["client_id", "scope"] {
        let told = parameter(authorize, name).is_some_and(|value| !value.is_empty());
        cx.holds(told, Finding::WrongValue, format!("a `{name}`"), || "none".into(), || answer.evidence())?;
    }
    let bound = answer.headers_named("set-cookie").any(|cookie| {
        let cookie = cookie.to_ascii_lowercase().replace(' ', "");
        let has = |wanted: &str| cookie.split(';').any(|attribute| attribute == wanted);
        has("httponly") && has("samesite=lax")
    });
    let expected = "a state cookie with HttpOnly and SameSite=Lax";
    cx.holds(bound, Finding::WrongHeader, expected, || "none".into(), || answer.evidence())
}

/// A foreign page is refused, or nothing of the flow leads to it.
async fn foreign(cx: &Context, provider: &str, name: &str) -> Result<(), Stop> {
    cx.step(format!("a foreign {name}"));
    let mut browser = Browser::new(cx);
    let answer = browser.start(provider, &[(name, FOREIGN)]).await?;
    cx.status(&answer, &[400, 302])?;
    if answer.status == 400 {
        return Ok(());
    }
    let authorize = location(cx, &answer, &cx.profile().urls.auth)?;
    ignored(cx, &authorize, &answer)?;
    // Where it would lead is seen at the end of the flow; a person's consent is not at hand everywhere.
    if cx.has(Need::OAuthAuto) {
        let back = browser.authorize(&authorize).await?;
        let answer = browser.call_back(&back, Form::Page).await?;
        let page = location(cx, &answer, &cx.profile().urls.auth)?;
        ignored(cx, &page, &answer)?;
    }
    Ok(())
}

fn ignored(cx: &Context, url: &Url, answer: &Response) -> Result<(), Stop> {
    let host = Url::parse(FOREIGN).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    // The provider is told the state, which may hold what the auth service remembers; it leads nowhere.
    let named = url.as_str().contains(&host);
    let seen = || format!("a redirect that names {host}");
    cx.holds(!named, Finding::Accepted, "HTTP 400, or a flow that ignores it", seen, || answer.evidence())
}

/// Random bits that a state can hold at most: by its length and the letters that it uses.
fn bits(state: &str) -> usize {
    let letters = || state.chars().filter(char::is_ascii_alphanumeric);
    let per_letter = if letters().all(|letter| letter.is_ascii_hexdigit()) { 4 } else { 6 };
    letters().count() * per_letter
}

#[cfg(test)]
mod tests {
    use super::bits;

    #[test]
    fn a_state_has_room_for_what_its_letters_hold() {
        assert_eq!(bits("8d0c1a6e-5f2b-4a43-9d7e-0b1f2c3d4e5f"), 128);
        assert_eq!(bits("Zk9rQ2xWb1p5c0hUe3YtLg"), 22 * 6);
        assert!(bits("session-42") < 128);
    }
}
