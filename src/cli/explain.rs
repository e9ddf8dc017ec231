//! `netra-check explain`.

use std::io::{self, Write as _};

use super::args::ExplainArgs;
use crate::model::{Effect, ExitCode};
use crate::reference::{DEFECTS, VARIATIONS};
use crate::scenarios;

pub(super) fn explain(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let registry = scenarios::registry();
    let mut out = io::stdout().lock();
    if let Some(check) = registry.iter().find(|check| check.id.as_str() == args.id) {
        let join = |words: Vec<String>| if words.is_empty() { "nothing".to_owned() } else { words.join(", ") };
        let effects = [Effect::Read].iter().chain(check.effects).map(ToString::to_string).collect();
        let needs = check.needs.iter().map(ToString::to_string).collect();
        writeln!(out, "{}\n", check.id)?;
        writeln!(out, "level {} · needs {} · effects {}\n", check.level, join(needs), join(effects))?;
        writeln!(out, "{}", check.page.text().trim_end())?;
        return Ok(ExitCode::Conforms);
    }
    if let Some(defect) = DEFECTS.iter().find(|defect| defect.id == args.id) {
        writeln!(out, "{} (a defect of the reference)\n\n{}", defect.id, defect.sentence)?;
        for check in &registry {
            for catch in check.page.catches().filter(|catch| catch.defect == defect.id) {
                let finding = catch.finding.map_or("nothing", |finding| finding.slug());
                writeln!(out, "Caught by {} with the finding `{finding}`.", check.id)?;
            }
        }
        return Ok(ExitCode::Conforms);
    }
    if let Some(variation) = VARIATIONS.iter().find(|variation| variation.id == args.id) {
        writeln!(out, "{} (a variation that the contract permits)\n\n{}", variation.id, variation.sentence)?;
        return Ok(ExitCode::Conforms);
    }
    let names = registry.iter().flat_map(|check| [check.id.as_str(), check.id.fact()]);
    let names = names.chain(DEFECTS.iter().map(|defect| defect.id)).chain(VARIATIONS.iter().map(|it| it.id));
    let hint = names
        .map(|name| (strsim::jaro_winkler(&args.id, name), name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, name)| registry.iter().find(|check| check.id.fact() == name).map_or(name, |check| check.id.as_str()));
    let hint = hint.map_or("`netra-check list` shows all checks".to_owned(), |name| format!("did you mean `{name}`?"));
    super::usage(&format_args!("no check, defect or variation is called `{}`: {hint}", args.id))
}
