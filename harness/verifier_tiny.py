"""tiny: the embedded unified model answers questions about images in words; its own eyes, no rule."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness import model_tiny
from harness.model import Setting
from harness.verifier_unified import UnifiedVerifier, answering


@dataclass(frozen=True, slots=True)
class Arguments:
    """Which weights answer."""

    weights: Path = model_tiny.SHIPPED
    """Folder of weights of the embedded model."""


def build(arguments: Arguments) -> UnifiedVerifier:
    """The embedded model as a verifier; ValueError for weights without eyes."""
    own = model_tiny.Arguments(weights=arguments.weights, prompts=arguments.weights / "prompts.json")
    model = model_tiny.build(own, Setting())
    return answering(model, "tiny", model.id)
