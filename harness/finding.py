"""What a check of the installation found: well, worth knowing, or wrong with what would help."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "note", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    about: str
    state: State
    told: str
    help: str = ""
    """What would do, where something is wrong"""
    outage: bool = False
    """Whether a server is to blame, and not the installation"""

    def line(self) -> str:
        """The line as text."""
        return f"{self.state:5}  {self.about:10}  {self.told}" + (f"; {self.help}" if self.help else "")
