use std::net::{Ipv4Addr, SocketAddr};

use url::Url;

use super::launched;
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Finding, Judgement, Need, Stop};
use crate::target::{Link, Token};
use crate::wire::ErrorCode;

pub(super) static CHECK: Check = check!("independence/api-only-communication", run).needs(&[Need::Launch]);

async fn run(cx: &Context) -> Judgement {
    let control = |stop| cx.control_failed("both services start", stop);
    cx.step("starting the auth service, and the backend behind a recording proxy");
    let (auth, auth_alone) = launched::auth(cx).await.map_err(control)?;
    let upstream = SocketAddr::from((Ipv4Addr::LOCALHOST, auth.port));
    let proxy = Link::to(upstream).recording().open().await?;
    let address = Url::parse(&format!("http://{}", proxy.address()))
        .map_err(|error| launched::harness(std::io::Error::other(error)))?;
    let (_backend, there) = launched::backend(&auth_alone, &address).await.map_err(control)?;

    cx.step("a new token over REST");
    let login = there.login().await?;
    let answer = there.call(cx.contract().authenticated_call()).bearer(&login.access).send().await?;
    there.success(cx.contract().authenticated_call(), &answer).map_err(control)?;
    asked(cx, &proxy, &login.access)?;

    cx.step("a new token on the socket");
    let login = there.login().await?;
    there.session(&login.access).await?.close().await;
    asked(cx, &proxy, &login.access)?;

    let (for_rest, for_socket) = (there.login().await?, there.login().await?);
    proxy.close().await;
    cx.step("a new token over REST, the auth service out of reach");
    let answer = there.call(cx.contract().authenticated_call()).bearer(&for_rest.access).send().await?;
    cx.status(&answer, &[401, 503])?;
    cx.step("a new token on the socket, the auth service out of reach");
    there.refused(there.upgrade_with(&for_socket.access), &[ErrorCode::AuthUnavailable]).await?;
    cx.conforms()
}

/// A token that was let in must have been shown to the auth service first.
fn asked(cx: &Context, proxy: &Link, token: &Token) -> Result<(), Stop> {
    let seen = || format!("{token} was let in; {} requests passed, none with it", proxy.requests().len());
    let mut evidence = cx.evidence();
    evidence.facts = proxy.requests().into_iter().map(|request| format!("passed: {request}")).collect();
    let expected = "a question to the auth service about the token";
    cx.holds(proxy.heard(token.expose()), Finding::Accepted, expected, seen, || evidence)
}
