use super::crowd;
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Effect, Judgement, Need};

pub(super) static CHECK: Check = check!("isolation/users-never-mix", run)
    .required()
    .smoke()
    .needs(&[Need::TwoUsers])
    .effects(&[Effect::Create]);

/// Runs of each user.
const EACH: usize = 2;

async fn run(cx: &Context) -> Judgement {
    crowd::mingles(cx, &[cx.login().await?, cx.second_login().await?], EACH).await?;
    cx.conforms()
}
