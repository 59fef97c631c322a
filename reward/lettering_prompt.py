"""What a verifier is asked about lettering, in words that readers, rewards and replays know it by."""

from __future__ import annotations

from pathlib import Path

PROMPT = (Path(__file__).parent / "prompts" / "lettering.txt").read_text(encoding="utf-8").strip()
NOTHING = "NO TEXT"
"""What is answered about a picture without any."""
