//! A first profile for an environment of one's own.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use url::Url;

use super::layers::DIRECTORY;

/// Begins the block that tells where the services are.
const URLS: &str = "\nurls:\n";
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

/// Where the services of the environment are, as somebody has told.
#[derive(Clone, Debug)]
pub struct Whereabouts {
    /// The auth service.
    pub auth: Url,
    /// The backend, which also has the WebSocket, at `/ws`.
    pub backend: Url,
    /// The frontend, where there is one.
    pub frontend: Option<Url>,
}

impl Whereabouts {
    /// The lines below `urls:`.
    fn lines(&self) -> String {
        let plain = |url: &Url| url.as_str().trim_end_matches('/').to_owned();
        let backend = plain(&self.backend);
        // `http` and `https` become `ws` and `wss`.
        let websocket = backend.replacen("http", "ws", 1);
        let frontend = self.frontend.as_ref().map(|url| format!("  frontend: {}\n", plain(url))).unwrap_or_default();
        format!("  auth: {}\n  backend: {backend}\n  websocket: {websocket}/ws\n{frontend}", plain(&self.auth))
    }
}

/// The text of a first profile.
fn starter(name: &str, from: Option<&Whereabouts>) -> String {
    let mut text = STARTER.replace("PROFILE", name).replace("PREFIX", &variable_prefix(name));
    let urls = text.find(URLS).map(|place| place + URLS.len());
    if let (Some(from), Some(begin)) = (from, urls)
        && let Some(length) = text[begin..].find("\n\n")
    {
        text.replace_range(begin..begin + length + 1, &from.lines());
        let domain = format!("${{{}_DOMAIN}}", variable_prefix(name));
        let asked = format!("${{{}_DOMAIN:?the domain of the test users}}", variable_prefix(name));
        text = text.replace(&domain, &asked);
    }
    text
}

/// Writes `profiles/NAME.yaml` below `directory` and returns that path, relative to `directory`.
///
/// # Errors
///
/// When the name is not possible, the file exists, or the file cannot be written.
pub fn write_starter(directory: &Path, name: &str, from: Option<&Whereabouts>) -> Result<PathBuf, StarterError> {
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
    let text = starter(name, from);
    let mut output = OpenOptions::new().write(true).create_new(true).open(directory.join(&file)).map_err(failed)?;
    output.write_all(text.as_bytes()).map_err(failed)?;
    Ok(file)
}

/// `NETRA_MY_ENV` for `my-env`.
fn variable_prefix(name: &str) -> String {
    format!("NETRA_{}", name.to_ascii_uppercase().replace('-', "_"))
}
