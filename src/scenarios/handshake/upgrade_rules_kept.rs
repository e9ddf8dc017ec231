use crate::check;
use crate::check::{Check, Context};
use crate::model::{Finding, Judgement, Need, Stop};
use crate::target::{Upgrade, Upgraded};

pub(super) static CHECK: Check = check!("handshake/upgrade-rules-kept", run).needs(&[Need::Raw]);

const VERSION: &str = "Sec-WebSocket-Version";
const KEY: &str = "Sec-WebSocket-Key";

/// Each breaks one rule of RFC 6455, 4.2.1, in an upgrade that is right otherwise.
const RULES: [(&str, Break); 6] = [
    ("version 12", |upgrade| upgrade.set(VERSION, "12")),
    ("no key", |upgrade| upgrade.without(KEY)),
    ("a key of five octets", |upgrade| upgrade.set(KEY, "c2hvcnQ=")),
    ("POST", |upgrade| upgrade.method("POST")),
    ("no Upgrade", |upgrade| upgrade.without("Upgrade")),
    ("HTTP/1.0", |upgrade| upgrade.http10()),
];

type Break = for<'t> fn(Upgrade<'t>) -> Upgrade<'t>;

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    cx.step("control before");
    cx.session(&login.access).await?.close().await;
    for (rule, breaks) in RULES {
        cx.step(format!("{rule}, with the token"));
        refused(cx, breaks(cx.upgrade_with(&login.access)), rule, true).await?;
        cx.step(format!("{rule}, without a token"));
        refused(cx, breaks(cx.upgrade()), rule, false).await?;
    }
    cx.step("control after");
    cx.session(&login.access).await?.close().await;
    cx.conforms()
}

async fn refused(cx: &Context, upgrade: Upgrade<'_>, rule: &str, with_token: bool) -> Result<(), Stop> {
    let (due, also) = if rule == "HTTP/1.0" { ("a 4xx status or 505", Some(505)) } else { ("a 4xx status", None) };
    let response = match upgrade.broken().open().await? {
        Upgraded::Refused(response) => response,
        Upgraded::Switched(_, response) => {
            return Err(cx.deviation(Finding::Accepted, [due], "HTTP 101", response.evidence()));
        }
    };
    let status = response.status;
    cx.holds(
        (400..500).contains(&status) || Some(status) == also,
        if status >= 500 { Finding::ServerError } else { Finding::WrongStatus },
        due,
        || format!("HTTP {status}"),
        || response.evidence(),
    )?;
    // Who is refused for want of a token is not told about versions.
    if rule != "version 12" || (!with_token && status == 401) {
        return Ok(());
    }
    let spoken: Vec<_> = response.headers_named(VERSION).flat_map(|value| value.split(',')).map(str::trim).collect();
    cx.holds(
        spoken.contains(&"13"),
        Finding::WrongHeader,
        format!("{VERSION}: 13"),
        || format!("{VERSION}: {}", if spoken.is_empty() { "none".into() } else { spoken.join(", ") }),
        || response.evidence(),
    )
}
