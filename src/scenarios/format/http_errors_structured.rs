use serde_json::json;

use crate::check;
use crate::check::{Check, Context};
use crate::model::{Finding, Judgement, Origin, Stop};
use crate::target::Response;
use crate::wire::{Endpoint, ErrorCode};

pub(super) static CHECK: Check = check!("format/http-errors-structured", run);

const NO_TOKEN: &[ErrorCode] = &[ErrorCode::AuthMissing];
const BAD_TOKEN: &[ErrorCode] = &[ErrorCode::TokenInvalid];
/// Where no token is refused, the code may stay untold.
const ANY: &[ErrorCode] = &[];
/// What is no JSON is broken before any field of it is.
const BAD_BODY: &[u16] = &[400, 415, 422];

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let nowhere = format!("/{}", cx.target().unique("no-route"));
    for (endpoint, origin) in [(Endpoint::Me, Origin::Auth), (cx.contract().authenticated_call(), Origin::Backend)] {
        cx.step(format!("{origin}: control, a good call"));
        let answer = cx.call(endpoint).bearer(&login.access).send().await?;
        cx.success(endpoint, &answer)?;
        cx.step(format!("{origin}: 401 without a token"));
        refused(cx, cx.call(endpoint).send().await?, &[401], NO_TOKEN)?;
        cx.step(format!("{origin}: 401 with what is no token"));
        let call = cx.call(endpoint).header("Authorization", "Bearer no-token");
        refused(cx, call.send().await?, &[401], BAD_TOKEN)?;
        cx.step(format!("{origin}: 404 of a route that is not there"));
        refused(cx, cx.request(origin, "GET", &nowhere).bearer(&login.access).send().await?, &[404], ANY)?;
    }

    cx.step("auth: 422 of a missing field");
    refused(cx, cx.call(Endpoint::Refresh).json(&json!({})).send().await?, &[422], ANY)?;
    cx.step("auth: a broken JSON body");
    let broken = "{\"refresh_token\": ";
    refused(cx, cx.call(Endpoint::Refresh).broken().raw_body(broken, "application/json").send().await?, BAD_BODY, ANY)?;

    let missing = cx.target().unique("no-thread");
    cx.step("backend: 404 of a missing thread");
    let call = cx.call(Endpoint::GetThread).path_param("id", &missing).bearer(&login.access);
    refused(cx, call.send().await?, &[404], ANY)?;
    cx.step("backend: 422 of a limit out of range");
    let call = cx.call(Endpoint::ListThreads).query("limit", 0).bearer(&login.access);
    refused(cx, call.send().await?, &[422], ANY)?;
    cx.step("backend: a broken JSON body");
    let call = cx.call(Endpoint::CreateThread).broken().raw_body("{\"title\": ", "application/json");
    refused(cx, call.bearer(&login.access).send().await?, BAD_BODY, ANY)?;
    cx.conforms()
}

/// Status first, then the form: a code can only be told in a body that has one.
fn refused(cx: &Context, answer: Response, statuses: &[u16], codes: &[ErrorCode]) -> Result<(), Stop> {
    cx.status(&answer, statuses)?;
    structured(cx, &answer)?;
    if codes.is_empty() { Ok(()) } else { cx.http_refused(&answer, statuses, codes) }
}

/// An error body as section 1 of the contract has it.
fn structured(cx: &Context, answer: &Response) -> Result<(), Stop> {
    let fault = match &answer.json {
        None => Some("a body that is no JSON".to_owned()),
        Some(body) => {
            let mut faults = cx.contract().http_error_faults(body).into_iter();
            faults.next().map(|fault| format!("at `{}`: {}", fault.path, fault.message))
        }
    };
    let expected = "an error body as the contract has it";
    let seen = || fault.clone().unwrap_or_default();
    cx.holds(fault.is_none(), Finding::BadSchema, expected, seen, || answer.evidence())
}
