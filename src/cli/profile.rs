//! `netra-check profile init | validate | show | schema`.

use std::io::{self, Write};
use std::path::Path;

use crate::model::ExitCode;
use crate::profile::{self, Diagnostics, LoadRequest, Loaded, Overrides, StarterError, Whereabouts};

/// `profile validate`: everything that is wrong, or one line that says what would be asked.
///
/// # Errors
///
/// When `out` cannot be written.
pub fn validate(request: LoadRequest<'_>, colour: bool, out: &mut dyn Write) -> io::Result<ExitCode> {
    let loaded = match load(request) {
        Ok(loaded) => loaded,
        Err(diagnostics) => return refuse(request, &diagnostics, colour, out),
    };
    write!(out, "{}", loaded.warnings.render(colour))?;
    let profile = &loaded.profile;
    let effects: Vec<&str> = profile.allow.iter().map(|effect| effect.slug()).collect();
    writeln!(out, "profile `{}` is valid", profile.name)?;
    writeln!(out, "  layers     {}", loaded.layers().join(" < "))?;
    writeln!(out, "  contract   {}", profile.contract)?;
    writeln!(out, "  logins     {}, {}", profile.credentials.method.slug(), counted(profile.user_count(), "user"))?;
    writeln!(out, "  effects    {}", effects.join(", "))?;
    Ok(ExitCode::Conforms)
}

/// `profile show`: the resolved profile, secrets hidden, the source of each value beside it.
///
/// # Errors
///
/// When `out` cannot be written.
pub fn show(request: LoadRequest<'_>, colour: bool, out: &mut dyn Write) -> io::Result<ExitCode> {
    match load(request) {
        Ok(loaded) => {
            writeln!(out, "# profile `{}`: {}", loaded.profile.name, loaded.layers().join(" < "))?;
            write!(out, "{}", loaded.show())?;
            Ok(ExitCode::Conforms)
        }
        Err(diagnostics) => refuse(request, &diagnostics, colour, out),
    }
}

/// `profile init NAME`: a commented starter in `profiles/NAME.yaml`, never over an existing file.
///
/// # Errors
///
/// When `out` cannot be written.
pub fn init(directory: &Path, name: &str, from: Option<&Whereabouts>, out: &mut dyn Write) -> io::Result<ExitCode> {
    match profile::write_starter(directory, name, from) {
        Ok(file) => {
            writeln!(out, "wrote {}", file.display())?;
            let missing = if from.is_some() { "credentials" } else { "URLs and credentials" };
            writeln!(out, "next: fill in its {missing}, then `netra-check profile validate {name}`")?;
            Ok(ExitCode::Conforms)
        }
        Err(error) => {
            writeln!(out, "error: {error}")?;
            match &error {
                StarterError::Exists(_) => {
                    writeln!(out, "help: choose another name, or `netra-check profile validate {name}`")?;
                }
                StarterError::Io(_, cause) => writeln!(out, "  because: {cause}")?,
                StarterError::Name(_) | StarterError::Reserved(_) => {}
            }
            Ok(ExitCode::Usage)
        }
    }
}

/// `profile schema`: the JSON Schema, for editors.
///
/// # Errors
///
/// When `out` cannot be written.
pub fn schema(out: &mut dyn Write) -> io::Result<ExitCode> {
    writeln!(out, "{:#}", profile::schema())?;
    Ok(ExitCode::Conforms)
}

/// Loads; the reference, which is not running now, is stood in for.
fn load(request: LoadRequest<'_>) -> Result<Loaded, Diagnostics> {
    if request.name_or_path != profile::LOCAL || request.overrides.is_some() {
        return profile::load(request);
    }
    let not_started = Overrides::new("the reference, once it has started")
        .set("urls.auth", "http://127.0.0.1:8081")
        .set("urls.backend", "http://127.0.0.1:8000")
        .set("urls.websocket", "ws://127.0.0.1:8000/ws")
        .set("urls.frontend", "http://127.0.0.1:3000")
        .set("credentials.bypass_key", "chosen at its start");
    profile::load(LoadRequest { overrides: Some(&not_started), ..request })
}

fn refuse(
    request: LoadRequest<'_>,
    diagnostics: &Diagnostics,
    colour: bool,
    out: &mut dyn Write,
) -> io::Result<ExitCode> {
    write!(out, "{}", diagnostics.render(colour))?;
    writeln!(out, "{} in profile `{}`", counted(diagnostics.len(), "error"), request.name_or_path)?;
    Ok(ExitCode::Usage)
}

fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
