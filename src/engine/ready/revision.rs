//! The revision that is deployed: one in all samples, and the right one.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use super::health::Samples;
use super::way::name_of;
use super::{Obstacle, Patience};
use crate::model::{Blame, Evidence};
use crate::target::{Fault, Recorder, Response, Target, health_of};

const ABSENT: &str = "deploy it, or correct `--expect-revision`; a rollout may need more than `ready.within_s`";
const HALF: &str = "half rolled out: wait for the rollout to end, or look for the replica that was left behind; \
    a rollout may need more than `ready.within_s`";

/// What every service tells of its revision.
#[derive(Clone, Debug)]
pub(in super::super) struct Revisions(Vec<Told>);

/// What the samples of one source told.
#[derive(Clone, Debug)]
struct Told {
    /// An origin, or the profile's URL.
    source: String,
    /// Revision → how many samples told it, and the first of them; those that told none count as `None`.
    seen: BTreeMap<Option<String>, (usize, Evidence)>,
}

impl Told {
    fn of(source: &str, answers: &[Result<Response, Fault>], read: impl Fn(&Response) -> Option<String>) -> Self {
        let mut seen = BTreeMap::new();
        for answer in answers.iter().flatten() {
            seen.entry(read(answer)).or_insert_with(|| (0, answer.evidence())).0 += 1;
        }
        Self { source: source.to_owned(), seen }
    }

    fn samples(&self) -> usize {
        self.seen.values().map(|(count, _)| count).sum()
    }

    /// "2.0.0 in 2, 1.9.0 in 1 of 3 samples", the most frequent first.
    fn tally(&self) -> String {
        let mut seen: Vec<_> = self.seen.iter().map(|(revision, (count, _))| (revision, count)).collect();
        seen.sort_by(|left, right| right.1.cmp(left.1));
        let each = seen.iter().map(|(revision, count)| format!("{} in {count}", revision.as_deref().unwrap_or("none")));
        format!("{} of {} samples", each.collect::<Vec<_>>().join(", "), self.samples())
    }

    /// The sample that stands out: of the rarest revision that is not `expect`.
    fn odd(&self, expect: Option<&str>) -> Evidence {
        let others = self.seen.iter().filter(|(revision, _)| expect.is_none() || revision.as_deref() != expect);
        others.min_by_key(|(_, (count, _))| *count).map(|(_, (_, evidence))| evidence.clone()).unwrap_or_default()
    }

    fn only(&self) -> Option<&str> {
        match self.seen.len() {
            1 => self.seen.keys().next()?.as_deref(),
            _ => None,
        }
    }
}

impl Revisions {
    /// Reads the samples of health, or asks `ready.revision.url` as often.
    pub(super) async fn of(target: &Target, recorder: &Recorder, samples: &[Samples]) -> Result<Self, Obstacle> {
        let Some(url) = &target.profile().ready.revision.url else {
            let told = samples.iter().map(|Samples { origin, answers }| {
                Told::of(name_of(*origin), answers, |answer| target.revision(answer, Some(health_of(*origin))))
            });
            // A service that tells none has no say.
            return Ok(Self(told.filter(|told| told.seen.keys().any(Option::is_some)).collect()));
        };
        let asked = (0..target.profile().ready.samples).map(|_| target.revision_at(recorder, url));
        let answers = join_all(asked).await;
        let unusable = |seen: String, blame, evidence| {
            Obstacle::new("revision", "ready.revision.url", blame, Patience::Wait)
                .expected(format!("200 from {url} with a revision"))
                .seen(target.redactor().redact(&seen))
                .next("correct `ready.revision`, or look at who answers there")
                .with(evidence)
        };
        for answer in &answers {
            match answer {
                Err(fault) => return Err(unusable(fault.what.clone(), fault.blame(), fault.evidence.clone())),
                Ok(answer) if answer.status != 200 => {
                    return Err(unusable(format!("HTTP {}", answer.status), Blame::Environment, answer.evidence()));
                }
                Ok(answer) if target.revision(answer, None).is_none() => {
                    return Err(unusable("an answer without it".into(), Blame::Environment, answer.evidence()));
                }
                Ok(_) => {}
            }
        }
        Ok(Self(vec![Told::of("ready.revision.url", &answers, |answer| target.revision(answer, None))]))
    }

    /// Whether all samples of a source agree, and tell the revision that is expected.
    pub(super) fn right(&self, target: &Target) -> Result<(), Obstacle> {
        let expect = target.profile().ready.revision.expect.as_deref();
        let obstacle = |told: &Told, expected: String, next: &str| {
            Obstacle::new("revision", told.source.clone(), Blame::Environment, Patience::Wait)
                .expected(expected)
                .seen(told.tally())
                .next(next)
                .with(told.odd(expect))
        };
        if let Some(expect) = expect {
            let wrong = |told: &&Told| told.only() != Some(expect);
            if let Some(told) = self.0.iter().find(wrong) {
                let partly = told.seen.contains_key(&Some(expect.to_owned()));
                let next = if partly { HALF } else { ABSENT };
                return Err(obstacle(told, format!("revision {expect}"), next));
            }
            if self.0.is_empty() {
                return Err(Obstacle::new("revision", "health", Blame::Environment, Patience::Never)
                    .expected(format!("revision {expect}"))
                    .seen("no service tells one")
                    .next("say where it is told: `ready.revision.url`, `.pointer` or `.header`"));
            }
        }
        match self.0.iter().find(|told| told.seen.len() > 1) {
            None => Ok(()),
            Some(told) => Err(obstacle(told, format!("one revision in {} samples", told.samples()), HALF)),
        }
    }

    /// The one revision, or each service's; none where none is told.
    pub(in super::super) fn text(&self) -> Option<String> {
        let first = self.0.first()?;
        if let Some(only) = first.only()
            && self.0.iter().all(|told| told.only() == Some(only))
        {
            return Some(only.to_owned());
        }
        let each = self.0.iter().map(|told| match told.only() {
            Some(revision) => format!("{} {revision}", told.source),
            None => format!("{} {}", told.source, told.tally()),
        });
        Some(each.collect::<Vec<_>>().join(", "))
    }

    /// Whether `later` tells another one anywhere.
    pub(super) fn differs(&self, later: &Self) -> bool {
        let told = |all: &Self| -> Vec<(String, Vec<Option<String>>)> {
            all.0.iter().map(|told| (told.source.clone(), told.seen.keys().cloned().collect())).collect()
        };
        told(self) != told(later)
    }
}
