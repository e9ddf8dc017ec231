//! `netra-check observe`: one prompt over one socket, told frame by frame, with what the contract makes of each. It
//! judges nothing: it shows a person what an environment says, to write a contract from.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::args::{Color, ObserveArgs, SelectionArgs};
use super::interrupt;
use super::run::{prepare, run_id};
use super::usage;
use crate::check::{Body, Check, Context, PLAIN_PROMPT, ends_run, is_of_a_run, recorded};
use crate::engine::{RunOptions, run};
use crate::model::{
    Blame, Direction, Effect, Entry, ExitCode, Finding, Inconclusive, Judgement, Record, RunResult, Verdict,
};
use crate::report::text::{Depth, entry_lines};
use crate::target::{Next, Socket, Target, Upgraded};
use crate::wire::{Contract, Kind, Message};

/// Nobody selects it; the engine gives it a user, bounds it and clears up after it, as for any check.
static OBSERVED: Check = Check::new(
    "lifecycle/one-prompt-observed",
    "# One prompt is observed\n\n> Nothing is required.\n",
    file!(),
    Body::Probe(|cx| Box::pin(act(cx))),
)
.effects(&[Effect::Create]);

/// After so much silence a socket has said what it says by itself.
const QUIET: Duration = Duration::from_secs(1);
/// Column at which a frame's words begin in the lines above.
const INDENT: &str = "                  ";

pub(super) fn observe(args: ObserveArgs, color: Color) -> anyhow::Result<ExitCode> {
    let everything = SelectionArgs { ids: Vec::new(), suite: None, priority: None, skip: Vec::new() };
    let prepared = match prepare(&args.profile, &everything, rand::random(), color)? {
        Ok(prepared) => prepared,
        Err(code) => return Ok(code),
    };
    let mut profile = prepared.loaded.profile;
    profile.prompts = vec![args.prompt.unwrap_or_else(|| PLAIN_PROMPT.to_owned())];
    let target = match Target::new(Arc::new(profile), Arc::clone(&prepared.contract), run_id(), 0) {
        Ok(target) => target,
        Err(error) => return usage(&error),
    };
    let heard = Arc::new(Mutex::new(Heard::default()));
    target.observe({
        let (heard, contract) = (Arc::clone(&heard), Arc::clone(&prepared.contract));
        move |entry| {
            if entry.check == OBSERVED.id {
                let lines = heard.lock().unwrap_or_else(PoisonError::into_inner).lines(entry, &contract);
                // Who has closed standard output reads no more; the socket is closed in good order all the same.
                let _ = writeln!(anstream::stdout(), "{}", lines.join("\n"));
            }
        }
    });
    let runtime = tokio::runtime::Runtime::new()?;
    let result = runtime.block_on(async {
        let options = RunOptions::alone(target, vec![&OBSERVED]);
        let _guard = interrupt::cancel_on_signal(options.interrupt.clone())?;
        anyhow::Ok(run(&options, &mut []).await)
    })?;
    if let Some(local) = prepared.local {
        local.stop();
    }
    let heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    tell(&heard, &result, &prepared.contract, &mut anstream::stdout().lock())?;
    Ok(match result.outcomes.first().map(|outcome| &outcome.verdict) {
        _ if result.interrupted => ExitCode::Interrupted,
        Some(Verdict::Conforms(_)) => ExitCode::Conforms,
        Some(Verdict::NotVerified(_)) | None => ExitCode::NothingVerified,
        Some(Verdict::Inconclusive(_) | Verdict::Deviates(_)) => ExitCode::Inconclusive,
    })
}

/// Opens a socket, says one thing, and listens until the run is over or nothing comes any more.
async fn act(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let mut socket = match cx.upgrade_with(&login.access).open().await? {
        Upgraded::Switched(socket, _) => socket,
        Upgraded::Refused(answer) => {
            let what = format!("the socket was refused with HTTP {}", answer.status);
            return Err(Inconclusive::new(Blame::Target, what).with(answer.evidence()).into());
        }
    };
    if listen(&mut socket, QUIET, |_| false).await {
        // Without its part of the handshake the environment is shown all the same.
        recorded(cx.shake_hands(&mut socket).await)?;
        let content = cx.profile().prompts.first().map_or(PLAIN_PROMPT, String::as_str);
        let message = Message::new(Kind::UserMessage).with("content", content);
        socket.send(&message.id(cx.target().unique("observed"))).await;
        let thresholds = &cx.profile().thresholds;
        if listen(&mut socket, thresholds.run.min(cx.profile().limits.check), ends_run).await {
            listen(&mut socket, QUIET, |_| false).await;
        }
        socket.close(1000, "").await;
        socket.ended(QUIET).await;
    }
    cx.holds(!socket.seen().is_empty(), Finding::NoAnswer, "a message", || "none".into(), || socket.evidence())?;
    cx.conforms()
}

/// Listens until a message `is_last`, or for `within` after the last one; `false` when the connection has ended.
async fn listen(socket: &mut Socket, within: Duration, is_last: impl Fn(&Kind) -> bool) -> bool {
    let mut until = Instant::now() + within;
    loop {
        match socket.next(until.saturating_duration_since(Instant::now())).await {
            Next::Message(received) if received.kind().is_some_and(&is_last) => return true,
            Next::Message(_) => until = Instant::now() + within,
            Next::Pong(_) => {}
            Next::Silence => return true,
            Next::Ended(_) => return false,
        }
    }
}

/// What has come, by logical message, and how many of each do not fit.
#[derive(Default)]
struct Heard {
    kinds: BTreeMap<String, (usize, usize)>,
}

impl Heard {
    /// The lines of an entry; below a message what the contract makes of it.
    fn lines(&mut self, entry: &Entry, contract: &Contract) -> Vec<String> {
        let mut lines = entry_lines(entry, Duration::ZERO, Depth::BRIEF);
        let (Record::Frame { head, payload, .. }, Direction::Received) = (&entry.record, entry.direction) else {
            return lines;
        };
        // A text in one frame: of fragments only the whole could be read.
        if head.opcode != 1 || !head.fin {
            return lines;
        }
        let (name, said, misfits) = read(contract, payload);
        let counted = self.kinds.entry(name.clone()).or_default();
        counted.0 += 1;
        counted.1 += usize::from(!misfits.is_empty());
        lines.push(format!("{INDENT}  = {}", [vec![name], said].concat().join("  ")));
        lines.extend(misfits.into_iter().map(|misfit| format!("{INDENT}  ! {misfit}")));
        lines
    }
}

/// The logical name of a text, what it names, and what does not fit.
fn read(contract: &Contract, text: &str) -> (String, Vec<String>, Vec<String>) {
    let message = match contract.read_server(text) {
        Ok(message) => message,
        Err(fault) => return ("no message of the contract".into(), Vec::new(), vec![fault.to_string()]),
    };
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    let mut misfits: Vec<String> = contract.envelope_faults(&value).iter().map(ToString::to_string).collect();
    if !contract.declares_kind(&message.kind) {
        misfits.push(format!("the contract {} knows no such message", contract.name()));
    }
    if let Some(code) = message.error_code().filter(|code| !contract.declares_code(&message.kind, code)) {
        misfits.push(format!("the contract {} knows no code `{code}`", contract.name()));
    }
    let faults = contract.payload_faults(&message.kind, &value);
    misfits.extend(faults.into_iter().map(|fault| match fault.path.as_str() {
        "" => fault.message,
        path => format!("{path}: {}", fault.message),
    }));
    let names = ["error_code", "agent_name", "tool_name"];
    let said = names.into_iter().filter_map(|name| Some(format!("{name} {}", message.text(name)?)));
    (message.kind.to_string(), said.collect(), misfits)
}

fn tell(heard: &Heard, result: &RunResult, contract: &Contract, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out)?;
    let mut table = super::table(["message", "times", "do not fit"]);
    for (kind, (times, misfits)) in &heard.kinds {
        table.add_row([
            kind.as_str(),
            &times.to_string(),
            &if *misfits == 0 { String::new() } else { misfits.to_string() },
        ]);
    }
    if !heard.kinds.is_empty() {
        writeln!(out, "{table}")?;
    }
    let is_missing = |kind: &Kind| is_of_a_run(kind) && !heard.kinds.contains_key(kind.slug());
    let missing: Vec<_> = contract.server_kinds().filter(is_missing).map(|kind| kind.to_string()).collect();
    if !missing.is_empty() {
        writeln!(out, "events of a run that {} knows and that did not come: {}", contract.name(), missing.join(", "))?;
    }
    let misfits: usize = heard.kinds.values().map(|(_, misfits)| misfits).sum();
    let times: usize = heard.kinds.values().map(|(times, _)| times).sum();
    writeln!(
        out,
        "{times} messages read by the contract {}, {misfits} do not fit; nothing was judged",
        contract.name()
    )?;
    for outcome in &result.outcomes {
        match &outcome.verdict {
            Verdict::Inconclusive(why) => writeln!(out, "ended early, blame {}: {}", why.blame, why.what)?,
            Verdict::NotVerified(why) => writeln!(out, "not observed: {why}")?,
            Verdict::Deviates(deviation) => writeln!(out, "ended early: {} seen", deviation.seen)?,
            Verdict::Conforms(_) => {}
        }
    }
    result.remarks.iter().try_for_each(|remark| writeln!(out, "{remark}"))
}
