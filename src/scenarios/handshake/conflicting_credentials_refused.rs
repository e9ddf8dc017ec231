use crate::check;
use crate::check::{Check, Context};
use crate::model::{Judgement, Need, NotVerified, Stop};
use crate::target::{Token, Upgrade};
use crate::wire::{Carrier, ErrorCode};

pub(super) static CHECK: Check = check!("handshake/conflicting-credentials-refused", run).needs(&[Need::TwoUsers]);

async fn run(cx: &Context) -> Judgement {
    if !cx.contract().carriers().contains(&Carrier::Header) || !cx.contract().carriers().contains(&Carrier::Subprotocol)
    {
        return Err(NotVerified::Unpromised("two carriers of a token".into()).into());
    }
    let (a, b) = (cx.login().await?.access, cx.second_login().await?.access);
    let bad = cx.tampered_token(&a)?;

    cx.step("control before");
    each_alone(cx, &a, &b).await?;
    for (step, upgrade) in [
        ("A in the header, B in the subprotocol", both(cx, &a, &b)),
        ("the header twice, A and B", cx.upgrade().bearer(a.expose()).bearer(b.expose()).broken()),
        ("A in the header, a changed token in the subprotocol", both(cx, &a, &bad)),
        ("a changed token in the header, A in the subprotocol", both(cx, &bad, &a)),
    ] {
        cx.step(step);
        cx.refused(upgrade, &[ErrorCode::TokenInvalid]).await?;
    }
    cx.step("control after");
    each_alone(cx, &a, &b).await?;
    cx.conforms()
}

fn both<'a>(cx: &'a Context, header: &Token, subprotocol: &Token) -> Upgrade<'a> {
    cx.upgrade().carrier(Carrier::Header, header).carrier(Carrier::Subprotocol, subprotocol)
}

/// Both tokens are good, and both carriers are read.
async fn each_alone(cx: &Context, a: &Token, b: &Token) -> Result<(), Stop> {
    for upgrade in [cx.upgrade().carrier(Carrier::Header, a), cx.upgrade().carrier(Carrier::Subprotocol, b)] {
        cx.open(upgrade).await?.close().await;
    }
    Ok(())
}
