use serde_json::json;

use super::flow;
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Judgement, Origin};
use crate::wire::Endpoint;

pub(super) static CHECK: Check = check!("independence/own-origin", run).required().smoke();

async fn run(cx: &Context) -> Judgement {
    let login = flow::until_refreshed(cx).await?;

    // Reads only: where they are served nevertheless, nothing is changed.
    for endpoint in [Endpoint::ListThreads, Endpoint::GetThread, Endpoint::UserProfile] {
        let Some((method, path)) = cx.contract().endpoint(endpoint) else { continue };
        cx.step(format!("{method} {path} at the auth service"));
        let call = cx.request(Origin::Auth, method, path).path_param("id", "none");
        cx.status(&call.bearer(&login.access).send().await?, &[404])?;
    }
    // Without a member that a login or refresh needs: where they are served, nobody is logged in.
    for endpoint in [Endpoint::Login, Endpoint::Refresh] {
        let Some((method, path)) = cx.contract().endpoint(endpoint) else { continue };
        cx.step(format!("{method} {path} at the backend"));
        cx.status(&cx.request(Origin::Backend, method, path).json(&json!({})).send().await?, &[404])?;
    }
    cx.conforms()
}
