use crate::check;
use crate::check::{Check, Context, RefusalForm};
use crate::model::{Effect, Finding, Group, Judgement, Need, Trigger};
use crate::wire::ErrorCode;

pub(super) static CHECK: Check = check!("handshake/auth-outage-fails-closed", run)
    .needs(&[Need::Trigger(Trigger::AuthOutage)])
    .effects(&[Effect::Disrupt])
    .group(Group::Disrupt);

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let tampered = cx.tampered_token(&login.access)?;
    cx.step("control before the outage");
    cx.session(&login.access).await?.close().await;

    let probe = async {
        for (step, token) in [("the good token", &login.access), ("a tampered token", &tampered)] {
            cx.step(format!("{step} during the outage"));
            let refusal = cx.refused(cx.upgrade_with(token), &[ErrorCode::AuthUnavailable]).await?;
            match &refusal.form {
                RefusalForm::Http(response) => cx.status(response, &[503])?,
                RefusalForm::Closed { code, .. } => {
                    let (seen, evidence) = (|| refusal.to_string(), || refusal.evidence.clone());
                    cx.holds(*code == Some(1013), Finding::WrongClose, "error, then Close 1013", seen, evidence)?;
                }
            }
        }
        Ok(())
    };
    cx.during_outage(Trigger::AuthOutage, probe).await?;

    cx.step("control after the outage");
    cx.session(&login.access).await?.close().await;
    cx.conforms()
}
