use super::crowd;
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Effect, Group, Judgement, Need};

pub(super) static CHECK: Check = check!("isolation/users-never-mix-under-load", run)
    .needs(&[Need::TwoUsers])
    .effects(&[Effect::Create, Effect::Disrupt])
    .group(Group::Disrupt)
    .crowd(USERS);

/// Users that it makes use of where there are so many.
const USERS: usize = 10;
/// Runs of each user.
const EACH: usize = 3;

async fn run(cx: &Context) -> Judgement {
    let logins = cx.crowd().await?;
    cx.figure(format!("{} of {USERS} users, {} runs at once", logins.len(), logins.len() * EACH));
    crowd::mingles(cx, &logins, EACH).await?;
    cx.conforms()
}
