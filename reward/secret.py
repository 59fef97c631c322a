"""Secrets: read from the environment alone, and taken out of whatever is told or written (harness.md R14)."""

from __future__ import annotations

import os
import re
from pathlib import Path

LAST_WORDS = ("KEY", "TOKEN", "PASSWORD", "PASSWD", "SECRET", "CREDENTIALS")
"""Last words of environment variables that hold secrets."""
SHORTEST = 8
"""Shorter values are words that a text may hold for other reasons."""
LOGIN = re.compile(r"(?<=://)[^/\s@]+@")
"""A user and password inside an address."""
HIDDEN = "***"
BEARER = re.compile(r"(?i)\b(bearer\s+|authorization[\"':=\s]+)[^\s\"',}]+")
"""A credential by the words before it, whatever its value."""


def read_secret(name: str) -> str:
    """The value of NAME, or the content of the file that NAME_FILE names; empty when neither is set."""
    file = os.environ.get(f"{name}_FILE")
    if os.environ.get(name) or not file:
        return os.environ.get(name, "").strip()
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ValueError(f"the file that {name}_FILE names cannot be read: {error.strerror}") from None


def secrets() -> list[str]:
    """The values of all variables whose names say that they hold a secret, longest first."""
    found = set()
    for name, value in os.environ.items():
        stem = name.removesuffix("_FILE")
        if stem.rpartition("_")[2].upper() not in LAST_WORDS:
            continue
        try:
            found.add(value.strip() if name == stem else read_secret(stem))
        except ValueError:  # a file that is not there holds no secret
            continue
    return sorted((one for one in found if len(one) >= SHORTEST), key=len, reverse=True)


def redact(text: str) -> str:
    """The text without the values of secrets, credentials, and logins in addresses."""
    for secret in secrets():
        text = text.replace(secret, HIDDEN)
    return BEARER.sub(rf"\1{HIDDEN}", LOGIN.sub(f"{HIDDEN}@", text))


def bare_address(url: str) -> str:
    """An address without user, password, query and fragment, fit for a record."""
    return LOGIN.sub("", url).partition("?")[0].partition("#")[0]
