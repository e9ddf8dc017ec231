use super::refresh;
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Direction, Entry, Evidence, Finding, Judgement, Record, Stop};
use crate::target::placeholders;
use crate::wire::Endpoint;

pub(super) static CHECK: Check = check!("handshake/token-not-echoed", run);

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let tampered = cx.tampered_token(&login.access)?;
    // A login's answer holds tokens by right: what comes after it may not.
    let mut watch = Watch { cx, judged: cx.recorder().history().len() };
    for carrier in cx.contract().carriers() {
        cx.step(format!("the good token in the {}", carrier.slug()));
        let mut session = cx.open(cx.upgrade().carrier(*carrier, &login.access)).await?;
        refresh::works(cx, &mut session.socket, &login.access).await?;
        watch.nothing_leaked()?;

        cx.step("a tampered token in token_refresh");
        cx.answer(&mut session.socket, refresh::with(&tampered)).await?;
        session.close().await;
        watch.nothing_leaked()?;

        // Whether it is refused, and how, others judge.
        cx.step(format!("a tampered token in the {}", carrier.slug()));
        cx.try_upgrade(cx.upgrade().carrier(*carrier, &tampered)).await?;
        watch.nothing_leaked()?;
    }
    for endpoint in [Endpoint::Verify, cx.contract().authenticated_call()] {
        cx.step(format!("a tampered token at `{}`", endpoint.slug()));
        cx.call(endpoint).bearer(&tampered).send().await?;
        watch.nothing_leaked()?;
    }
    cx.conforms()
}

/// Reads what was received. Redaction has put a placeholder for each token, so one that stands there is one that
/// came back, whatever its encoding and however much of it was cut off.
struct Watch<'a> {
    cx: &'a Context,
    /// Entries of the transcript that have been read.
    judged: usize,
}

impl Watch<'_> {
    fn nothing_leaked(&mut self) -> Result<(), Stop> {
        let history = self.cx.recorder().history();
        let leak = history.iter().skip(self.judged).find_map(|entry| Some((entry, leaked(entry)?)));
        self.judged = history.len();
        let (entry, seen) = leak.map_or((None, String::new()), |(entry, seen)| (Some(entry), seen));
        let evidence = || {
            let of_leak = |other: &&Entry| entry.is_some_and(|entry| other.connection == entry.connection);
            Evidence { entries: history.iter().filter(of_leak).cloned().collect(), facts: Vec::new() }
        };
        self.cx.holds(entry.is_none(), Finding::LeakedToken, "no token in what the server sends", || seen, evidence)
    }
}

/// Where a received entry holds a token, and which.
fn leaked(entry: &Entry) -> Option<String> {
    let told = |place: &str, text: &str| {
        // `«access-token 3»`, `«forged-token 1»`, `«token 2»`.
        let token = placeholders(text).find(|token| token.contains("token"))?;
        Some(format!("{token} in {place}"))
    };
    if entry.direction == Direction::Sent {
        return None;
    }
    match &entry.record {
        Record::Response { headers, body, .. } => headers
            .iter()
            .find_map(|(name, value)| told(&format!("the header {name}"), value))
            .or_else(|| told("a body", body.as_deref()?)),
        Record::Frame { payload, close_code: Some(_), .. } => told("a close reason", payload),
        Record::Frame { payload, .. } => told("a frame", payload),
        Record::Request { .. } | Record::Ended(_) | Record::Note(_) => None,
    }
}
