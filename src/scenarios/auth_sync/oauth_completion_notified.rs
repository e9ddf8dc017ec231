use super::oauth::{Browser, Form};
use crate::check;
use crate::check::{Check, Context, Session};
use crate::model::{Effect, Evidence, Finding, Judgement, Need, Stop};
use crate::target::{Login, Socket};
use crate::wire::{Kind, Message};

pub(super) static CHECK: Check = check!("auth-sync/oauth-completion-notified", run)
    .needs(&[Need::OAuthAuto, Need::TwoUsers])
    .effects(&[Effect::Create]);

async fn run(cx: &Context) -> Judgement {
    let providers = &cx.profile().users.oauth_providers;
    let provider = providers.first().map(String::as_str).unwrap_or_default();
    cx.step("a first flow: whose sockets will hear of the second");
    let user = sign_in(cx, provider).await?;
    let mut own = [cx.session(&user.access).await?, cx.session(&user.access).await?];
    let mut stranger = cx.session(&cx.second_login().await?.access).await?;
    let mut other = other(cx, &user).await?;

    cx.step(format!("a flow with {provider} while sockets are open"));
    sign_in(cx, provider).await?;
    for (number, session) in own.iter_mut().enumerate() {
        cx.step(format!("oauth_completed on the user's socket {}", number + 1));
        let told = completed(cx, &mut session.socket, &user.user_id).await?;
        cx.same("provider", &Some(provider), &told.text("provider"), || session.socket.evidence())?;
        cx.same("email", &user.email.as_deref(), &told.text("email"), || session.socket.evidence())?;
    }

    // The marker takes the way of the forbidden thing: a flow of that user's own, completed later.
    if let Some((provider, login, session)) = &mut other {
        cx.step(format!("marker: a flow of the other user, with {provider}"));
        sign_in(cx, provider).await?;
        completed(cx, &mut session.socket, &login.user_id).await?;
        cx.step("the other user's socket");
        nothing_foreign(cx, &session.socket, &login.user_id)?;
    }
    cx.step("the socket of a user without a flow");
    cx.alive(&mut stranger.socket).await?;
    nothing_foreign(cx, &stranger.socket, "")?;

    for session in own.into_iter().chain([stranger]).chain(other.map(|(.., session)| session)) {
        session.close().await;
    }
    cx.conforms()
}

/// A whole flow, as the means to an end.
async fn sign_in(cx: &Context, provider: &str) -> Result<Login, Stop> {
    let login = Browser::new(cx).sign_in(provider, Form::Page).await;
    login.map_err(|stop| cx.control_failed("a whole flow completes", stop))
}

/// Another user of OAuth with a socket, where the providers give one.
async fn other<'a>(cx: &'a Context, user: &Login) -> Result<Option<(&'a str, Login, Session)>, Stop> {
    for provider in cx.profile().users.oauth_providers.iter().skip(1) {
        let login = sign_in(cx, provider).await?;
        if login.user_id != user.user_id {
            let session = cx.session(&login.access).await?;
            return Ok(Some((provider, login, session)));
        }
    }
    Ok(None)
}

/// The next `oauth_completed` of this user on a socket of theirs.
async fn completed(cx: &Context, socket: &mut Socket, user_id: &str) -> Result<Message, Stop> {
    let is_it = |message: &Message| message.kind == Kind::OauthCompleted && message.user_id() == Some(user_id);
    cx.message_where(socket, "oauth_completed", is_it).await.map_err(|stop| match stop {
        Stop::Deviates(mut deviation) if deviation.finding == Finding::NoAnswer => {
            deviation.finding = Finding::MissingEvent;
            Stop::Deviates(deviation)
        }
        other => other,
    })
}

fn nothing_foreign(cx: &Context, socket: &Socket, user_id: &str) -> Result<(), Stop> {
    let events = socket.seen().iter().filter_map(|received| received.message.as_ref().ok());
    let foreign = events
        .filter(|message| message.kind == Kind::OauthCompleted)
        .find(|message| message.user_id() != Some(user_id));
    let seen = || format!("that of {}", foreign.and_then(Message::user_id).unwrap_or("nobody"));
    let evidence = || -> Evidence { socket.evidence() };
    cx.holds(foreign.is_none(), Finding::ForeignData, "no oauth_completed of another user", seen, evidence)
}
