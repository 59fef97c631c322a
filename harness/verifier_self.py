"""self: the unified model that draws also answers the questions about its pictures; `harness eval` hands it over."""

from __future__ import annotations

from dataclasses import dataclass

from harness.bagel.unified import Unified
from harness.model import Model
from harness.verifier_unified import UnifiedVerifier, answering

NAME = "self"


@dataclass(frozen=True, slots=True)
class Arguments:
    """None: the weights are those that draw."""


def build(_arguments: Arguments) -> UnifiedVerifier:
    """ValueError: without a model that draws there is nobody to ask."""
    raise ValueError("verifier 'self' is the model that `harness eval` draws with; here it has to be named itself")


def itself(model: Model) -> UnifiedVerifier:
    """The model as the verifier of its own pictures; ValueError for one that writes no words or sees nothing."""
    if not isinstance(model, Unified):
        raise ValueError(f"the model {model.id} answers no questions, which --verifier self needs: tiny and bagel do")
    return answering(model, NAME, f"self[{model.id}]")
