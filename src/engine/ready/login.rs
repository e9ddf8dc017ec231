//! The profile's credentials, tried once instead of in every check.

use super::{Obstacle, Patience};
use crate::model::{Blame, Inconclusive, Record, Stop};
use crate::profile::Method;
use crate::target::{Login, Recorder, Target, split};
use crate::wire::Endpoint;

/// Logs the first user in. `None` when the service takes the credentials and its answer is of no use:
/// that is for the checks to judge.
pub(super) async fn log_in(target: &Target, recorder: &Recorder) -> Result<Option<Login>, Obstacle> {
    let method = target.profile().credentials.method;
    if method == Method::Tokens {
        unexpired(target, recorder).await?;
    }
    let login = match target.login(recorder, 0).await {
        Ok(login) => login,
        Err(Stop::Inconclusive(why)) if taken(&why) => return Ok(None),
        Err(stop) => return Err(refused(target, stop)),
    };
    // These have asked nobody yet whether they are good.
    if matches!(method, Method::Tokens | Method::SigningKey) {
        accepted(target, recorder, &login).await?;
    }
    Ok(Some(login))
}

/// Whether the service said yes.
fn taken(why: &Inconclusive) -> bool {
    let answer = why.evidence.entries.last().map(|entry| &entry.record);
    matches!(answer, Some(Record::Response { status: 200..=299, .. }))
}

fn refused(target: &Target, stop: Stop) -> Obstacle {
    let method = target.profile().credentials.method;
    let why = match stop {
        Stop::Inconclusive(why) => *why,
        Stop::NotVerified(reason) => Inconclusive::new(Blame::Credentials, reason.to_string()),
        Stop::Deviates(deviation) => Inconclusive::new(Blame::Target, deviation.seen.clone()),
    };
    let patience = match why.blame {
        Blame::Environment | Blame::Throttled => Patience::Wait,
        _ => Patience::Never,
    };
    let next = match why.blame {
        Blame::Credentials => remedy(method).to_owned(),
        Blame::Throttled => "lower `pace.requests_per_s`, or have the gateway let this checker pass".to_owned(),
        _ => "look at the auth service's log".to_owned(),
    };
    // The next step is told apart.
    let seen = target.redactor().redact(split(&why.what).0);
    obstacle(target, why.blame, patience).seen(seen).next(next).with(why.evidence)
}

fn obstacle(target: &Target, blame: Blame, patience: Patience) -> Obstacle {
    let method = target.profile().credentials.method;
    Obstacle::new("login", method.slug(), blame, patience).expected("a login with the profile's credentials")
}

const fn remedy(method: Method) -> &'static str {
    match method {
        Method::E2eBypass => "correct `credentials.bypass_key`, and see that the service has test logins switched on",
        Method::Password => {
            "correct address and password in `credentials.users`; the account must be verified and enabled"
        }
        Method::DevLogin => "the developer login is closed there: choose another `credentials.method`",
        Method::SigningKey => "correct `credentials.signing_key`: key, `algorithm`, `kid` and `subjects`",
        Method::Tokens => "put a fresh token into `credentials.tokens`",
    }
}

/// Whether each given token lives, or can be renewed.
async fn unexpired(target: &Target, recorder: &Recorder) -> Result<(), Obstacle> {
    for user in 0..target.profile().credentials.tokens.len() {
        match target.login(recorder, user).await {
            Err(Stop::Inconclusive(why)) if why.blame == Blame::Credentials => {
                return Err(refused(target, Stop::Inconclusive(why)));
            }
            // What else is wrong is seen by the login that follows, or by the checks.
            _ => {}
        }
    }
    Ok(())
}

/// Whether the auth service knows the token.
async fn accepted(target: &Target, recorder: &Recorder, login: &Login) -> Result<(), Obstacle> {
    let method = target.profile().credentials.method;
    // Where the call does not exist, or is not answered, the checks will tell.
    let Ok(answer) = target.http(recorder).call(Endpoint::Me).bearer(&login.access).send().await else {
        return Ok(());
    };
    if !matches!(answer.status, 401 | 403) {
        return Ok(());
    }
    let code = answer.error_code(target.contract()).map(|code| format!(" {code}")).unwrap_or_default();
    let seen = format!("`{}` answered {}{code} to the token", Endpoint::Me.slug(), answer.status);
    Err(obstacle(target, Blame::Credentials, Patience::Never)
        .seen(target.redactor().redact(&seen))
        .next(remedy(method))
        .with(answer.evidence()))
}
