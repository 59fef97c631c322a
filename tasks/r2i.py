"""r2i-bench: R2I-Bench, prompts that must be reasoned about, with weighted questions and their criteria.

All questions of an image are asked in one call and valued from 0 to 1; an image is their weighted mean, the figure the
mean of the seven categories (ours: the authors print categories alone). The released evaluator never shows the judge
its questions, so no published figure means what it says and there is no golden row; no option brings that back.
`official` leaves four kinds of common sense out, and rounds images and categories to two decimals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.card import Card
from tasks.data import DataFile, Origin, check_count, hashes, read_file, version_of
from tasks.sample import Question, Request, Sample
from tasks.scale import RIGHT_OR_WRONG
from tasks.task import Task, equal, rubric

ORIGIN = Origin("R2I-Bench", "PLUM-Lab/R2I-Bench", "874e8a1b20a246fe390152c767534a8abcfeae82", "none stated")
CARD = Card(
    title="R2I-Bench",
    kind="rubric",
    reading="values 0..1, all in one reply",
    combining="weighted mean",
    headline="mean of 7 tags",
    judge="GPT-4o",
    prompts=2883,
    images=1,
    calls=2883,
    origin=ORIGIN,
)
CATEGORIES: Mapping[str, tuple[int, int, tuple[str, ...]]] = {
    "logical": (630, 2878, ("abductive", "categorical", "conjunctive", "deductive", "disjunctive", "hypothetical",
                            "sufficient_conditional")),
    "commonsense": (695, 4172, ("affordance", "attribute", "color", "emotion_intention_commonsense",
                                "social_cultural_knowledge_object", "social_cultural_knowledge_scene",
                                "temporal_understanding")),
    "mathematical": (700, 4424, ("combinatorial", "cryptographic_encoding", "geometrical_transformations",
                                 "number_theory", "set_theory", "spatial_reasoning", "vector_matrix_visualization")),
    "compositional": (311, 2133, ("creative_compositional", "inferential_spatial", "prescriptive_spatial")),
    "numerical": (301, 1326, ("approximate_number_generation", "conceptual_quantitative", "exact_number_generation")),
    "concept_mixing": (100, 546, ("literal_mixing",)),
    "causal": (151, 1119, ("cause_to_effect", "effect_to_cause")),
}  # fmt: skip
"""Prompts, questions and subcategories of each category, of those that have both."""
HALVES = {
    "data/prompts/concept_mixing/concept_mixing_functional_mixing.csv": "prompts have no questions",
    "data/evaluation/mathematical/mathematical_function_eval.csv": "questions have no prompts",
}
"""Subcategories that lack their other half."""
LEFT_OUT = ("affordance", "attribute", "color", "emotion_intention_commonsense")
"""Subcategories that the released evaluator leaves out."""
Rows = Sequence[Mapping[str, str]]
COMBINATORIAL = "\nUnless every arrangement that is required is there, questions about repeated arrangements and about\
 arrangements that are not allowed score 0."


@dataclass(frozen=True, slots=True)
class Arguments:
    """By which rule."""

    official: bool = False
    """Leaves four subcategories out, and rounds to two decimals."""
    data: Path | None = None
    """Folder of the data files."""
    any_version: bool = False
    """Whether files with other counts will do."""


def load(arguments: Arguments) -> Task:
    """The task; ValueError says which file is missing or of another version."""
    files, samples, findings = read_all(arguments)
    weights = {one.tag: float(one.tag.removeprefix("weight ")) for sample in samples for one in sample.questions}
    call = {"template": "r2i.txt", "form": "json numbered", "between": True, "max_tokens": 1000}
    return Task(
        name="r2i-bench",
        version=version_of("1", files),
        split="test",
        samples=tuple(samples),
        reward=rubric(
            "weighted", weights=dict(sorted(weights.items())), official=arguments.official, calls={"points": call}
        ),
        headline="mean of tags",
        weights=equal(CATEGORIES),
        decimals={"image": 2, "tag": 2} if arguments.official else {},
        licence=ORIGIN.licence,
        citation="Chen et al., R2I-Bench, 2025",
        files=hashes(files),
        findings=tuple(findings),
    )


def read_all(arguments: Arguments) -> tuple[list[DataFile], list[Sample], list[str]]:
    """All files, the samples that can be scored, and what is odd."""
    files: list[DataFile] = []
    samples: list[Sample] = []
    findings: list[str] = []
    for category, (prompts, questions, subcategories) in CATEGORIES.items():
        rows = asked = 0
        for name in subcategories:
            pair = read_pair(category, name, arguments.data)
            tables = [file.table() for file in pair]
            files += pair
            rows, asked = rows + len(tables[0]), asked + len(tables[1])
            if not (arguments.official and name in LEFT_OUT):
                found, faults = samples_of(category, name, *tables)
                samples, findings = samples + found, findings + faults
        check_count(files[-2], "prompts with those of its category", rows, prompts, arguments.any_version)
        check_count(files[-1], "questions with those of its category", asked, questions, arguments.any_version)
    for path, lack in HALVES.items():
        files.append(read_file(ORIGIN, path, arguments.data))
        findings.append(f"{path}: its {len(files[-1].table())} {lack}, so they are left out")
    return files, samples, findings


def read_pair(category: str, name: str, data: Path | None) -> list[DataFile]:
    """Prompts and questions of a subcategory."""
    paths = (f"data/prompts/{category}/{category}_{name}.csv", f"data/evaluation/{category}/{name}_eval.csv")
    return [read_file(ORIGIN, path, data) for path in paths]


def samples_of(category: str, name: str, prompts: Rows, asked: Rows) -> tuple[list[Sample], list[str]]:
    """The prompts of a subcategory that have questions, and what is odd about it."""
    questions: dict[str, list[Mapping[str, str]]] = {}
    for row in asked:
        questions.setdefault(row["source_id"].strip(), []).append(row)
    samples, findings = [], []
    for row in prompts:
        number = row["id"].strip()
        where, some = f"{category}/{name}/{number}", questions.pop(number, [])
        if some:
            rule = COMBINATORIAL if name == "combinatorial" else ""
            tags = (category, f"{category}: {name}")
            samples.append(Sample(where, Request(row["Prompt"]), _questions(where, some), tags, {"rule": rule}))
        else:
            findings.append(f"{where}: has no questions, so it is left out")
        findings += faults_of(where, some)
    return samples, findings + [f"{category}/{name}/{number}: has questions and no prompt" for number in questions]


def _questions(where: str, rows: Rows) -> tuple[Question, ...]:
    """Keyed by place, since an id may occur twice; the tag holds the weight."""
    found = []
    for place, row in enumerate(rows, start=1):
        try:
            weight = float(row["weight"])
        except ValueError:
            raise ValueError(f"question {place} of {where} of R2I-Bench has the weight {row['weight']!r}") from None
        text = f"{row['question'].strip()} Criteria: {row['evaluation_criteria'].strip()}"
        found.append(Question(f"q{place}", text, RIGHT_OR_WRONG, "points", f"weight {weight:g}"))
    return tuple(found)


def faults_of(where: str, rows: Rows) -> list[str]:
    """Ids that occur twice, and questions without weight."""
    ids = [row["id"].strip() for row in rows]
    found = [f"{where}: has the question id {one} twice" for one in dict.fromkeys(ids) if ids.count(one) > 1]
    return found + [f"{where}: question {row['id']} has the weight 0" for row in rows if float(row["weight"]) == 0.0]
