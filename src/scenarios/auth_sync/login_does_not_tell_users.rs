use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::check;
use crate::check::{Check, Context};
use crate::model::{Judgement, Need, NotVerified, Stop};
use crate::target::Response;
use crate::wire::Endpoint;

pub(super) static CHECK: Check = check!("auth-sync/login-does-not-tell-users", run).should().needs(&[Need::Password]);

/// Headers and members that differ between any two answers, and what only sums the body up.
const VOLATILE: [&str; 16] = [
    "date",
    "age",
    "content-length",
    "etag",
    "server-timing",
    "set-cookie",
    "timestamp",
    "traceparent",
    "trace_id",
    "x-trace-id",
    "request_id",
    "x-request-id",
    "correlation_id",
    "x-correlation-id",
    "cf-ray",
    "x-cloud-trace-context",
];
/// Headers that count tries.
const COUNTS: [&str; 2] = ["x-ratelimit-", "ratelimit-"];

async fn run(cx: &Context) -> Judgement {
    let known = cx.profile().credentials.wrong_password_user.as_deref();
    let known = known.ok_or(NotVerified::Lacks(Need::Password))?;
    let domain = known.split_once('@').map_or("example.com", |(_, domain)| domain);
    let unknown = format!("{}@{domain}", cx.target().unique("nobody"));
    cx.step("a wrong password");
    // A step towards a locked account: the target counts them.
    let known = answered(cx, cx.target().wrong_password(cx.recorder()).await?)?;
    cx.step("an unknown user");
    let body_of_unknown = json!({"email": unknown, "password": cx.target().unique("wrong-password")});
    let unknown = answered(cx, cx.call(Endpoint::Login).json(&body_of_unknown).send().await?)?;

    cx.step("the answer to an unknown user against that to a wrong password");
    cx.same("status", &known.status, &unknown.status, || unknown.evidence())?;
    cx.same_json("body", &body(&known), &body(&unknown), || unknown.evidence())?;
    cx.same("headers", &headers(&known), &headers(&unknown), || unknown.evidence())?;
    cx.conforms()
}

fn answered(cx: &Context, answer: Response) -> Result<Response, Stop> {
    cx.status(&answer, &[401])?;
    Ok(answer)
}

/// A body without what differs in any case.
fn body(answer: &Response) -> Value {
    let mut body = answer.json.clone().unwrap_or_else(|| Value::from(answer.text.as_str()));
    if let Value::Object(members) = &mut body {
        members.retain(|name, _| !VOLATILE.contains(&name.as_str()));
    }
    body
}

fn headers(answer: &Response) -> BTreeSet<(String, String)> {
    let differs = |name: &str| VOLATILE.contains(&name) || COUNTS.iter().any(|prefix| name.starts_with(prefix));
    let told = answer.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
    told.filter(|(name, _)| !differs(name)).collect()
}
