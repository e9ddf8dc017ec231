//! The authorization-code flow as a browser goes through it (RFC 6749, 4.1): redirects followed one by one,
//! cookies kept, the person's consent automatic.

use std::collections::BTreeMap;

use serde_json::Value;
use url::Url;
use url::form_urlencoded::parse;

use crate::check::Context;
use crate::model::{Blame, Finding, Inconclusive, Origin, Stop};
use crate::target::{Login, Response, SecretKind, Token};
use crate::wire::Endpoint;

/// More redirects than this lead nowhere.
const REDIRECTS: usize = 10;

/// How the end of a flow is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As a browser: a redirect with the token set in its fragment.
    Page,
    /// As JSON.
    Json,
}

/// A browser: it has cookies, and nothing else.
#[derive(Clone)]
pub(super) struct Browser<'a> {
    cx: &'a Context,
    /// By host and name; ports do not tell cookies apart (RFC 6265, 8.5).
    cookies: BTreeMap<(String, String), String>,
}

/// A flow for which the provider has given a code.
pub(super) struct Consented {
    /// Where the auth service sent the browser.
    pub(super) authorize: Url,
    /// Where the provider sent it back to, with `code` and `state`.
    pub(super) callback: Url,
}

impl<'a> Browser<'a> {
    /// A browser that was never used.
    pub(super) const fn new(cx: &'a Context) -> Self {
        Self { cx, cookies: BTreeMap::new() }
    }

    /// Begins a flow; what is answered is for the caller to judge.
    ///
    /// # Errors
    /// Inconclusive when there is no answer.
    pub(super) async fn start(&mut self, provider: &str, more: &[(&str, &str)]) -> Result<Response, Stop> {
        let mut call = self.cx.call(Endpoint::OauthStart).query("provider", provider);
        for (name, value) in more {
            call = call.query(name, value);
        }
        let answer = call.send().await?;
        self.keep(&self.cx.profile().urls.auth.clone(), &answer);
        Ok(answer)
    }

    /// Begins a flow and goes to the provider until it sends back a code.
    ///
    /// # Errors
    /// Deviates when the auth service does not begin it; inconclusive, blaming the environment, when the provider
    /// does not do its part.
    pub(super) async fn consent(&mut self, provider: &str) -> Result<Consented, Stop> {
        let started = self.start(provider, &[]).await?;
        self.cx.status(&started, self.cx.contract().success(Endpoint::OauthStart))?;
        let authorize = location(self.cx, &started, &self.cx.profile().urls.auth)?;
        let callback = self.authorize(&authorize).await?;
        Ok(Consented { authorize, callback })
    }

    /// Goes to the provider until it sends back a code: to the callback, which is not yet called.
    ///
    /// # Errors
    /// Inconclusive, blaming the environment, when it does not.
    pub(super) async fn authorize(&mut self, authorize: &Url) -> Result<Url, Stop> {
        let callback = callback(self.cx)?;
        let mut url = authorize.clone();
        let mut last = None;
        for _ in 0..REDIRECTS {
            let answer = self.get(&url, Form::Page).await?;
            if !(300..400).contains(&answer.status) {
                last = Some(answer);
                break;
            }
            url = location(self.cx, &answer, &url)?;
            last = Some(answer);
            let back = url.origin() == callback.origin() && url.path() == callback.path();
            if back && parameter(&url, "code").is_some() {
                return Ok(url);
            }
        }
        let status = last.as_ref().map(|answer| answer.status).unwrap_or_default();
        let what = format!(
            "the provider gave no code (HTTP {status} at {}): where a person must consent, set `users.oauth_consent: manual`",
            url.host_str().unwrap_or_default()
        );
        let evidence = last.map(|answer| answer.evidence()).unwrap_or_default();
        Err(Inconclusive::new(Blame::Environment, what).with(evidence).into())
    }

    /// Goes back to the auth service; what is answered is for the caller to judge.
    ///
    /// # Errors
    /// Inconclusive when there is no answer.
    pub(super) async fn call_back(&mut self, callback: &Url, form: Form) -> Result<Response, Stop> {
        self.get(callback, form).await
    }

    /// A whole flow: the login that it ends in.
    ///
    /// # Errors
    /// As [`Self::consent`] and [`signed_in`].
    pub(super) async fn sign_in(&mut self, provider: &str, form: Form) -> Result<Login, Stop> {
        let Consented { callback, .. } = self.consent(provider).await?;
        let answer = self.call_back(&callback, form).await?;
        signed_in(self.cx, answer, form)
    }

    async fn get(&mut self, url: &Url, form: Form) -> Result<Response, Stop> {
        let host = url.host_str().unwrap_or_default();
        let own = self.cookies.iter().filter(|((of, _), _)| of == host);
        let cookies: Vec<_> = own.map(|((_, name), value)| format!("{name}={value}")).collect();
        let mut call = self.cx.target().http(self.cx.recorder()).url(Origin::Auth, "GET", url);
        call = call.header("Accept", if form == Form::Json { "application/json" } else { "text/html" });
        if !cookies.is_empty() {
            call = call.header("Cookie", &cookies.join("; "));
        }
        let answer = call.send().await?;
        self.keep(url, &answer);
        Ok(answer)
    }

    fn keep(&mut self, url: &Url, answer: &Response) {
        for set in answer.headers_named("set-cookie") {
            let (pair, attributes) = set.split_once(';').unwrap_or((set, ""));
            let Some((name, value)) = pair.split_once('=') else { continue };
            let place = (url.host_str().unwrap_or_default().to_owned(), name.trim().to_owned());
            if attributes.to_ascii_lowercase().replace(' ', "").split(';').any(|attribute| attribute == "max-age=0") {
                self.cookies.remove(&place);
            } else {
                self.cookies.insert(place, value.trim().to_owned());
            }
        }
    }
}

/// The auth service's callback, as the contract and the profile have it.
///
/// # Errors
/// Inconclusive, blaming the harness, when the two make no URL.
pub(super) fn callback(cx: &Context) -> Result<Url, Stop> {
    let (_, path) = cx.contract().endpoint(Endpoint::OauthCallback).unwrap_or(("GET", "/auth/callback"));
    let base = cx.profile().urls.auth.as_str().trim_end_matches('/');
    let unusable = |error| Inconclusive::new(Blame::Harness, format!("the callback's URL: {error}")).into();
    Url::parse(&format!("{base}{path}")).map_err(unusable)
}

/// Where an answer sends the browser.
///
/// # Errors
/// Deviates with [`Finding::WrongHeader`] when that is nowhere.
pub(super) fn location(cx: &Context, answer: &Response, base: &Url) -> Result<Url, Stop> {
    let to = answer.header("location").and_then(|to| base.join(to).ok());
    to.ok_or_else(|| {
        cx.deviation(Finding::WrongHeader, ["a Location that is a URL"], "no such header", answer.evidence())
    })
}

/// A parameter of a URL's query.
pub(super) fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

/// The login in the answer to a callback: a token set in the fragment of the application's page, or as JSON.
///
/// # Errors
/// Deviates when it is neither, or stands where others read it.
pub(super) fn signed_in(cx: &Context, answer: Response, form: Form) -> Result<Login, Stop> {
    if form == Form::Json && answer.status == 200 {
        cx.success(Endpoint::OauthCallback, &answer)?;
        return cx.target().token_set(Endpoint::OauthCallback, answer, None);
    }
    cx.status(&answer, &[302])?;
    let page = location(cx, &answer, &cx.profile().urls.auth)?;
    if let Some(frontend) = &cx.profile().urls.frontend {
        let (expected, seen) = (frontend.origin().ascii_serialization(), page.origin().ascii_serialization());
        cx.same("origin of the page", &expected, &seen, || answer.evidence())?;
    }
    let in_query = page.query_pairs().find(|(name, _)| name.ends_with("_token")).map(|(name, _)| name.into_owned());
    let seen = || format!("`{}` in the query", in_query.as_deref().unwrap_or_default());
    let expected = "the token set in the fragment, nothing of it in the query";
    cx.holds(in_query.is_none(), Finding::LeakedToken, expected, seen, || answer.evidence())?;
    let told = |name: &str| {
        let fragment = page.fragment().unwrap_or_default();
        parse(fragment.as_bytes()).find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    };
    let token = |kind, name| told(name).map(|token| Token::new(cx.target().redactor(), kind, token));
    let access = token(SecretKind::AccessToken, "access_token");
    let refresh = token(SecretKind::RefreshToken, "refresh_token");
    let (Some(access), Some(refresh)) = (access, refresh) else {
        let expected = ["access_token and refresh_token in the fragment"];
        return Err(cx.deviation(Finding::WrongValue, expected, "a fragment without both", answer.evidence()));
    };
    let claims = access.claims().unwrap_or_default();
    let claim = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    let (user_id, email) = (claim("sub").unwrap_or_default(), claim("email"));
    Ok(Login { email, user_id, access, refresh: Some(refresh), claims, answer: Some(answer) })
}
