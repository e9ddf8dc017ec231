use crate::check;
use crate::check::{Check, Context};
use crate::model::{Finding, Judgement, Stop};
use crate::target::{Response, accept_key};
use crate::wire::Carrier;

pub(super) static CHECK: Check = check!("handshake/accept-key-correct", run).smoke();

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    for carrier in cx.contract().carriers() {
        let contract = cx.contract();
        let offered = match carrier {
            Carrier::Header | Carrier::Query | Carrier::Ticket => None,
            // That it comes back is told once, by `handshake/token-not-echoed`.
            Carrier::Subprotocol if contract.is_known_to_echo() => {
                Some(contract.token_subprotocol(login.access.expose(), cx.profile().environment.slug()))
            }
            Carrier::Subprotocol => Some(contract.auth_subprotocol().to_owned()),
        };
        // A cached or constant answer would fit one key.
        for key in ["first", "second"] {
            cx.step(format!("the upgrade's answer, token in the {}, {key} key", carrier.slug()));
            let upgrade = cx.upgrade().carrier(*carrier, &login.access);
            let due = accept_key(upgrade.key());
            let session = cx.open(upgrade).await?;
            bears(cx, &session.response, "Sec-WebSocket-Accept", Some(&due))?;
            bears(cx, &session.response, "Sec-WebSocket-Protocol", offered.as_deref())?;
            bears(cx, &session.response, "Sec-WebSocket-Extensions", None)?;
            session.close().await;
        }
    }
    cx.conforms()
}

/// The answer has this header once with this value, or not at all.
fn bears(cx: &Context, answer: &Response, name: &str, due: Option<&str>) -> Result<(), Stop> {
    let seen: Vec<_> = answer.headers_named(name).collect();
    let told = |value: Option<&str>| value.map_or_else(|| format!("no {name}"), |value| format!("{name}: {value}"));
    cx.holds(
        seen == due.as_slice(),
        Finding::WrongHeader,
        told(due),
        || told((!seen.is_empty()).then(|| seen.join(", ")).as_deref()),
        || answer.evidence(),
    )
}
