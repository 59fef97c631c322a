"""Marks in a judge's reply: strict forms, each a pure function from a text to one mark for every name.

A mark counts when its name occurs exactly once and its number is there; nothing is guessed from what else the reply
says. Whether a mark lies on the scale is decided by `value_of`. Forms raise Unreadable with the reason.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

LONGEST = 100_000
"""Characters of the longest reply that is read."""
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
FENCE = re.compile(r"\A\s*```[a-zA-Z]*\n(.*)\n\s*```\s*\Z", re.DOTALL)
BOLD = re.compile(r"\*\*|__")
BEFORE = re.compile(r"\s*(?:[-*•]|\d+[.)])?\s*")
"""What may stand before a name: a bullet or a number."""
AFTER = re.compile(r"\s*[:=]\s*([-+]?\d+(?:\.\d+)?(?:\s*/\s*\d+)?)\s*\.?\s*")
"""What stands behind a name: its mark."""
YES_NO = re.compile(r"\s*(yes|no)\b", re.IGNORECASE)
TAGS = ("<analysis>", "</analysis>", "<score>", "</score>")


class Unreadable(Exception):
    """A reply holds no marks, or not those asked for."""


def named_lines(text: str, names: Sequence[str]) -> list[str]:
    """`Name: 3` on a line of its own for every name; bold markup, a full stop and `3/5` are allowed."""
    lines = BOLD.sub("", text).splitlines()
    return [named_line(lines, name) for name in names]


def named_line(lines: Sequence[str], name: str) -> str:
    """The number that stands behind a name, or its plural; the name occurs once in all lines."""
    label = re.compile(rf"(?<!\w){re.escape(name)}s?(?!\w)", re.IGNORECASE)
    found = [match for line in lines for match in label.finditer(line)]
    if len(found) != 1:
        raise Unreadable(f"{name!r} occurs {len(found)} times, not once")
    line = found[0].string
    mark = AFTER.fullmatch(line, found[0].end())
    if mark is None or not BEFORE.fullmatch(line, 0, found[0].start()):
        raise Unreadable(f"{name!r} is not followed by a number alone: {line.strip()[:60]!r}")
    return mark[1]


def json_marks(text: str, names: Sequence[str]) -> list[str]:
    """The JSON object of the reply, with a number under every name."""
    content = json_object(text)
    folded: dict[str, list[Any]] = {}
    for key, value in content.items():
        folded.setdefault(key.strip().lower(), []).append(value)
    found = []
    for name in names:
        values = folded.get(name.lower(), [])
        if len(values) != 1:
            raise Unreadable(f"{name!r} occurs {len(values)} times, not once")
        found.append(number_text(values[0], name))
    return found


def json_numbered(text: str, names: Sequence[str]) -> list[str]:
    """The JSON object of the reply, with a number under "1", "2" and so on, one for every name and no others."""
    content = json_object(text)
    wanted = [str(place) for place in range(1, len(names) + 1)]
    if sorted(content) != sorted(wanted):
        raise Unreadable(f"the numbers are {', '.join(content)[:80]} and not 1 to {len(names)}")
    return [number_text(content[place], place) for place in wanted]


def json_list(text: str, names: Sequence[str]) -> list[str]:
    """The list under `score` of the JSON object of the reply, or a bare list; as long as there are names."""
    try:
        content = parse_json(text)
    except Unreadable:
        content = json_object(text)
    if isinstance(content, Mapping):
        content = content.get("score")
    return number_list(content, names)


def tagged_lists(text: str, names: Sequence[str]) -> list[str]:
    """`<analysis>[...]</analysis><score>[...]</score>`, two lists as long as there are names."""
    places = [text.find(tag) for tag in TAGS]
    if any(text.count(tag) != 1 for tag in TAGS) or places != sorted(places):
        raise Unreadable(f"the reply does not hold {' '.join(TAGS)}, each once")
    analysis = literal(text[places[0] + len(TAGS[0]) : places[1]])
    if not isinstance(analysis, list) or len(analysis) != len(names):
        raise Unreadable(f"the analysis is no list of {len(names)}")
    return number_list(literal(text[places[2] + len(TAGS[2]) : places[3]]), names)


def yes_no_lines(text: str, names: Sequence[str]) -> list[str]:
    """The lines that begin with yes or no, in order, one for every name; other lines are comments."""
    found = [match[1].lower() for line in text.splitlines() if (match := YES_NO.match(line))]
    if len(found) != len(names):
        raise Unreadable(f"{len(found)} lines begin with yes or no, not {len(names)}")
    return found


def last_marks(text: str, names: Sequence[str]) -> list[str]:
    """The last digit behind every name, or as many bare lines as there are names: WISE's released reading.

    It is looser than the other forms; only the option `official` asks for it.
    """
    bare = [line.strip() for line in text.splitlines() if line.strip()]
    found = []
    for place, name in enumerate(names):
        marks = re.findall(rf"{re.escape(name)}[*_]*\s*[:=]?\s*[*_]*\s*(\d)(?!\d)", text, re.IGNORECASE)
        if not marks and len(bare) == len(names) and all(re.fullmatch(r"\d", line) for line in bare):
            marks = [bare[place]]
        if not marks:
            raise Unreadable(f"{name!r} has no mark")
        found.append(marks[-1])
    return found


Form = Callable[[str, Sequence[str]], list[str]]
FORMS: Mapping[str, Form] = {
    "lines": named_lines,
    "last marks": last_marks,
    "json": json_marks,
    "json numbered": json_numbered,
    "json list": json_list,
    "tagged lists": tagged_lists,
    "yes no lines": yes_no_lines,
}
"""How a judge writes its marks, by name."""


def read_marks(form: str, text: str, names: Sequence[str]) -> list[str]:
    """One mark as text for every name; Unreadable says why there is none."""
    if len(text) > LONGEST:
        raise Unreadable(f"the reply has more than {LONGEST} characters")
    return FORMS[form](text, names)


def recorded_marks(recorded: Mapping[str, str], names: Sequence[tuple[str, str]]) -> list[str]:
    """A mark for every name, each of which has two spellings, from marks that were read long ago."""
    folded = {fold(name): mark for name, mark in recorded.items()}
    found = [next((folded[one] for one in map(fold, pair) if one in folded), None) for pair in names]
    missing = [pair[0] for pair, mark in zip(names, found, strict=True) if mark is None]
    if missing:
        raise Unreadable(f"no mark is recorded for {', '.join(map(repr, missing))}")
    return [mark for mark in found if mark is not None]


def fold(name: str) -> str:
    """A name without regard to case and to what stands between its words: `aesthetic_quality`, `Aesthetic Quality`."""
    return " ".join("".join(one if one.isalnum() else " " for one in name.lower()).split())


def value_of(mark: str, worth: Mapping[str, float], between: bool = False) -> float:
    """The value of a mark: that of the answer it equals, or between two of them where that is allowed."""
    number, _, top = (part.strip() for part in mark.partition("/"))
    scale = sorted((float(answer), value) for answer, value in worth.items() if NUMBER.fullmatch(answer))
    if not top or (scale and float(top) == scale[-1][0]):
        if number in worth:
            return worth[number]
        for (low, low_value), (high, high_value) in pairwise(scale if between else ()):
            if low < float(number) < high:
                return low_value + (high_value - low_value) * (float(number) - low) / (high - low)
    raise Unreadable(f"the mark {mark!r} is none of: {', '.join(worth)}")


def json_object(text: str) -> dict[str, Any]:
    """The one JSON object in a text: the whole of it, or the only one that stands between other words."""
    try:
        content = parse_json(text)
    except Unreadable:
        content = only_object(text)
    if not isinstance(content, dict):
        raise Unreadable("the reply is no JSON object")
    return content


def only_object(text: str) -> dict[str, Any]:
    """The only JSON object among other words; Unreadable where there is none, or several."""
    decoder, found, start = json.JSONDecoder(object_pairs_hook=without_doubles), [], 0
    while (start := text.find("{", start)) >= 0:
        try:
            content, start = decoder.raw_decode(text, start)
            found.append(content)
        except (ValueError, RecursionError):
            start += 1
    if len(found) != 1:
        raise Unreadable(f"the reply holds {len(found)} JSON objects, not one")
    only: dict[str, Any] = found[0]
    return only


def parse_json(text: str) -> Any:
    """A text that is JSON, in a code fence or not."""
    fenced = FENCE.match(text)
    try:
        return json.loads(fenced[1] if fenced else text, object_pairs_hook=without_doubles)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"the reply is not JSON: {error}") from None


def without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names occur once; ValueError for one with a name twice."""
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise ValueError("a name occurs twice")
    return dict(pairs)


def literal(text: str) -> Any:
    """A Python or JSON literal."""
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise Unreadable(f"{text.strip()[:40]!r} is no list") from None


def number_list(content: Any, names: Sequence[str]) -> list[str]:
    """A list of as many numbers as there are names."""
    if not isinstance(content, list) or len(content) != len(names):
        raise Unreadable(f"the score is no list of {len(names)}")
    return [number_text(one, name) for one, name in zip(content, names, strict=True)]


def number_text(value: Any, name: str) -> str:
    """A number as text; a text that is a number counts as one."""
    if isinstance(value, str) and NUMBER.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Unreadable(f"{name!r} has the mark {str(value)[:40]!r}, which is no number")
    return f"{value:.12g}"
