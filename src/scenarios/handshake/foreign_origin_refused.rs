use url::Url;

use crate::check;
use crate::check::{Check, Context};
use crate::model::Judgement;
use crate::wire::ErrorCode;

pub(super) static CHECK: Check = check!("handshake/foreign-origin-refused", run);

/// Nobody can own a name below `.invalid` (RFC 6761).
const STRANGER: &str = "netra-check.invalid";

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let frontend = cx.profile().urls.frontend.as_ref();
    let good = || match frontend {
        Some(url) => cx.upgrade_with(&login.access).origin(&url.origin().ascii_serialization()),
        None => cx.upgrade_with(&login.access),
    };
    let foreign = [("the origin null", "null".to_owned()), ("a stranger's origin", format!("https://{STRANGER}"))];
    let foreign = foreign.into_iter().chain(frontend.into_iter().flat_map(lookalikes));
    let bad: Vec<_> = foreign.map(|(step, origin)| (step, cx.upgrade_with(&login.access).origin(&origin))).collect();
    cx.sandwich(good, bad, &[ErrorCode::OriginForbidden]).await?;
    cx.conforms()
}

/// Origins that only an exact comparison of scheme, host and port tells from `url`'s.
fn lookalikes(url: &Url) -> Vec<(&'static str, String)> {
    let origin = url.origin().ascii_serialization();
    let (scheme, host) = (url.scheme(), url.host_str().unwrap_or_default());
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    let other_scheme = if scheme == "https" { "http" } else { "https" };
    // Not one that a developer's allow-list holds as well.
    let other_port = if url.port() == Some(48_620) { 48_621 } else { 48_620 };
    vec![
        ("the frontend's origin, lengthened", format!("{origin}.{STRANGER}")),
        ("the frontend's host as the end of another", format!("{scheme}://netra-check-{host}{port}")),
        ("the frontend's origin with another scheme", format!("{other_scheme}://{host}{port}")),
        ("the frontend's origin with another port", format!("{scheme}://{host}:{other_port}")),
    ]
}
