//! What a check may say, and nothing else.
//!
//! `?` carries each of the three ways to stop to the top; [`Conforms`] cannot be made without at
//! least one [`Observation`], so a check that saw nothing cannot say that it conforms.

use std::fmt;
use std::time::Duration;

use super::{Effect, Entry, Need};

/// The verdict of a check's body.
pub type Judgement = Result<Conforms, Stop>;

/// Proof that something was observed and found right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conforms {
    observations: u32,
    figures: Vec<String>,
}

impl Conforms {
    /// Conforms on the strength of `observations`; none is the harness's own failure.
    ///
    /// # Errors
    /// [`Stop::Inconclusive`] blaming the harness when there are no observations.
    pub fn on(observations: &[Observation]) -> Judgement {
        match u32::try_from(observations.len()) {
            Ok(0) => Err(Inconclusive::new(Blame::Harness, "the check ended without a single observation").into()),
            count => Ok(Self { observations: count.unwrap_or(u32::MAX), figures: Vec::new() }),
        }
    }

    /// The same with what was measured, one line each.
    #[must_use]
    pub fn with_figures(mut self, figures: Vec<String>) -> Self {
        self.figures = figures;
        self
    }

    /// How many facts were observed.
    pub const fn observations(&self) -> u32 {
        self.observations
    }

    /// What was measured on the way, for those who watch it change from run to run.
    pub fn figures(&self) -> &[String] {
        &self.figures
    }
}

/// One fact that a verifier saw and found right: a frame, a response, a marker.
///
/// Only verifiers make observations; `tests/architecture.rs` keeps it so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation(());

impl Observation {
    /// For verifiers, at the place where the fact was judged.
    pub(crate) const fn of_a_verified_fact() -> Self {
        Self(())
    }
}

/// Why a check did not conform.
#[derive(Clone, Debug)]
pub enum Stop {
    /// The target does not do what the requirement asks.
    Deviates(Box<Deviation>),
    /// The check could not be made; nothing was learnt and nothing is accused.
    NotVerified(NotVerified),
    /// The check was begun and could not be judged.
    Inconclusive(Box<Inconclusive>),
}

impl Stop {
    /// The same; a deviation that consists in waiting in vain was decided by the window of this key
    /// of the profile (`thresholds.reply_s`).
    #[must_use]
    pub fn within(mut self, key: &'static str) -> Self {
        if let Self::Deviates(deviation) = &mut self
            && matches!(deviation.finding, Finding::NoAnswer | Finding::NotClosed | Finding::Late)
        {
            deviation.window = Some(key);
        }
        self
    }
}

impl From<Deviation> for Stop {
    fn from(deviation: Deviation) -> Self {
        Self::Deviates(Box::new(deviation))
    }
}

impl From<NotVerified> for Stop {
    fn from(reason: NotVerified) -> Self {
        Self::NotVerified(reason)
    }
}

impl From<Inconclusive> for Stop {
    fn from(inconclusive: Inconclusive) -> Self {
        Self::Inconclusive(Box::new(inconclusive))
    }
}

/// A requirement that does not hold: what was expected, what was seen, and the proof.
#[derive(Clone, Debug)]
pub struct Deviation {
    /// Slug of the closed list; defects name the one that must catch them.
    pub finding: Finding,
    /// What was tried when it was seen, in a few words ("alg none, with trailing dot").
    pub step: String,
    /// Everything that would have conformed.
    pub expected: Vec<String>,
    /// What was there instead.
    pub seen: String,
    /// The transcript around it.
    pub evidence: Evidence,
    /// Key of the profile that says how long was waited, where that decided.
    pub window: Option<&'static str>,
}

/// Redacted excerpts of the transcript, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// The entries that show the deviation.
    pub entries: Vec<Entry>,
    /// Facts beside the transcript, one line each (a table of figures, a source line).
    pub facts: Vec<String>,
}

/// Begun, but not judged.
#[derive(Clone, Debug)]
pub struct Inconclusive {
    /// Whose doing it was, as far as can be told.
    pub blame: Blame,
    /// What happened, in one line; for a wait, what was waited for. The same cause has the same words.
    pub what: String,
    /// What was tried when it happened; empty where that says nothing more.
    pub step: String,
    /// The transcript around it.
    pub evidence: Evidence,
}

impl Inconclusive {
    /// An inconclusive without a transcript.
    pub fn new(blame: Blame, what: impl Into<String>) -> Self {
        Self { blame, what: what.into(), step: String::new(), evidence: Evidence::default() }
    }

    /// The same at this step.
    #[must_use]
    pub fn at(mut self, step: impl Into<String>) -> Self {
        self.step = step.into();
        self
    }

    /// The same with the transcript around it.
    #[must_use]
    pub fn with(mut self, evidence: Evidence) -> Self {
        self.evidence = evidence;
        self
    }
}

/// Whose doing an inconclusive check is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The service answered wrongly or not at all outside the thing probed.
    Target,
    /// The way to it: name, port, TLS, gateway, a restart.
    Environment,
    /// The profile's credentials.
    Credentials,
    /// The target asked us to slow down.
    Throttled,
    /// The checker itself.
    Harness,
}

impl Blame {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Target, Self::Environment, Self::Credentials, Self::Throttled, Self::Harness];

    /// Its word in reports.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::Environment => "environment",
            Self::Credentials => "credentials",
            Self::Throttled => "throttled",
            Self::Harness => "harness",
        }
    }
}

impl fmt::Display for Blame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.slug())
    }
}

/// Why a check was not made.
#[derive(Clone, Debug, PartialEq)]
pub enum NotVerified {
    /// The profile lacks a capability.
    Lacks(Need),
    /// The profile does not allow an effect.
    Forbids(Effect),
    /// The contract in use does not promise what the check is about: no environment that speaks it could be verified, so
    /// `gate.fail_on: not-verified` does not count it.
    Unpromised(String),
    /// What the environment has told leaves nothing of the contract in use that the check could look at.
    NotInContract(String),
    /// Its mandatory wait does not fit the check's limit.
    TooLong {
        /// The wait and the time to act.
        needs: Duration,
        /// `limits.check_s`.
        limit: Duration,
    },
    /// The situation did not come about ("backend health was never seen failing").
    NotProvoked(String),
}

impl fmt::Display for NotVerified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lacks(need) => write!(f, "needs `{need}`: {}", need.remedy()),
            Self::Forbids(effect) => {
                write!(f, "needs the effect `{effect}`, which this profile does not allow: add it to `allow`")
            }
            Self::Unpromised(what) | Self::NotInContract(what) => write!(f, "not in this contract: {what}"),
            Self::TooLong { needs, limit } => write!(
                f,
                "would need {:.0} s, limit {:.0} s: raise `limits.check_s`",
                needs.as_secs_f64().ceil(),
                limit.as_secs_f64()
            ),
            Self::NotProvoked(what) => f.write_str(what),
        }
    }
}

macro_rules! findings {
    ($($(#[$doc:meta])* $name:ident = $slug:literal,)*) => {
        /// What kind of deviation it is: a closed list, the JUnit `type`'s detail and the
        /// word by which `prove` knows that a defect was caught for the right reason.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Finding { $($(#[$doc])* $name,)* }

        impl Finding {
            /// All findings.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its word in reports and on the pages.
            pub const fn slug(self) -> &'static str {
                match self { $(Self::$name => $slug,)* }
            }
        }
    };
}

findings! {
    /// Something forbidden was let in or carried out.
    Accepted = "accepted",
    /// Something permitted was refused.
    Refused = "refused",
    /// Refused, but for another reason than the true one.
    WrongCode = "wrong-code",
    /// An HTTP status outside the expected set.
    WrongStatus = "wrong-status",
    /// A header is missing or says something else.
    WrongHeader = "wrong-header",
    /// A Close frame with another code, or none where one is due.
    WrongClose = "wrong-close",
    /// A value differs from what it must equal.
    WrongValue = "wrong-value",
    /// Nothing came within the promised time.
    NoAnswer = "no-answer",
    /// One request, more than one direct answer.
    AnsweredTwice = "answered-twice",
    /// An application frame left before the credential was validated.
    AnsweredBeforeAuth = "answered-before-auth",
    /// A connection that must live was ended.
    Closed = "closed",
    /// A connection that must end lives on.
    NotClosed = "not-closed",
    /// A server error where a refusal or an answer is due.
    ServerError = "server-error",
    /// A token or secret came back.
    LeakedToken = "leaked-token",
    /// Serialised internals reached the wire.
    LeakedInternals = "leaked-internals",
    /// A message whose envelope is not that of the contract.
    BadEnvelope = "bad-envelope",
    /// A payload or body that its schema refuses.
    BadSchema = "bad-schema",
    /// A type, code or field that the contract does not know.
    Undeclared = "undeclared",
    /// Octets that RFC 6455 forbids.
    IllegalFrame = "illegal-frame",
    /// An event that is due never came.
    MissingEvent = "missing-event",
    /// An event that may not come came.
    UnexpectedEvent = "unexpected-event",
    /// Events or messages in an order that is not allowed.
    WrongOrder = "wrong-order",
    /// Something sent is gone.
    Lost = "lost",
    /// Something came twice.
    Duplicated = "duplicated",
    /// In time it was not.
    Late = "late",
    /// Data of one owner reached another.
    ForeignData = "foreign-data",
    /// The target fetched a URL that only an attacker's token named.
    Fetched = "fetched",
    /// A service that must work alone does not.
    NotStandalone = "not-standalone",
    /// A dependency that must not be there.
    ForbiddenDependency = "forbidden-dependency",
    /// A resource that must be separate is shared.
    Shared = "shared",
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.slug())
    }
}
