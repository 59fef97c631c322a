"""dpg: DPG-Bench, dense prompts with many facts each.

The questions (dpg_bench.csv of the ELLA repository) are the user's to bring; their columns are those of DSG-1k.
Published figures need a model's pictures and the judge mPLUG, so there is no golden row; the gate with cascade is held
by hand-worked rows. `official` counts as the released script does: it skips the first row of the file, so that the
first item is left out, and its figures of categories are those of the last image of a prompt, before the gate; ours are
of all images, after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tasks.card import Card
from tasks.data import Origin, check_count, hashes, read_file, users_questions, version_of
from tasks.proposition import Item, findings_of, items_of, questions_of
from tasks.sample import Request, Sample
from tasks.task import RewardSpec, Task

ORIGIN = Origin("DPG-Bench", "TencentQQGYLab/ELLA", "3c228f1dc6c4d3cad0a47493816151a419f14db3", "Apache-2.0", free=True)
CARD = Card(
    title="DPG-Bench",
    kind="questions",
    reading="exact",
    combining="gate with cascade, mean",
    headline="mean x 100",
    judge="mPLUG-large VQA, or a chat judge",
    prompts=1065,
    images=4,
    calls=0,
    origin=ORIGIN,
)
PROMPTS, QUESTIONS = "dpgbench_prompts.json", "dpg_bench.csv"
ADVICE = f"put it beside {PROMPTS} or name it with --task-args questions=FILE"
TEMPLATE = "{question} Answer with yes or no only."


@dataclass(frozen=True, slots=True)
class Arguments:
    """Where the questions are, and by which rule they count."""

    questions: Path | None = None
    """dpg_bench.csv of the ELLA repository; looked for beside the prompts when not given."""
    official: bool = False
    """Leaves the first item out, and counts categories on the last image before the gate, as released."""
    data: Path | None = None
    """Folder of the data files."""
    any_version: bool = False
    """Whether files with other counts will do."""


def load(arguments: Arguments) -> Task:
    """The task; ValueError says which file is missing or of another version."""
    prompts = read_file(ORIGIN, PROMPTS, arguments.data)
    questions = users_questions(
        ORIGIN, CARD.title, QUESTIONS, arguments.questions, arguments.data, ADVICE, "dpg_bench/"
    )
    texts: Mapping[str, str] = {name.removesuffix(".txt"): text for name, text in prompts.json().items()}
    items = items_of(questions.name, questions.table("\t" if questions.name.endswith(".tsv") else ","))
    check_count(prompts, "prompts", len(texts), CARD.prompts, arguments.any_version)
    check_count(questions, "items", len(items), CARD.prompts, arguments.any_version)
    kept = items[1:] if arguments.official else items
    return Task(
        name="dpg",
        version=version_of("1", [prompts, questions]),
        split="test",
        samples=tuple(Sample(one.id, Request(texts.get(one.id, one.prompt)), questions_of(one)) for one in kept),
        reward=RewardSpec(
            reading="exact",
            combine="pooled",
            verifier="http",
            options={
                "gating": "cascade",
                "min_answered": 1.0,
                "template": TEMPLATE,
                "official": arguments.official,
            },
        ),
        images=CARD.images,
        scale=100.0,
        answer_tags=True,
        released_tags=arguments.official,
        licence=ORIGIN.licence,
        citation="Hu et al., ELLA, 2024",
        files=hashes([prompts, questions]),
        findings=(*strangers(items, texts), *findings_of(items)),
    )


def strangers(items: list[Item], texts: Mapping[str, str]) -> list[str]:
    """Items that only one of the two files has."""
    asked = {one.id for one in items}
    alone = [f"{one.id}: has questions and no prompt in {PROMPTS}" for one in items if one.id not in texts]
    return alone + [f"{name}: has a prompt and no questions" for name in texts if name not in asked]
