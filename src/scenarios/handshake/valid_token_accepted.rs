use crate::check;
use crate::check::{Check, Context};
use crate::model::Judgement;
use crate::wire::Carrier;

pub(super) static CHECK: Check = check!("handshake/valid-token-accepted", run).required().smoke();

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let subject = login.access.text_claim("sub").unwrap_or_else(|| login.user_id.clone());
    let (contract, token) = (cx.contract(), &login.access);
    let carriers = contract.carriers().iter();
    let carried = carriers.map(|carrier| (carrier.slug().to_owned(), cx.upgrade().carrier(*carrier, token)));
    let forms = contract.other_token_subprotocols(token.expose(), cx.profile().environment.slug()).map(|(prefix, carries)| {
        let upgrade = cx.upgrade().subprotocol(contract.auth_subprotocol()).subprotocol(&carries);
        (format!("subprotocol `{prefix}…`"), upgrade)
    });
    let forms = forms.filter(|_| contract.carriers().contains(&Carrier::Subprotocol));
    for (place, upgrade) in carried.chain(forms) {
        cx.step(format!("a valid token in the {place}"));
        let mut session = cx.admitted(upgrade).await?;
        cx.welcomes(&session, &subject)?;
        cx.alive(&mut session.socket).await?;
        session.close().await;
    }
    cx.conforms()
}
