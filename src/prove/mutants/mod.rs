//! Mutants that nobody picked by hand: every filter over every message and field of the contract,
//! each against the checks that it may concern, the quickest first, until one deviates.

mod generate;

use std::time::Duration;

use serde::Serialize;
use tokio::sync::Semaphore;

use super::clean::{Baseline, Clean, actor, is_run_wide, launches, measures_time};
use super::stage::{Stage, Staging};
use super::survivors::Explanations;
use super::{Mutants, NETRA_V1, ProveOptions, QUIETLY, each, reason};
use crate::check::Check;
use crate::model::Verdict;
use crate::reference::{Filter, Noted, Notes, Subject};
use crate::scenarios;
use crate::wire::Contract;

/// How many act in the first round, where no judge of whole runs is the likeliest to see it.
const FIRST: usize = 4;

/// What became of a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// A check that conforms on the clean reference deviates.
    Caught,
    /// It was applied, and every check that it may concern conforms.
    Survived,
    /// It was applied; no check deviates, but some could not be judged.
    Inconclusive,
    /// Nothing that the checks led to was touched by it.
    NeverApplied,
}

impl Ending {
    /// Its word for people.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Caught => "caught",
            Self::Survived => "survived",
            Self::Inconclusive => "inconclusive",
            Self::NeverApplied => "never applied",
        }
    }
}

/// A mutant against the checks that it may concern.
#[derive(Clone, Debug, Serialize)]
pub struct Mutant {
    /// The filter, as `serve --filter` takes it.
    pub id: String,
    /// What became of it.
    pub outcome: Ending,
    /// The first check that deviated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caught_by: Option<&'static str>,
    /// What it said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finding: Option<&'static str>,
    /// How often something was changed where somebody could see it.
    pub applied: usize,
    /// How many checks were run against it.
    pub checks: usize,
    /// Those that could not be judged, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
    /// Why it need not be caught.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<String>,
}

/// Tries the mutants, and compares what is left with the file of survivors; which of its
/// explanations nothing fits.
pub(super) async fn prove(
    options: &ProveOptions,
    clean: &Clean,
    tell: &(dyn Fn(&str) + Sync),
) -> (Vec<Mutant>, Vec<String>) {
    // Without a clean run there is nothing to compare with; its checks say so.
    let (Some(baseline), Ok(contract)) = (clean.under(None), Contract::load(&options.contract)) else {
        return Default::default();
    };
    let filters = match &options.mutants {
        Mutants::None => Vec::new(),
        Mutants::Generated => generate::generate(&contract, &baseline.everything().followed, LATE),
        Mutants::These(filters) => filters.clone(),
    };
    let try_one = |filter: Filter| async move {
        let mutant = try_out(filter, options, baseline).await;
        tell(&format!("{:13} {}", mutant.outcome.word(), mutant.id));
        mutant
    };
    let mut mutants = each(filters.iter().cloned(), &Semaphore::new(options.jobs), try_one).await;
    // What could not be judged where many share the machine, or survived for no known reason, is tried again where few do.
    let mut known = Explanations::read();
    let unjudged = mutants.iter_mut().zip(&filters).filter(|(mutant, _)| match mutant.outcome {
        Ending::Inconclusive => true,
        Ending::Survived => known.of(&mutant.id, Ending::Survived).is_none(),
        Ending::Caught | Ending::NeverApplied => false,
    });
    each(unjudged, &Semaphore::new(QUIETLY), |(mutant, filter)| async move { *mutant = try_one(filter.clone()).await })
        .await;
    let mut explanations = Explanations::read();
    for mutant in mutants.iter_mut().filter(|mutant| mutant.outcome != Ending::Caught) {
        mutant.explanation = explanations.of(&mutant.id, mutant.outcome).map(str::to_owned);
    }
    // The file is about all mutants and all checks.
    let is_whole = options.contract == NETRA_V1
        && options.mutants == Mutants::Generated
        && options.checks.len() == scenarios::registry().len();
    (mutants, if is_whole { explanations.unused() } else { Vec::new() })
}

/// Longer than any direct answer may take.
const LATE: Duration = Duration::from_millis(2500);

/// Whether something was done that the filter would have changed.
fn touches(filter: &Filter, noted: &Noted) -> bool {
    match (filter, filter.subject()) {
        (Filter::Swap(first, second), _) => noted.followed.contains(&(first.clone(), second.clone())),
        (_, Subject::Message(kind)) => noted.sent.contains(&kind),
        (_, Subject::Body(endpoint)) => noted.answered.contains(&endpoint),
    }
}

/// The checks that a filter may concern, the likeliest and quickest to see it first.
fn rounds(filter: &Filter, baseline: &Baseline) -> Vec<Vec<&'static Check>> {
    // What measures time means little while many references share a machine, but for what is really late.
    let is_late = matches!(filter, Filter::Delay(..));
    let candidates = || baseline.conforming().filter(|(check, _)| is_late || !measures_time(check));
    if !candidates().any(|(check, _)| baseline.concerns(check, |noted| touches(filter, noted))) {
        return Vec::new();
    }
    let mut checks: Vec<_> =
        candidates().filter(|(check, _)| baseline.may_concern(check, |noted| touches(filter, noted))).collect();
    checks.sort_by_key(|(check, cost)| (baseline.is_slow(check), *cost));
    let checks = checks.into_iter().map(|(check, _)| check);
    let (slow, quick): (Vec<&'static Check>, Vec<&'static Check>) = checks.partition(|check| baseline.is_slow(check));
    let is_about_form = filter.is_about_a_field() && matches!(filter.subject(), Subject::Message(_));
    let mut rounds = if is_about_form || matches!(filter, Filter::Misroute(_)) {
        // They hear what the others are told, too: they are there in every round.
        let (judges, others): (Vec<&'static Check>, Vec<&'static Check>) =
            quick.into_iter().partition(|check| is_run_wide(check));
        let with_judges = |checks: Vec<&'static Check>| match checks.is_empty() {
            true => checks,
            false => judges.iter().copied().chain(checks).collect(),
        };
        vec![judges.clone(), with_judges(others), with_judges(slow)]
    } else {
        let mut actors = Vec::new();
        for check in &quick {
            if !actors.contains(&actor(check)) {
                actors.push(actor(check));
            }
        }
        actors.truncate(FIRST);
        let (first, others) = quick.into_iter().partition(|check| actors.contains(&actor(check)));
        vec![first, others, slow]
    };
    rounds.retain(|round| !round.is_empty());
    rounds
}

async fn try_out(filter: Filter, options: &ProveOptions, baseline: &Baseline) -> Mutant {
    let mut mutant = Mutant {
        id: filter.to_string(),
        outcome: Ending::NeverApplied,
        caught_by: None,
        finding: None,
        applied: 0,
        checks: 0,
        remarks: Vec::new(),
        explanation: None,
    };
    let rounds = rounds(&filter, baseline);
    if rounds.is_empty() {
        return mutant;
    }
    let notes = Notes::default();
    // Whether it was caught where no notes are taken.
    let mut is_unnoted = false;
    for round in rounds {
        // Each on a reference of its own: what a run has done to users and limits would mislead the next one.
        let staging = Staging { filter: Some(filter.clone()), notes: Some(notes.clone()), ..options.staging() };
        let outcomes = match Stage::start(staging).await {
            Ok(stage) => stage.run(&round, true).await,
            Err(error) => {
                mutant.outcome = Ending::Inconclusive;
                mutant.remarks.push(error.to_string());
                return mutant;
            }
        };
        mutant.checks += outcomes.len();
        for outcome in &outcomes {
            match &outcome.verdict {
                Verdict::Conforms(_) => {}
                Verdict::Deviates(deviation) => {
                    is_unnoted |= round.iter().any(|check| check.id == outcome.id && launches(check));
                    mutant.caught_by = mutant.caught_by.or(Some(outcome.id.as_str()));
                    mutant.finding = mutant.finding.or(Some(deviation.finding.slug()));
                }
                Verdict::NotVerified(_) | Verdict::Inconclusive(_) => {
                    let why = reason(outcome).unwrap_or_default();
                    mutant.remarks.push(format!("{} {}: {why}", outcome.id, outcome.verdict.slug().replace('_', " ")));
                }
            }
        }
        if mutant.caught_by.is_some() {
            break;
        }
    }
    mutant.applied = notes.checks().iter().map(|who| notes.of(who.as_deref()).filtered).sum();
    if let Some(accuser) = mutant.caught_by.filter(|_| mutant.applied == 0 && !is_unnoted) {
        mutant.remarks.push(format!("{accuser} deviates, though nothing was changed"));
        mutant.caught_by = None;
        mutant.outcome = Ending::Inconclusive;
        return mutant;
    }
    mutant.outcome = match (mutant.caught_by, mutant.applied) {
        (Some(_), _) => Ending::Caught,
        (None, 0) => Ending::NeverApplied,
        (None, _) if !mutant.remarks.is_empty() => Ending::Inconclusive,
        (None, _) => Ending::Survived,
    };
    mutant
}
