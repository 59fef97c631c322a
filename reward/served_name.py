"""Who answered, as a server names itself and as a record may keep it."""

from __future__ import annotations

import ntpath
from collections.abc import Mapping
from typing import Any

LONGEST = 200
"""Characters of a name that are kept."""


def served_name(content: Mapping[str, Any], root: str = "") -> str:
    """Model, what stands behind its name, and fingerprint, with blanks between them; empty if the server names none."""
    model, print_of = content.get("model"), content.get("system_fingerprint")
    if not isinstance(model, str) or not model:
        return ""
    parts = [without_path(model), without_path(root) if root else "", print_of if isinstance(print_of, str) else ""]
    return " ".join(dict.fromkeys(one for one in parts if one))[:LONGEST]


def without_path(name: str) -> str:
    """The last part of a file's path; a name such as `owner/model` stays whole."""
    is_path = name.startswith(("/", "~", ".", "\\")) or ntpath.isabs(name) or name.lower().endswith((".gguf", ".bin"))
    return ntpath.basename(name.rstrip("/\\")) if is_path else name
