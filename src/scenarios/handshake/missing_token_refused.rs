use crate::check;
use crate::check::{Check, Context};
use crate::model::Judgement;
use crate::wire::ErrorCode;

pub(super) static CHECK: Check = check!("handshake/missing-token-refused", run).smoke();

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let good = || cx.upgrade_with(&login.access);
    cx.sandwich(good, [("no credential", cx.upgrade())], &[ErrorCode::AuthMissing]).await?;

    // Something was shown that holds no token: either word is true.
    let nothing = cx.contract().auth_subprotocol();
    let empty = [
        ("an empty Bearer", cx.upgrade().bearer("")),
        ("a Bearer `undefined`", cx.upgrade().bearer("undefined")),
        ("Basic in place of Bearer", cx.upgrade().header("Authorization", "Basic bmV0cmE6Y2hlY2s=")),
        ("the subprotocol without a token", cx.upgrade().subprotocol(nothing)),
    ];
    cx.sandwich(good, empty, &[ErrorCode::AuthMissing, ErrorCode::TokenInvalid]).await?;
    cx.conforms()
}
