//! Timestamps, all in one form.

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::Permitted;
use crate::wire::TimestampForm;

/// Writes timestamps in the one form of this environment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock(Form);

#[derive(Clone, Copy, Debug)]
enum Form {
    /// RFC 3339 with `Z` and milliseconds.
    Zulu,
    /// RFC 3339 with `+00:00` and microseconds.
    Offset,
    Seconds,
    Milliseconds,
}

const ZULU: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
const OFFSET: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]+00:00");

impl Clock {
    /// The form that the variations name, among those that the contract permits.
    pub(super) fn new(forms: &[TimestampForm], permitted: &Permitted) -> Self {
        let usual = forms.first().copied().unwrap_or(TimestampForm::Rfc3339);
        let offset = permitted.offset_timestamps.on();
        let named = match () {
            () if permitted.epoch_timestamps.on() => TimestampForm::EpochSeconds,
            () if offset => TimestampForm::Rfc3339,
            () => usual,
        };
        let form = if forms.contains(&named) { named } else { usual };
        Self(match form {
            TimestampForm::Rfc3339 if offset => Form::Offset,
            TimestampForm::Rfc3339 => Form::Zulu,
            TimestampForm::EpochSeconds => Form::Seconds,
            TimestampForm::EpochMilliseconds => Form::Milliseconds,
        })
    }

    /// The present as a timestamp.
    pub(super) fn now(self) -> Value {
        self.write(OffsetDateTime::now_utc())
    }

    /// A time (UTC) as a timestamp.
    pub(super) fn write(self, time: OffsetDateTime) -> Value {
        let text = |format| time.format(format).map_or(Value::Null, Value::from);
        match self.0 {
            Form::Zulu => text(ZULU),
            Form::Offset => text(OFFSET),
            // In the precision of the others: what is equal by one is equal by all.
            Form::Seconds => Value::from((time.unix_timestamp_nanos() / 1_000_000) as f64 / 1e3),
            Form::Milliseconds => Value::from((time.unix_timestamp_nanos() / 1_000_000) as i64),
        }
    }

    /// Seconds since 1970, as tokens tell time, as a timestamp.
    pub(super) fn write_unix(self, seconds: i64) -> Value {
        self.write(OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::Policy;
    use crate::wire::read_timestamp;

    const FORMS: &[TimestampForm] = &[TimestampForm::Rfc3339, TimestampForm::EpochSeconds];

    #[test]
    fn each_form_reads_back_to_the_same_second() {
        for variation in ["", "epoch-timestamps", "offset-timestamps"] {
            let mut policy = Policy::default();
            policy.switch_on(variation);
            let written = Clock::new(FORMS, &policy.permitted).write_unix(1_764_000_000);
            let (seconds, _) = read_timestamp(&written, FORMS).unwrap();
            assert_eq!(seconds, 1_764_000_000.0, "{variation}: {written}");
        }
    }

    #[test]
    fn a_contract_without_rfc_3339_gets_what_it_permits() {
        let clock = Clock::new(&[TimestampForm::EpochMilliseconds], &Policy::default().permitted);
        assert_eq!(clock.write_unix(2), Value::from(2000));
    }
}
