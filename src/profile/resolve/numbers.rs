//! Pace, thresholds, limits.

use super::super::raw::{RawLimits, RawPace, RawThresholds};
use super::super::resolved::{Limits, Pace, Thresholds};
use super::super::tree::Path;
use super::Resolver;

impl Resolver<'_> {
    pub(super) fn pace(&mut self, raw: &RawPace) -> Option<Pace> {
        let jobs = self.required("pace.jobs", raw.jobs);
        let connections = self.required("pace.connections", raw.connections);
        let requests_per_s = self.required("pace.requests_per_s", raw.requests_per_s);
        let sockets_per_user = self.required("pace.sockets_per_user", raw.sockets_per_user);
        Some(Pace {
            jobs: jobs? as usize,
            connections: connections? as usize,
            requests_per_s: requests_per_s?,
            sockets_per_user: sockets_per_user? as usize,
        })
    }

    pub(super) fn thresholds(&mut self, raw: &RawThresholds) -> Option<Thresholds> {
        let reply = self.seconds("thresholds.reply_s", raw.reply_s);
        let welcome = self.seconds("thresholds.welcome_s", raw.welcome_s);
        let fast = self.seconds("thresholds.fast_s", raw.fast_s);
        let medium = self.seconds("thresholds.medium_s", raw.medium_s);
        let first_content = self.seconds("thresholds.first_content_s", raw.first_content_s);
        let run = self.seconds("thresholds.run_s", raw.run_s);
        let agent_error = self.seconds("thresholds.agent_error_s", raw.agent_error_s);
        let stop = self.seconds("thresholds.stop_s", raw.stop_s);
        let restore = self.seconds("thresholds.restore_s", raw.restore_s);
        Some(Thresholds {
            reply: reply?,
            welcome: welcome?,
            fast: fast?,
            medium: medium?,
            first_content: first_content?,
            run: run?,
            agent_error: agent_error?,
            stop: stop?,
            restore: restore?,
        })
    }

    pub(super) fn limits(&mut self, raw: &RawLimits) -> Option<Limits> {
        let check = self.seconds("limits.check_s", raw.check_s);
        let run = self.seconds("limits.run_s", raw.run_s);
        let connect = self.seconds("limits.connect_s", raw.connect_s);
        let request = self.seconds("limits.request_s", raw.request_s);
        let settle = self.seconds("limits.settle_s", raw.settle_s);
        let short_token = self.seconds("limits.short_token_s", raw.short_token_s);
        let fresh_connections = self.required("limits.fresh_connections", raw.fresh_connections);
        if let Some((check, run)) = check.zip(run).filter(|(check, run)| check > run) {
            let message =
                format!("one check may take {} s, the whole run only {} s", check.as_secs_f64(), run.as_secs_f64());
            let path = Path::dotted("limits.check_s");
            self.wrong(&path, message, "longer than `limits.run_s`", "lower it, or raise `limits.run_s`");
        }
        Some(Limits {
            check: check?,
            run: run?,
            connect: connect?,
            request: request?,
            settle: settle?,
            short_token: short_token?,
            fresh_connections: fresh_connections? as usize,
            raw_frames: raw.raw_frames.unwrap_or(false),
        })
    }
}
