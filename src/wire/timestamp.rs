//! Timestamps (contract, section 3).

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A form that a contract permits for timestamps; one environment keeps one form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimestampForm {
    /// RFC 3339 in UTC, `Z` or `+00:00`, any fraction.
    Rfc3339,
    /// Seconds since 1970 as a number.
    EpochSeconds,
    /// Milliseconds since 1970 as a number.
    EpochMilliseconds,
}

/// Reads a timestamp in one of `forms`: seconds since 1970, and the form it had.
///
/// Numbers above 10^11 can only be milliseconds: as seconds they lie 3,000 years ahead.
pub fn read_timestamp(value: &Value, forms: &[TimestampForm]) -> Option<(f64, TimestampForm)> {
    let (seconds, form) = match value {
        Value::String(text) => {
            let time = OffsetDateTime::parse(text, &Rfc3339).ok().filter(|time| time.offset().is_utc())?;
            (time.unix_timestamp_nanos() as f64 / 1e9, TimestampForm::Rfc3339)
        }
        Value::Number(number) => match number.as_f64()? {
            millis if millis > 1e11 => (millis / 1e3, TimestampForm::EpochMilliseconds),
            seconds => (seconds, TimestampForm::EpochSeconds),
        },
        _ => return None,
    };
    forms.contains(&form).then_some((seconds, form))
}
