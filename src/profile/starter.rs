//! A first profile for an environment of one's own.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::layers::DIRECTORY;

const STARTER: &str = include_str!("starter.yaml");

/// Why no starter was written.
#[derive(Debug, thiserror::Error)]
pub enum StarterError {
    /// Not a name that `--profile` would find.
    #[error("`{0}` cannot name a profile: lower-case letters, digits, `-` and `_`, beginning with a letter")]
    Name(String),
    /// The name always means the built-in profile.
    #[error("`{0}` always means the built-in profile; give yours another name")]
    Reserved(String),
    /// It is there already, and is not overwritten.
    #[error("`{}` exists already and is left as it is", .0.display())]
    Exists(PathBuf),
    /// The file could not be written.
    #[error("cannot write `{}`", .0.display())]
    Io(PathBuf, #[source] io::Error),
}

/// Writes `profiles/NAME.yaml` below `directory` and returns that path, relative to `directory`.
///
/// # Errors
///
/// When the name is not possible, the file exists, or the file cannot be written.
pub fn write_starter(directory: &Path, name: &str) -> Result<PathBuf, StarterError> {
    let shape = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) || !name.chars().all(shape) {
        return Err(StarterError::Name(name.to_owned()));
    }
    if [super::LOCAL, "default"].contains(&name) {
        return Err(StarterError::Reserved(name.to_owned()));
    }
    let file = Path::new(DIRECTORY).join(format!("{name}.yaml"));
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => StarterError::Exists(file.clone()),
        _ => StarterError::Io(file.clone(), error),
    };
    fs::create_dir_all(directory.join(DIRECTORY)).map_err(failed)?;
    let text = STARTER.replace("PROFILE", name).replace("PREFIX", &variable_prefix(name));
    let mut output = OpenOptions::new().write(true).create_new(true).open(directory.join(&file)).map_err(failed)?;
    output.write_all(text.as_bytes()).map_err(failed)?;
    Ok(file)
}

/// `NETRA_MY_ENV` for `my-env`.
fn variable_prefix(name: &str) -> String {
    format!("NETRA_{}", name.to_ascii_uppercase().replace('-', "_"))
}
