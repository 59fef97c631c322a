"""A protocol between us and a server that verifies: how queries travel, and replies come back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from reward.encoding import Encoded
from reward.verifier import Query, Reply


class Wire(Protocol):
    """A protocol: how queries are put into requests, and replies read out of answers."""

    @property
    def path(self) -> str:
        """Where requests go, below the base address."""
        ...

    def parcels(self, queries: Sequence[Query]) -> list[list[int]]:
        """Which queries travel together, by their places."""
        ...

    def body(self, queries: Sequence[Query], pictures: Mapping[int, Encoded]) -> bytes:
        """The request of one parcel."""
        ...

    def read(self, content: Any, queries: Sequence[Query]) -> list[Reply]:
        """One reply a query of the parcel, from the answer's JSON; Unreadable when it is no answer at all."""
        ...
