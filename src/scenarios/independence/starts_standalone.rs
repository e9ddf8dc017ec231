use std::time::Duration;

use super::{flow, launched};
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Finding, Judgement, Need};

pub(super) static CHECK: Check = check!("independence/starts-standalone", run).needs(&[Need::Launch]);

/// From SIGTERM to the end of the process.
const END_WITHIN: Duration = Duration::from_secs(5);

async fn run(cx: &Context) -> Judgement {
    cx.step("starting the auth service alone");
    let (mut service, alone) = launched::auth(cx).await?;
    flow::alone(&alone).await?;

    cx.step("SIGTERM");
    let ended = service.process.terminate(END_WITHIN).await;
    let seen = || format!("running {} s after it", END_WITHIN.as_secs());
    let expected = format!("its end within {} s", END_WITHIN.as_secs());
    cx.holds(ended.is_some(), Finding::Late, expected, seen, || service.process.evidence())?;
    cx.conforms()
}
