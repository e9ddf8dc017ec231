use crate::check;
use crate::check::{Check, Context};
use crate::model::{Finding, Judgement, Stop};
use crate::target::Token;
use crate::wire::{Carrier, Endpoint, ErrorCode};

pub(super) static CHECK: Check = check!("handshake/tampered-token-refused", run).smoke();

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    // Its signature is genuine, for other octets.
    let other = cx.login().await?;
    let tampered = cx.workshop().tampered(&login.access, &other.access);
    cx.forgeries_refused(&login.access, tampered, &[ErrorCode::TokenInvalid]).await?;
    if cx.contract().carriers().contains(&Carrier::Ticket) {
        tickets_open_one_socket(cx, &login.access).await?;
    }
    cx.conforms()
}

/// A ticket stands for the token: neither a spent one nor one that nobody issued opens a socket.
async fn tickets_open_one_socket(cx: &Context, token: &Token) -> Result<(), Stop> {
    cx.step("a ticket for a good token");
    let answer = cx.call(Endpoint::WsTicket).bearer(token).send().await?;
    cx.success(Endpoint::WsTicket, &answer)?;
    let Ok(ticket) = answer.ticket(cx.contract()) else {
        return Err(cx.deviation(Finding::BadSchema, ["a `ticket`"], "none in the body", answer.evidence()));
    };
    cx.step("its socket");
    let session = cx.open(cx.upgrade().ticket(&ticket, token)).await?;

    let codes = [ErrorCode::TokenInvalid, ErrorCode::TokenExpired, ErrorCode::TokenRevoked];
    let made_up: String = ticket.chars().rev().collect();
    let bad = [
        ("the same ticket again, while its socket is open", cx.upgrade().ticket(&ticket, token)),
        ("a ticket that nobody issued", cx.upgrade().ticket(&made_up, token)),
    ];
    cx.sandwich(|| cx.upgrade().carrier(Carrier::Ticket, token), bad, &codes).await?;

    session.close().await;
    cx.step("the same ticket again, after its socket was closed");
    cx.refused(cx.upgrade().ticket(&ticket, token), &codes).await.map(drop)
}
