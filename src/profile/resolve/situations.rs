//! What is done to the environment from outside: triggers, and services launched on loopback.

use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;

use crate::model::{Trigger, did_you_mean};

use super::super::raw::{RawAction, RawIndependence, RawOutage, RawPrompt, RawTriggers};
use super::super::resolved::{Action, Independence, Secret, TriggerSpec};
use super::super::tree::Path;
use super::Resolver;

/// Stands for the path of this executable.
const THIS_EXECUTABLE: &str = "{self}";

impl Resolver<'_> {
    pub(super) fn triggers(&mut self, raw: RawTriggers) -> BTreeMap<Trigger, TriggerSpec> {
        let prompts = [
            (Trigger::AgentFailure, raw.agent_failure),
            (Trigger::LlmTimeout, raw.llm_timeout),
            (Trigger::NetworkFailure, raw.network_failure),
            (Trigger::ResourceExhausted, raw.resource_exhausted),
            (Trigger::InvalidInput, raw.invalid_input),
            (Trigger::ToolUse, raw.tool_use),
            (Trigger::LongStream, raw.long_stream),
            (Trigger::Degradation, raw.degradation),
            (Trigger::SteadyRun, raw.steady_run),
        ];
        let outages = [(Trigger::AuthOutage, raw.auth_outage), (Trigger::BackendOutage, raw.backend_outage)];
        let prompts = prompts.into_iter().map(|(trigger, raw)| (trigger, self.prompt(&at(trigger), raw)));
        let mut triggers: Vec<_> = prompts.collect();
        triggers.extend(outages.into_iter().map(|(trigger, raw)| (trigger, self.outage(&at(trigger), raw))));
        triggers.into_iter().filter_map(|(trigger, spec)| Some((trigger, spec?))).collect()
    }

    fn prompt(&mut self, path: &Path, raw: RawPrompt) -> Option<TriggerSpec> {
        let RawPrompt { content, agent_name, min_duration_s, fails_within_s, events_at_least } = raw;
        let touched = agent_name.is_some() || min_duration_s.or(fails_within_s).is_some() || events_at_least.is_some();
        let Some(content) = content else {
            if touched {
                self.incomplete(path, "content");
            }
            return None;
        };
        let seconds = |seconds: Option<f64>| seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        Some(TriggerSpec::Prompt {
            content,
            agent_name,
            min_duration: seconds(min_duration_s),
            fails_within: seconds(fails_within_s),
            events_at_least,
        })
    }

    fn outage(&mut self, path: &Path, raw: RawOutage) -> Option<TriggerSpec> {
        match (raw.down, raw.up) {
            (Some(down), Some(up)) => {
                let down = self.action(&path.join("down"), down);
                let up = self.action(&path.join("up"), up);
                Some(TriggerSpec::Outage { down: down?, up: up? })
            }
            (None, None) => None,
            // A service that is taken down must come up again.
            (down, _) => {
                self.incomplete(path, if down.is_some() { "up" } else { "down" });
                None
            }
        }
    }

    fn action(&mut self, path: &Path, raw: RawAction) -> Option<Action> {
        let url = match raw {
            RawAction::Command(arguments) => return Some(Action::Command(arguments)),
            RawAction::Request(url) => url,
        };
        match Url::parse(&url) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Some(Action::Request(url)),
            _ => {
                let help = "a URL that is sent POST, or a list: `[program, argument]`";
                self.wrong(path, format!("`{path}` is neither a URL nor a command"), "a single word", help);
                None
            }
        }
    }

    pub(super) fn independence(&mut self, raw: RawIndependence) -> Option<Independence> {
        let start = self.seconds("independence.start_s", raw.start_s);
        let launch_auth = self.launch("independence.launch.auth", raw.launch.auth, &["auth_port"]);
        let launch_backend =
            self.launch("independence.launch.backend", raw.launch.backend, &["backend_port", "auth_url"]);
        let source = self.existing(&Path::dotted("independence.source"), raw.source.as_deref(), true);
        Some(Independence {
            launch_auth,
            launch_backend,
            start: start?,
            source,
            forbidden_packages: raw.forbidden_packages,
            auth_database: raw.databases.auth.map(|dsn| Secret::new(dsn.0)),
            backend_database: raw.databases.backend.map(|dsn| Secret::new(dsn.0)),
        })
    }

    /// A command whose placeholders are all there and all known.
    fn launch(&mut self, key: &str, raw: Option<Vec<String>>, placeholders: &[&str]) -> Option<Vec<String>> {
        let mut arguments = raw?;
        let path = Path::dotted(key);
        let known = placeholders.iter().map(|name| format!("{{{name}}}")).collect::<Vec<_>>().join(", ");
        for placeholder in placeholders {
            if !arguments.iter().any(|argument| argument.contains(&format!("{{{placeholder}}}"))) {
                let help = "the port is chosen anew for each start, and filled in here";
                self.wrong(&path, format!("`{key}` must hold `{{{placeholder}}}`"), "does not", help);
            }
        }
        for (index, argument) in arguments.iter().enumerate() {
            for unknown in names(argument).filter(|name| *name != "self" && !placeholders.contains(name)) {
                let mut help = did_you_mean(unknown, placeholders.iter().copied())
                    .map_or_else(String::new, |suggestion| format!("did you mean `{{{suggestion}}}`? "));
                help += &format!("known here: {{self}}, {known}");
                let message = format!("`{{{unknown}}}` stands for nothing");
                self.wrong(&path.join(&index.to_string()), message, "unknown placeholder", help);
            }
        }
        for argument in arguments.iter_mut().filter(|argument| *argument == THIS_EXECUTABLE) {
            match std::env::current_exe() {
                Ok(executable) => *argument = executable.display().to_string(),
                Err(error) => {
                    let message = format!("`{THIS_EXECUTABLE}` is not known: {error}");
                    self.wrong(&path, message, "used here", "write the path of the executable");
                    return None;
                }
            }
        }
        Some(arguments)
    }
}

fn at(trigger: Trigger) -> Path {
    Path::dotted("triggers").join(trigger.slug())
}

/// The `{name}`s of an argument; other braces are its own affair.
fn names(argument: &str) -> impl Iterator<Item = &str> {
    let inside = argument.split('{').skip(1).filter_map(|part| part.split_once('}'));
    inside
        .map(|(name, _)| name)
        .filter(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
}
