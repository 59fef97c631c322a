"""run: a checkpoint of `harness train`, as `--model run:FOLDER@STEP`; the newest one without a step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from harness.call_arguments import parse_pairs
from harness.model import Model, Setting
from trainer.stored_policy import open_policy, split_step


@dataclass(frozen=True, slots=True)
class Arguments:
    """Which weights, and how they draw."""

    path: str
    """Folder of a training run, with @STEP behind it for a checkpoint that is not the newest."""
    use_ema: bool = False
    """The averaged weights instead of the live ones."""
    draw: str = ""
    """Arguments of the model that take the place of those it was trained with: name:value+name:value, or JSON."""
    reason: bool = False
    """Write a plan before drawing; `--reason` says the same."""


def build(arguments: Arguments, setting: Setting) -> Model:
    """The model as it was after some updates, ready to draw."""
    run, step = split_step(arguments.path)
    over = parse_pairs(arguments.draw) | ({"reason": True} if arguments.reason else {})
    stored = open_policy(run, step, arguments.use_ema, setting.device, over)
    model: Any = stored.policy.as_model(stored.step)
    facts = {"adapter_digest": stored.digest, "trained_with": stored.reward_id, "use_ema": stored.average}
    facts |= {name: stored.origin[name] for name in ("trained_on", "reward_verifier") if name in stored.origin}
    found: Model = replace(model, id=stored.name, record={**model.record, **facts})
    return found
