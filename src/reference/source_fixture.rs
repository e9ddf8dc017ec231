//! A source tree of an auth service in Python, for `independence/no-main-app-imports`.

use std::fs;
use std::io;
use std::path::Path;

use super::Policy;

/// Files of a service that stands alone: paths and texts. It holds every form of import, and the
/// main application's name where it is no import (texts, comments, names that begin alike).
const FILES: &[(&str, &str)] = &[
    ("auth_service/__init__.py", "\"\"\"The auth service.\"\"\"\n"),
    (
        "auth_service/main.py",
        r#""""Entry point. Runs without netra_backend: nothing here may import it."""
import logging
import os

from fastapi import FastAPI

from auth_service.core import tokens
from auth_service.routes.oauth import router as oauth_router
from .core.config import Settings

log = logging.getLogger("auth_service")
# from netra_backend.app.config import settings   -- replaced by core.config

app = FastAPI(title="Netra auth service")
app.include_router(oauth_router)
settings = Settings.from_environment(os.environ)
tokens.configure(settings)
"#,
    ),
    ("auth_service/core/__init__.py", ""),
    (
        "auth_service/core/config.py",
        r#"from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Mapping

if TYPE_CHECKING:
    from .tokens import Signer


@dataclass
class Settings:
    secret: str
    signer: Signer | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        return cls(secret=environment["JWT_SECRET_KEY"])
"#,
    ),
    (
        "auth_service/core/tokens.py",
        r#"import importlib
import time

try:
    import orjson as json
except ImportError:
    import json

from . import config

# Which crypto package is used is decided where the service is deployed.
jwt = importlib.import_module("jwt")
HELP = "tokens are shared with app and netra_backend by HTTP: from app import anything is wrong"


class Signer:
    def __init__(self, settings: config.Settings) -> None:
        self.settings = settings

    def sign(self, claims: dict) -> str:
        return jwt.encode({**claims, "iat": int(time.time())}, self.settings.secret, algorithm="HS256")


def configure(settings: config.Settings) -> None:
    settings.signer = Signer(settings)


def dump(claims: dict) -> str:
    return json.dumps(claims)
"#,
    ),
    ("auth_service/routes/__init__.py", ""),
    (
        "auth_service/routes/oauth.py",
        r#"from fastapi import APIRouter
from httpx import AsyncClient

from ..core import tokens as _tokens
from ..core.tokens import (
    Signer,
    dump,
)

router = APIRouter()


@router.get("/auth/callback")
async def callback(code: str, state: str) -> dict:
    import secrets

    async with AsyncClient() as client:
        await client.get("https://provider.example/userinfo")
    return {"nonce": secrets.token_hex(), "signer": Signer.__name__, "known": bool(dump and _tokens)}
"#,
    ),
    ("requirements.txt", "fastapi==0.115.0\nhttpx>=0.27\npyjwt[crypto]~=2.9\nuvicorn\n# netra-backend is not needed\n"),
];

/// Writes the tree into `directory`, which it makes where it is missing; the `source_*` defects
/// add what may not be there: imports of `netra_backend`, or a requirement of it.
///
/// # Errors
/// The first directory or file that cannot be written.
pub fn write_source(directory: &Path, policy: &Policy) -> io::Result<()> {
    let process = policy.process;
    for (path, text) in FILES {
        let mut text = (*text).to_owned();
        match *path {
            "auth_service/routes/oauth.py" if process.source_imports_main_app.on() => {
                text.push_str(
                    "\n\ndef audit() -> None:\n    from netra_backend.app.db import session\n\n    session()\n",
                );
            }
            "auth_service/core/tokens.py" if process.source_imports_dynamically.on() => {
                text.push_str("\n\nmodels = importlib.import_module(\"netra_backend.app.models\")\n");
            }
            "requirements.txt" if process.source_requires_main_app.on() => {
                text.push_str("netra-backend @ file:../netra_backend\n");
            }
            _ => {}
        }
        let path = directory.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_defect_changes_one_file() {
        let tree = |switch: &str| -> Vec<String> {
            let mut policy = Policy::default();
            policy.switch_on(switch);
            let directory = tempfile::tempdir().unwrap();
            write_source(directory.path(), &policy).unwrap();
            FILES.iter().map(|(path, _)| fs::read_to_string(directory.path().join(path)).unwrap()).collect()
        };
        let clean = tree("");
        for switch in ["source-imports-main-app", "source-imports-dynamically", "source-requires-main-app"] {
            let changed = clean.iter().zip(tree(switch)).filter(|(clean, other)| *clean != other).count();
            assert_eq!(changed, 1, "{switch}");
        }
    }
}
