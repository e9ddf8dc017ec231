//! Filters at the one place where the backend sends a message: defects that need no code.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::wire::Kind;

/// What is done to outbound messages of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Never sent.
    Drop(Kind),
    /// Sent twice.
    Repeat(Kind),
    /// The first kind is held back until one of the second has been sent.
    Swap(Kind, Kind),
    /// Sent later.
    Delay(Kind, Duration),
    /// A field has another JSON type.
    Retype(Kind, String),
    /// A field is null.
    Null(Kind, String),
    /// A field is left out.
    Omit(Kind, String),
    /// Sent to another user's sockets, too.
    Misroute(Kind),
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drop(kind) => write!(f, "drop:{kind}"),
            Self::Repeat(kind) => write!(f, "repeat:{kind}"),
            Self::Swap(first, second) => write!(f, "swap:{first},{second}"),
            Self::Delay(kind, by) => write!(f, "delay:{kind},{}ms", by.as_millis()),
            Self::Retype(kind, field) => write!(f, "retype:{kind}.{field}"),
            Self::Null(kind, field) => write!(f, "null:{kind}.{field}"),
            Self::Omit(kind, field) => write!(f, "omit:{kind}.{field}"),
            Self::Misroute(kind) => write!(f, "misroute:{kind}"),
        }
    }
}

impl FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let usage = || {
            format!(
                "`{text}` is no filter: expected drop:TYPE, repeat:TYPE, swap:TYPE,TYPE, delay:TYPE,MSms, \
                 retype:TYPE.FIELD, null:TYPE.FIELD, omit:TYPE.FIELD or misroute:TYPE"
            )
        };
        let kind = |name: &str| Kind::named(name).ok_or_else(|| format!("no message type is called `{name}`"));
        let (act, of) = text.split_once(':').ok_or_else(usage)?;
        let field = || -> Result<(Kind, String), String> {
            let (name, field) = of.split_once('.').ok_or_else(usage)?;
            Ok((kind(name)?, field.to_owned()))
        };
        match act {
            "drop" => Ok(Self::Drop(kind(of)?)),
            "repeat" => Ok(Self::Repeat(kind(of)?)),
            "misroute" => Ok(Self::Misroute(kind(of)?)),
            "swap" => {
                let (first, second) = of.split_once(',').ok_or_else(usage)?;
                Ok(Self::Swap(kind(first)?, kind(second)?))
            }
            "delay" => {
                let (name, by) = of.split_once(',').ok_or_else(usage)?;
                let millis = by.strip_suffix("ms").and_then(|by| by.parse().ok()).ok_or_else(usage)?;
                Ok(Self::Delay(kind(name)?, Duration::from_millis(millis)))
            }
            "retype" => field().map(|(kind, field)| Self::Retype(kind, field)),
            "null" => field().map(|(kind, field)| Self::Null(kind, field)),
            "omit" => field().map(|(kind, field)| Self::Omit(kind, field)),
            _ => Err(usage()),
        }
    }
}
