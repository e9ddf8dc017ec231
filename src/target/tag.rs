//! The mark on everything that this tool creates, by which it is found again.

use std::time::{Duration, SystemTime};

use serde_json::Value;

/// Before the id of the run.
const MARK: &str = "netra-check/";

/// The mark of one run: `netra-check/<run id>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    run: String,
}

impl Tag {
    /// The mark of the run of this id.
    pub fn new(run: impl Into<String>) -> Self {
        Self { run: run.into() }
    }

    /// Id of the run.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// The mark that a thread (contract, section 3) bears in its title, or anywhere in its metadata.
    pub fn of_thread(thread: &Value) -> Option<Self> {
        let title = thread.get("title").and_then(Value::as_str).and_then(Self::in_text);
        title.or_else(|| Self::in_value(thread.get("metadata")?))
    }

    fn in_value(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Self::in_text(text),
            Value::Array(items) => items.iter().find_map(Self::in_value),
            Value::Object(members) => members.values().find_map(Self::in_value),
            _ => None,
        }
    }

    fn in_text(text: &str) -> Option<Self> {
        let (_, after) = text.split_once(MARK)?;
        let run: String = after.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        (!run.is_empty()).then_some(Self { run })
    }

    /// When the run began, as its id tells it.
    pub fn began(&self) -> Option<SystemTime> {
        let seconds = u64::from_str_radix(self.run.split('-').next()?, 16).ok()?;
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
    }
}

impl std::fmt::Display for Tag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{MARK}{}", self.run)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_thread_of_ours_is_known_by_title_or_metadata() {
        let tag = Tag::new("68f0a1b2-00ff");
        let ours = [
            json!({"title": format!("{tag} tour 3, renamed")}),
            json!({"title": null, "metadata": {"made": {"by": [tag.to_string()]}}}),
        ];
        for thread in ours {
            assert_eq!(Tag::of_thread(&thread).as_ref(), Some(&tag), "{thread}");
        }
        let foreign =
            [json!({"title": "about netra-check"}), json!({"title": "netra-check/"}), json!({"metadata": {}})];
        for thread in foreign {
            assert_eq!(Tag::of_thread(&thread), None, "{thread}");
        }
        let began = tag.began().unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(began.as_secs(), 0x68f0_a1b2);
    }
}
