use crate::check;
use crate::check::{Check, Context};
use crate::model::Judgement;

pub(super) static CHECK: Check = check!("handshake/valid-token-accepted", run).required().smoke();

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let subject = login.access.text_claim("sub").unwrap_or_else(|| login.user_id.clone());
    for carrier in cx.contract().carriers() {
        cx.step(format!("a valid token in the {}", carrier.slug()));
        let mut session = cx.admitted(cx.upgrade().carrier(*carrier, &login.access)).await?;
        let evidence = || session.socket.evidence();
        cx.same("user_id", &Some(subject.as_str()), &session.welcome.user_id(), evidence)?;
        cx.alive(&mut session.socket).await?;
        session.close().await;
    }
    cx.conforms()
}
