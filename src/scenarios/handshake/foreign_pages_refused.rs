use crate::check;
use crate::check::{Check, Context};
use crate::model::{Finding, Judgement, Need, Origin, Stop};
use crate::target::Response;
use crate::wire::Endpoint;

pub(super) static CHECK: Check = check!("handshake/foreign-pages-refused", run);

/// A stranger, whose name nobody can own (RFC 6761), and what a sandboxed frame sends.
const FOREIGN: [&str; 2] = ["https://netra-check.invalid", "null"];

async fn run(cx: &Context) -> Judgement {
    // Where a page would find what belongs to the user.
    let places = [Endpoint::Me, cx.contract().authenticated_call(), Endpoint::FrontendPage];
    for endpoint in places.into_iter().filter(|place| place.service() != Origin::Frontend || cx.has(Need::Frontend)) {
        let Some((method, path)) = cx.contract().endpoint(endpoint) else { continue };
        let service = endpoint.service();
        cx.step(format!("control: {service} without an origin"));
        // A service that is down allows nothing, either.
        let plain = cx.request(service, method, path).send().await?;
        cx.status(&plain, &[200, 401, 403]).map_err(|stop| cx.control_failed("the service answers", stop))?;
        for origin in FOREIGN {
            cx.step(format!("{service}: {method} from {origin}"));
            closed_to(cx, origin, &cx.request(service, method, path).header("Origin", origin).send().await?)?;
            cx.step(format!("{service}: preflight from {origin}"));
            let preflight = cx
                .request(service, "OPTIONS", path)
                .header("Origin", origin)
                .header("Access-Control-Request-Method", method)
                .header("Access-Control-Request-Headers", "authorization");
            closed_to(cx, origin, &preflight.send().await?)?;
        }
    }
    cx.conforms()
}

/// An answer that a browser does not show to a page of `origin`.
fn closed_to(cx: &Context, origin: &str, response: &Response) -> Result<(), Stop> {
    let allowed: Vec<_> = response.headers_named("Access-Control-Allow-Origin").map(str::trim).collect();
    let credentials = response.header("Access-Control-Allow-Credentials").map(str::trim) == Some("true");
    let opens =
        allowed.iter().any(|allowed| *allowed == origin || *allowed == "null" || (*allowed == "*" && credentials));
    cx.holds(
        !opens,
        Finding::WrongHeader,
        "Access-Control-Allow-Origin absent, or of the allow-list",
        || {
            let with = if credentials { ", with credentials" } else { "" };
            format!("Access-Control-Allow-Origin: {}{with}", allowed.join(", "))
        },
        || response.evidence(),
    )
}
