use std::time::Duration;

use serde_json::json;

use crate::check;
use crate::check::{Admission, Check, Context, RefusalForm, ends_run};
use crate::model::{Effect, Evidence, Finding, Judgement, NotVerified, Stop};
use crate::target::{Socket, Token, Upgrade, Upgraded};
use crate::wire::{Endpoint, ErrorCode, Kind, Message};

pub(super) static CHECK: Check = check!("streaming/stream-needs-auth", run).effects(&[Effect::Create]).smoke();

/// Round trips, with the turns before them, that refusing the peers takes at most.
const TRIPS: u32 = 12;
/// What the target's own work on them, and ours, may take; on a busy machine more, so that a second stream lasts longer.
const WORK: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(3)];

/// What no refused peer may be told: what was written on the thread, and the names of thread and run.
struct Secret {
    words: Vec<String>,
    thread: String,
}

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    let socket = &mut session.socket;
    let thread = cx.thread(socket, "private stream").await?;
    cx.step("a message on the thread");
    let canary = cx.target().unique("canary");
    let call = cx.call(Endpoint::PostMessage).path_param("id", &thread).json(&json!({"content": canary}));
    let posted = call.bearer(&login.access).send().await?;
    cx.success(Endpoint::PostMessage, &posted).map_err(|stop| cx.control_failed("a message is posted", stop))?;
    let tampered = cx.tampered_token(&login.access).ok();
    let mut told = false;
    for work in WORK {
        if !told {
            let secret = Secret { words: vec![canary.clone()], thread: thread.clone() };
            told = refused_meanwhile(cx, socket, secret, tampered.as_ref(), work).await?;
        }
    }
    session.close().await;
    if !told {
        let what = "the stream was over before the peers were refused: set `triggers.long_stream.min_duration_s`";
        return Err(NotVerified::NotProvoked(what.into()).into());
    }
    cx.conforms()
}

/// Peers are refused while the user's stream runs; `false` when it was over before they were.
async fn refused_meanwhile(
    cx: &Context,
    socket: &mut Socket,
    mut secret: Secret,
    tampered: Option<&Token>,
    work: Duration,
) -> Result<bool, Stop> {
    cx.step("the user's stream");
    let trip = socket.rtt().await.unwrap_or_default();
    let turn = Duration::from_secs(1).checked_div(cx.profile().pace.requests_per_s).unwrap_or_default();
    let content = cx.prompt_lasting(work + (trip + turn) * TRIPS);
    let request = Message::new(Kind::UserMessage).with("content", content);
    let run = cx.starts(socket, request.with("thread_id", secret.thread.as_str())).await?;
    cx.streams(socket, &run).await?;
    secret.words.push(run.clone());
    cx.step("a peer without a token asks for the same thread");
    told_nothing(cx, cx.upgrade(), &secret, &[ErrorCode::AuthMissing]).await?;
    if let Some(tampered) = tampered {
        cx.step("a peer with a tampered token asks for the same thread");
        told_nothing(cx, cx.upgrade_with(tampered), &secret, &[ErrorCode::TokenInvalid]).await?;
    }
    cx.alive(socket).await?;
    let over = ended(socket, &run);

    cx.step("the thread over REST without a token");
    let answer = cx.call(Endpoint::ListMessages).path_param("id", &secret.thread).send().await?;
    cx.status(&answer, &[401])?;
    quiet(cx, &secret, &answer.text, || answer.evidence())?;
    cx.step("control: the user's stream completes");
    cx.run_completes(socket, &run).await.map_err(|stop| cx.control_failed("the stream completes", stop))?;
    Ok(!over)
}

fn ended(socket: &Socket, run: &str) -> bool {
    let is_end = |message: &Message| message.run_id() == Some(run) && ends_run(&message.kind);
    socket.seen().iter().any(|received| received.message.as_ref().is_ok_and(is_end))
}

/// A peer that must be refused, and told nothing but why, whatever it asks for.
async fn told_nothing(cx: &Context, upgrade: Upgrade<'_>, secret: &Secret, codes: &[ErrorCode]) -> Result<(), Stop> {
    let upgraded = upgrade.open().await?;
    if let Upgraded::Switched(socket, _) = &upgraded {
        for kind in [Kind::SwitchThread, Kind::GetThreadHistory] {
            socket.send(&Message::new(kind).with("thread_id", secret.thread.as_str())).await;
        }
    }
    let (finding, seen, evidence) = match cx.admission(upgraded).await? {
        Admission::Refused(refusal) => {
            let texts = match &refusal.form {
                RefusalForm::Http(response) => vec![response.text.clone()],
                RefusalForm::Closed { others, reason, .. } => others.iter().chain([reason]).cloned().collect(),
            };
            for text in &texts {
                quiet(cx, secret, text, || refusal.evidence.clone())?;
            }
            return cx.is_refusal(&refusal, codes);
        }
        Admission::OtherFirst(socket, text) => {
            quiet(cx, secret, &text, || socket.evidence())?;
            (Finding::AnsweredBeforeAuth, format!("101, and the first frame was {text}"), socket.evidence())
        }
        Admission::Admitted(session) => (Finding::Accepted, "let in".into(), session.socket.evidence()),
        Admission::Silent(socket) => {
            (Finding::NoAnswer, "101, then neither error nor close".into(), socket.evidence())
        }
    };
    Err(cx.deviation(finding, ["a refusal and no other frame"], seen, evidence).within("thresholds.welcome_s"))
}

/// A text that holds nothing of the thread.
fn quiet(cx: &Context, secret: &Secret, text: &str, evidence: impl FnOnce() -> Evidence) -> Result<(), Stop> {
    let leaked = secret.words.iter().chain([&secret.thread]).find(|word| text.contains(word.as_str()));
    let seen = || format!("{text:?}");
    cx.holds(leaked.is_none(), Finding::ForeignData, "nothing of the thread for a refused peer", seen, evidence)
}
