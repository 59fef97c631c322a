"""Several verifiers as one: a part of a weighted reward may have its own, all others share the run's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reward.asking import described
from reward.verifier import Query, Reply, Verifier
from tasks.task import RewardSpec


@dataclass(frozen=True, slots=True)
class Several:
    """The run's verifier, and those of parts by the names of the parts."""

    rest: Verifier
    named: Mapping[str, Verifier]

    @property
    def id(self) -> str:
        """The id of the run's verifier; those of parts stand in the reward's id."""
        return self.rest.id

    @property
    def record(self) -> Mapping[str, Any]:
        """What run.json keeps of the run's verifier."""
        return self.rest.record

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        """One reply a query, by the run's verifier."""
        return self.rest.ask(queries)

    def of(self, part: str) -> Verifier:
        """The verifier of a part."""
        return self.named.get(part, self.rest)


def own_verifiers(spec: RewardSpec) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Name and arguments of the verifier of each part that has its own."""
    return {
        name: (str(one["verifier"]), one.get("verifier_args", {}))
        for name, one in described(spec).items()
        if "verifier" in one
    }
