//! `netra-check sweep`: removes what runs that were killed have left.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use super::args::{Color, SweepArgs};
use super::run::{load, no_profile, run_id};
use super::usage;
use crate::engine::{Swept, sweep as sweep_target};
use crate::model::{Effect, ExitCode};
use crate::profile::LOCAL;
use crate::target::Target;
use crate::wire::Contract;

pub(super) fn sweep(args: SweepArgs, color: Color) -> anyhow::Result<ExitCode> {
    let Some(name) = &args.profile.profile else { return no_profile() };
    if name == LOCAL {
        return usage(&"the built-in reference ends with its run, and nothing of it is left: name a deployment");
    }
    let loaded = match load(name, &args.profile.sets, None) {
        Ok(loaded) => loaded,
        Err(diagnostics) => {
            write!(anstream::stderr(), "{}", diagnostics.render(color.on_stderr()))?;
            return Ok(ExitCode::Usage);
        }
    };
    if !loaded.warnings.is_empty() {
        write!(anstream::stderr(), "{}", loaded.warnings.render(color.on_stderr()))?;
    }
    let profile = loaded.profile;
    if !args.dry_run && !profile.allow.contains(&Effect::Create) {
        let what = "this profile does not allow `create`, so nothing of ours can be left there, and nothing is deleted: \
                    `--dry-run` looks all the same";
        return usage(&what);
    }
    let contract = match Contract::load(&profile.contract) {
        Ok(contract) => contract,
        Err(error) => return usage(&error),
    };
    let runtime = tokio::runtime::Runtime::new()?;
    let swept = runtime.block_on(async {
        let target = Target::new(Arc::new(profile), contract, run_id(), 0)?;
        anyhow::Ok(sweep_target(&target, args.older_than, args.dry_run).await)
    })?;
    tell(&swept, args.dry_run)?;
    let open = swept.left().next().is_some() || !swept.unasked.is_empty();
    Ok(if open { ExitCode::Inconclusive } else { ExitCode::Conforms })
}

fn tell(swept: &Swept, dry_run: bool) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    for thread in &swept.threads {
        let what = match (&thread.left, dry_run) {
            (Some(why), _) => format!("left: {why}"),
            (None, true) => "would be removed".into(),
            (None, false) => "removed".into(),
        };
        writeln!(out, "{}  {}  {}  {what}", thread.user, thread.id, thread.title)?;
    }
    for why in &swept.unasked {
        writeln!(out, "a user could not be asked: {why}")?;
    }
    let left = swept.left().count();
    let found = swept.threads.len() - left;
    let done = if dry_run { "would be removed" } else { "removed" };
    let users = if swept.users == 1 { "1 user".into() } else { format!("{} users", swept.users) };
    writeln!(out, "{found} {done}, {left} left, {users} asked")
}

/// A time like `90s`, `15m`, `1h` or `2d`.
///
/// # Errors
/// What a time looks like.
pub(super) fn age(text: &str) -> Result<Duration, String> {
    let seconds_of = |unit: &str| match unit {
        "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3_600),
        "d" => Some(86_400),
        _ => None,
    };
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let seconds = number.parse::<u64>().ok().zip(seconds_of(unit)).and_then(|(number, unit)| number.checked_mul(unit));
    seconds.map(Duration::from_secs).ok_or_else(|| "a time like `90s`, `15m`, `1h` or `2d`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_a_unit() {
        assert_eq!(age("0s"), Ok(Duration::ZERO));
        assert_eq!(age("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(age("2d"), Ok(Duration::from_secs(172_800)));
        for bad in ["", "h", "1", "1.5h", "-1h", "1w", "99999999999999999999s"] {
            assert!(age(bad).is_err(), "{bad}");
        }
    }
}
