//! What a prompt makes the mock model do: the directives, and the plan of a run.

use std::time::Duration;

use crate::reference::policy::Permitted;

/// The agents that there are; the first one takes what names no agent.
pub(super) const AGENTS: [&str; 6] = ["supervisor", "triage", "research", "analysis", "optimization", "reporting"];

/// Most tools and deltas that a prompt may ask for.
const MOST: usize = 5_000;

/// Between two events where nothing else is asked for.
const PACE: Duration = Duration::from_millis(1);

/// Before a run that fails by timeout reports it.
const MODEL_TIMEOUT: Duration = Duration::from_millis(300);

const WORDS: [&str; 16] = [
    "usage ", "grew ", "by ", "12 % ", "while ", "cost ", "per ", "call ", "fell; ", "naïve ", "caching ", "saves ",
    "½ ", "of ", "it ✓ ", "日本 ",
];

const TOOLS: [&str; 4] = ["cost_lookup", "usage_query", "latency_probe", "plan_search"];

/// How a run fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) error_type: &'static str,
    pub(super) error_code: &'static str,
    pub(super) message: &'static str,
    pub(super) recoverable: bool,
    /// Whether the breaker counts it.
    pub(super) counts: bool,
}

const FAILURES: [Failure; 5] = [
    failure("llm_failure", "AGENT_FAILED", "The model gave no usable answer. Please send your message again.", true),
    failure("timeout", "AGENT_TIMEOUT", "The model did not answer in time. Please try again in a moment.", true),
    failure("network", "AGENT_FAILED", "The model could not be reached. Please try again in a moment.", true),
    failure("resource_exhausted", "AGENT_FAILED", "The model is at capacity. Please try again later.", true),
    failure("invalid_input", "AGENT_FAILED", "The agent cannot work with this text. Please rephrase it.", false),
];

const fn failure(
    error_type: &'static str,
    error_code: &'static str,
    message: &'static str,
    recoverable: bool,
) -> Failure {
    // What the user wrote says nothing about the agent's health (contract, 7.4).
    Failure { error_type, error_code, message, recoverable, counts: recoverable }
}

/// What the directives of a prompt ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Directives {
    fail: Option<Failure>,
    tools: usize,
    /// So many deltas, and the time before each.
    stream: Option<(usize, Duration)>,
    agents: usize,
    interleaved: bool,
    steady: bool,
    pub(super) degrade: bool,
}

impl Directives {
    /// Reads `[[name]]` and `[[name:value]]`; what is no directive is text like any other.
    pub(super) fn read(prompt: &str) -> Self {
        let mut directives = Self::default();
        for part in prompt.split("[[").skip(1) {
            let Some((directive, _)) = part.split_once("]]") else { continue };
            let (name, value) = directive.split_once(':').unwrap_or((directive, ""));
            let count = || value.parse::<usize>().map(|count| count.min(MOST)).ok();
            match name {
                "fail" => directives.fail = FAILURES.into_iter().find(|failure| failure.error_type == value),
                "tools" => directives.tools = count().unwrap_or(0),
                "stream" => directives.stream = stream(value),
                "agents" => directives.agents = count().unwrap_or(0),
                "parallel" => {
                    directives.agents = count().unwrap_or(0);
                    directives.interleaved = true;
                }
                "degrade" => directives.degrade = true,
                "steady" => directives.steady = true,
                _ => {}
            }
        }
        directives
    }
}

fn stream(value: &str) -> Option<(usize, Duration)> {
    let (count, gap) = value.split_once('@')?;
    let gap = gap.strip_suffix("ms")?.parse::<u64>().ok()?;
    Some((count.parse::<usize>().ok()?.clamp(1, MOST), Duration::from_millis(gap.min(10_000))))
}

/// Something an agent does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Start,
    Think {
        step: usize,
        of: usize,
    },
    /// A tool that has been at work for `since` when it is announced.
    ToolBegin {
        tool: &'static str,
        since: Duration,
    },
    ToolEnd(&'static str),
    Say {
        delta: String,
        last: bool,
    },
    Complete,
    Fail(Failure),
}

/// One act of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) agent: &'static str,
    /// Time before it.
    pub(super) after: Duration,
    pub(super) act: Act,
}

/// All acts of a run that `agent` leads, in their order.
pub(super) fn plan(directives: Directives, agent: &'static str, seed: u64, permitted: Permitted) -> Vec<Step> {
    let others = AGENTS.into_iter().filter(|other| *other != agent);
    let agents: Vec<_> = std::iter::once(agent).chain(others).take(directives.agents.max(1)).collect();
    let last = agents.len() - 1;
    let mut segments: Vec<_> = agents
        .iter()
        .enumerate()
        .map(|(index, agent)| {
            let silent = index > 0 && permitted.silent_sub_agents.on();
            let fail = directives.fail.filter(|_| index == last);
            segment(agent, Directives { fail, ..directives }, index == 0, silent, seed.wrapping_add(index as u64))
        })
        .collect();
    if permitted.slow_but_in_window.on() {
        // 60 % of the windows of 7.2 for the first event and the first medium one.
        for (step, window) in segments[0].iter_mut().zip([100, 1_000]) {
            step.after = Duration::from_millis(window * 6 / 10);
        }
    }
    if directives.interleaved || permitted.interleaved_segments.on() { interleave(segments) } else { segments.concat() }
}

fn segment(agent: &'static str, directives: Directives, leads: bool, silent: bool, seed: u64) -> Vec<Step> {
    let step = |after, act| Step { agent, after, act };
    let mut steps = vec![step(Duration::ZERO, Act::Start), step(PACE, Act::Think { step: 1, of: 2 })];
    for tool in TOOLS.into_iter().cycle().take(if leads { directives.tools } else { 0 }) {
        steps.push(step(PACE, Act::ToolBegin { tool, since: Duration::ZERO }));
        steps.push(step(2 * PACE, Act::ToolEnd(tool)));
    }
    if directives.tools == 0 {
        steps.push(step(PACE, Act::Think { step: 2, of: 2 }));
    }
    let (count, gap) = match directives.stream {
        Some(stream) if leads => stream,
        _ => (4, PACE),
    };
    for index in 0..if silent { 0 } else { count } {
        let last = directives.fail.is_none() && index + 1 == count;
        steps.push(step(gap, Act::Say { delta: delta(directives.steady, seed, index), last }));
        // A failing run has shown something before it fails.
        if directives.fail.is_some() && index == count / 2 {
            break;
        }
    }
    match directives.fail {
        None => steps.push(step(PACE, Act::Complete)),
        Some(failure) if failure.error_code == "AGENT_TIMEOUT" => steps.push(step(MODEL_TIMEOUT, Act::Fail(failure))),
        Some(failure) => steps.push(step(PACE, Act::Fail(failure))),
    }
    steps
}

fn delta(steady: bool, seed: u64, index: usize) -> String {
    let offset = if steady { 0 } else { usize::try_from(seed % 16).unwrap_or(0) };
    WORDS[(offset + index) % WORDS.len()].to_owned()
}

fn interleave(segments: Vec<Vec<Step>>) -> Vec<Step> {
    let mut segments: Vec<_> = segments.into_iter().map(Vec::into_iter).collect();
    let mut steps = Vec::new();
    loop {
        let before = steps.len();
        steps.extend(segments.iter_mut().filter_map(Iterator::next));
        if steps.len() == before {
            return steps;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acts(prompt: &str) -> Vec<Step> {
        plan(Directives::read(prompt), AGENTS[0], 7, Permitted::default())
    }

    #[test]
    fn a_plain_prompt_thinks_speaks_and_completes() {
        let steps = acts("hello [[not a directive]] [[fail:unknown]]");
        assert_eq!(steps.first().map(|step| &step.act), Some(&Act::Start));
        assert_eq!(steps.last().map(|step| &step.act), Some(&Act::Complete));
        let says = steps.iter().filter_map(|step| match &step.act {
            Act::Say { last, .. } => Some(*last),
            _ => None,
        });
        let says: Vec<_> = says.collect();
        assert_eq!(says, [false, false, false, true]);
        assert!(steps.iter().map(|step| step.after).sum::<Duration>() < Duration::from_millis(12));
    }

    #[test]
    fn directives_combine() {
        let steps = acts("[[tools:2]] and [[stream:50@20ms]]");
        assert_eq!(steps.iter().filter(|step| matches!(step.act, Act::ToolEnd(_))).count(), 2);
        assert_eq!(steps.iter().filter(|step| step.after == Duration::from_millis(20)).count(), 50);
    }

    #[test]
    fn agents_come_once_in_turn_or_interleaved() {
        for (prompt, switches) in [("[[agents:3]]", 2), ("[[parallel:3]]", 10)] {
            let steps = acts(prompt);
            let starts: Vec<_> = steps.iter().filter(|step| step.act == Act::Start).map(|step| step.agent).collect();
            assert_eq!(starts, AGENTS[..3]);
            let seen = steps.windows(2).filter(|pair| pair[0].agent != pair[1].agent).count();
            assert!(seen >= switches, "{prompt}: {seen}");
            assert!(prompt.contains("parallel") || seen == switches);
        }
    }

    #[test]
    fn a_failing_run_says_something_first_and_never_its_last_word() {
        for failure in FAILURES {
            let steps = acts(&format!("[[fail:{}]]", failure.error_type));
            assert!(steps.iter().any(|step| matches!(step.act, Act::Say { last: false, .. })));
            assert!(!steps.iter().any(|step| matches!(step.act, Act::Say { last: true, .. } | Act::Complete)));
            assert_eq!(steps.last().map(|step| &step.act), Some(&Act::Fail(failure)));
        }
    }
}
