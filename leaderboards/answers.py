"""The verdicts of a run as columns: a million of them in seconds, where a dictionary a row would fill the memory."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.json

from harness.headline import Value, on_scale, with_parents
from harness.missing import counts_as_nothing

KEY = ["sample", "index", "question"]
SCHEMA = pa.schema([("sample", pa.string()), ("index", pa.int32()), ("question", pa.string()), ("value", pa.float64())])
HALF = 0.5
"""A question is met from here on, on the scale of its own answers."""


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """`table`: sample, index, question and value of every verdict, the last one of each key."""

    table: pd.DataFrame

    @classmethod
    def read(cls, folder: Path) -> Answers:
        """The verdicts of a finished run; none where the run asked nothing."""
        path = folder / "verdicts.jsonl"
        if not path.is_file() or not path.stat().st_size:
            return cls(SCHEMA.empty_table().to_pandas())
        options = pyarrow.json.ParseOptions(explicit_schema=SCHEMA, unexpected_field_behavior="ignore")
        found = pyarrow.json.read_json(path, parse_options=options)
        for name in ("sample", "question"):
            place = found.schema.get_field_index(name)
            found = found.set_column(place, name, found.column(name).dictionary_encode())
        table = found.select([*KEY, "value"]).to_pandas()
        return cls(table.drop_duplicates(KEY, keep="last"))

    def turned(self, other: Answers) -> dict[str, int]:
        """How many questions were met in one run, the other, both or neither, among those with a value in both."""
        both = self.table.astype({"sample": str, "question": str}).merge(
            other.table.astype({"sample": str, "question": str}), on=KEY, suffixes=("_before", "_after")
        )
        both = both.dropna(subset=["value_before", "value_after"])
        before, after = both["value_before"] >= HALF, both["value_after"] >= HALF
        return {
            "met in both": int((before & after).sum()),
            "gained": int((~before & after).sum()),
            "lost": int((before & ~after).sum()),
            "met in neither": int((~before & ~after).sum()),
        }

    def values(self, run: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> list[Value]:
        """The value of every planned answer, in the plan's order, on the task's scale."""
        absent = 0.0 if counts_as_nothing(run) else None
        given: dict[Any, float | None] = dict(
            zip(
                zip(*(self.table[name].astype(object) for name in KEY), strict=True),
                self.table["value"].tolist(),
                strict=True,
            )
        )
        found = []
        for row in rows:
            for tag, ids in run["task"]["answers"].get(row["sample"], {}).items():
                tags = (*row["tags"], *with_parents(tag))
                for one in ids:
                    value = given.get((row["sample"], row["index"], one))
                    # NaN is how a column keeps a missing value
                    there = absent if value is None or math.isnan(value) else value
                    found.append(Value(row["sample"], tags, on_scale(run, there)))
        return found
