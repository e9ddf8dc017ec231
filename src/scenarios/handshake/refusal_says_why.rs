use crate::check;
use crate::check::{Check, Context, Refusal, RefusalForm};
use crate::model::{Finding, Judgement, Stop};
use crate::wire::ErrorCode;

pub(super) static CHECK: Check = check!("handshake/refusal-says-why", run);

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let tampered = cx.tampered_token(&login.access)?;
    cx.step("control before");
    cx.session(&login.access).await?.close().await;

    cx.step("no credential");
    formed(cx, &cx.refused(cx.upgrade(), &[ErrorCode::AuthMissing]).await?)?;
    for carrier in cx.contract().carriers() {
        cx.step(format!("a tampered token in the {}", carrier.slug()));
        let upgrade = cx.upgrade().carrier(*carrier, &tampered);
        formed(cx, &cx.refused(upgrade, &[ErrorCode::TokenInvalid]).await?)?;
    }

    cx.step("control after");
    cx.session(&login.access).await?.close().await;
    cx.conforms()
}

/// One of the two forms of contract, section 5.
fn formed(cx: &Context, refusal: &Refusal) -> Result<(), Stop> {
    let evidence = || refusal.evidence.clone();
    match &refusal.form {
        RefusalForm::Http(response) => {
            cx.status(response, &[401])?;
            // RFC 9110, 11.1: the scheme's case does not matter.
            let challenge = response.header("WWW-Authenticate");
            let is_bearer = challenge
                .and_then(|challenge| challenge.split([' ', ',']).next())
                .is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer"));
            let seen = || challenge.map_or("none".into(), |challenge| format!("WWW-Authenticate: {challenge}"));
            cx.holds(is_bearer, Finding::WrongHeader, "WWW-Authenticate: Bearer", seen, evidence)?;
            let seen = || "a body that is no JSON".into();
            cx.holds(response.json.is_some(), Finding::BadSchema, "a JSON body", seen, evidence)
        }
        RefusalForm::Closed { code, others, .. } => {
            let seen = || refusal.to_string();
            cx.holds(*code == Some(1008), Finding::WrongClose, "error, then Close 1008", seen, evidence)?;
            let seen = || format!("{} more messages", others.len());
            cx.holds(others.is_empty(), Finding::UnexpectedEvent, "nothing but one error", seen, evidence)
        }
    }
}
