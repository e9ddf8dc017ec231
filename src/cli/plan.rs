//! `netra-check plan`: what a run with a profile would do. It asks nobody and passes nothing.

use std::io::{self, Write as _};

use super::args::{Color, PlanArgs};
use super::run::prepare;
use crate::check::Waits;
use crate::engine::{Known, obstacle};
use crate::model::{Effect, ExitCode, Need};
use crate::wire::Contract;

pub(super) fn plan(args: PlanArgs, color: Color) -> anyhow::Result<ExitCode> {
    let prepared = match prepare(&args.profile, &args.selection, 1, color)? {
        Ok(prepared) => prepared,
        Err(code) => return Ok(code),
    };
    let profile = &prepared.loaded.profile;
    let known = unasked(&prepared.contract);
    let mut table = super::table(["check", "effects", "waits", "would be"]);
    let mut not_verified = 0;
    for check in &prepared.selected.checks {
        let effects = [Effect::Read].iter().chain(check.effects).map(ToString::to_string).collect::<Vec<_>>();
        let wait = (check.wait)(&Waits { profile, config: &known.config });
        let wait = if wait.is_zero() { String::new() } else { format!("{:.1} s", wait.as_secs_f64()) };
        let would = match obstacle(check, profile, &prepared.contract, &known) {
            Some(reason) => {
                not_verified += 1;
                format!("not verified: {reason}")
            }
            None if check.needs.contains(&Need::Jwks) => "tried, where the target publishes keys".into(),
            None => "tried".into(),
        };
        table.add_row([check.id.as_str(), &effects.join(" "), &wait, &would]);
    }
    let mut out = io::stdout().lock();
    writeln!(out, "{table}")?;
    let tried = prepared.selected.checks.len() - not_verified;
    writeln!(
        out,
        "{tried} would be tried, {not_verified} not verified, {} not selected; waits are those of the contract's defaults",
        prepared.selected.not_selected
    )?;
    Ok(if prepared.selected.checks.is_empty() { ExitCode::NothingVerified } else { ExitCode::Conforms })
}

/// What is known of a target that nobody has asked.
pub(super) fn unasked(contract: &Contract) -> Known {
    let (config, _) = contract.ws_config(&serde_json::Value::Null);
    Known { config, publishes_keys: true }
}
