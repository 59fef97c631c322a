"""What a questions reward can be told, checked where it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from tasks.registry import unknown


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a questions reward; the defaults are those of method.md 3.3, 3.4 and 7.2."""

    abstain_below: float = 0.5
    """`share` gives no value when less mass than this lies on the wanted answers."""
    binary: bool = False
    """Every answer is hardened: 1 from .5 on, else 0."""
    gating: str = "off"
    """What a failed parent does to its children: off, dsg, direct or cascade."""
    min_answered: float = 0.75
    """Share of a class that must be answered for the class to have a value; most benchmarks set 1."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """Weight of each tag (`weighted`) or group (`by_group`)."""
    gate_tags: tuple[str, ...] = ()
    """Tags of the questions that are hard gates (`gates`)."""

    template: str = "{question}"
    """What the verifier is asked; `{question}` stands for the question."""

    sentences: str = ""
    """Checkpoint of the sentence encoder of the reading `nearest`."""
    official: bool = False
    """The task reproduces the released code's faults that published figures depend on, each named in its docstring."""
    plain_mean: bool = False
    """The task's headline is the plain mean of its tags (WISE in other papers)."""
    per_image: bool = False
    """The task's headline is the mean over images (ImgEdit in other papers)."""
    before_2026_04: bool = False
    """The task counts complete items as before 2026-04-23 (RISEBench)."""

    def record(self) -> dict[str, Any]:
        """All options as resolved, ready for JSON."""
        return {**asdict(self), "weights": dict(self.weights), "gate_tags": list(self.gate_tags)}


def _share(value: Any) -> float | None:
    right = isinstance(value, int | float) and not isinstance(value, bool) and 0.0 <= value <= 1.0
    return float(value) if right else None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _name(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _template(value: Any) -> str | None:
    return value if isinstance(value, str) and "{question}" in value else None


def _weights(value: Any) -> dict[str, float] | None:
    if not isinstance(value, Mapping):
        return None
    right = all(isinstance(one, int | float) and not isinstance(one, bool) and one >= 0 for one in value.values())
    return {str(name): float(one) for name, one in value.items()} if right else None


def _names(value: Any) -> tuple[str, ...] | None:
    right = isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)
    return tuple(value) if right else None


CHECKS: Mapping[str, tuple[Callable[[Any], Any], str]] = {
    "abstain_below": (_share, "a number from 0 to 1"),
    "binary": (_flag, "true or false"),
    "gating": (_name, "a name"),
    "min_answered": (_share, "a number from 0 to 1"),
    "weights": (_weights, "a mapping from names to numbers of at least 0"),
    "gate_tags": (_names, "a list of tags"),
    "template": (_template, "a text with {question} in it"),
    "sentences": (_name, "a name"),
    "official": (_flag, "true or false"),
    "plain_mean": (_flag, "true or false"),
    "per_image": (_flag, "true or false"),
    "before_2026_04": (_flag, "true or false"),
}
"""How each option is read, and what it must be."""


def read_options(given: Mapping[str, Any]) -> Options:
    """The options given, over the defaults; ValueError names an option that does not exist or does not fit."""
    read = {}
    for name, value in given.items():
        if name not in CHECKS:
            raise ValueError(unknown("option of the questions reward", name, [one.name for one in fields(Options)]))
        check, wanted = CHECKS[name]
        read[name] = check(value)
        if read[name] is None:
            raise ValueError(f"the option {name!r} of the questions reward is {wanted}, not {value!r}")
    return Options(**read)
