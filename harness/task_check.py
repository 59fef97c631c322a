"""Whether a task can be scored as it says: questions, parents, weights, wordings, files, and one sample end to end."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from harness.assemble import build_reward, load_task
from harness.shown import STAND_IN, stood_in
from reward.asking import described
from reward.call import Call, read_call, render
from reward.gating import ancestors
from reward.lettering_prompt import NOTHING, PROMPT
from reward.reward import Reward
from reward.verifier import VERIFIERS, Query, Reply
from tasks.data import checksums
from tasks.registry import find_module
from tasks.sample import Generation, Question, Response, Sample
from tasks.task import OVER_TAGS, Task


@dataclass(frozen=True, slots=True)
class Report:
    """What was found: facts, faults that forbid its use, and findings about published data, which change nothing."""

    name: str
    facts: Sequence[str] = ()
    faults: Sequence[str] = ()
    findings: Sequence[str] = ()

    def record(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {**asdict(self), "sound": not self.faults}


@dataclass(slots=True)
class Stub:
    """A verifier that gives every question its best answer, or its worst, without a look."""

    questions: Mapping[str, Question]
    reading: str
    best: bool
    id: str = "stub"
    record: Mapping[str, Any] = field(default_factory=lambda: {"name": "stub", "mode": "rule"})

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        """One reply a query, in order."""
        return [self._answer(query) for query in queries]

    def _answer(self, query: Query) -> Reply:
        if query.answers and self.reading == "cosine":
            return Reply("ok", "1" if self.best else "0")
        if query.answers:
            said = self._said(self.questions[query.about[2]])
            return Reply("ok", said, {said: 1.0})
        if query.text == PROMPT:
            return Reply("ok", "\n".join(one.text for one in self.questions.values()) if self.best else NOTHING)
        marks = {one.id: self._said(one) for one in self.questions.values()}
        return Reply("ok", '{"detections": []}', marks=marks)

    def _said(self, question: Question) -> str:
        worth = {**question.worth} | ({"no": 0.0} if set(question.worth) == {"yes"} else {})
        if not self.best and min(worth.values()) == max(worth.values()):
            return "neither"
        return (max if self.best else min)(worth, key=lambda answer: worth[answer])


def check_task(name: str, arguments: Mapping[str, Any]) -> Report:
    """Everything that can be found out about a task without a model; ValueError where it cannot even be loaded."""
    task = load_task(name, arguments)
    faults = [*empty(task), *questions_of(task), *tags_of(task), *verifier_of(task)]
    facts = facts_of(task)
    if not faults:
        try:
            facts.append(end_to_end(task))
            faults += wordings_of(task)
        except ValueError as error:
            faults.append(f"sample {task.samples[0].id!r} cannot be scored: {error}")
    return Report(f"{task.name}@{task.version} {task.split}", facts, faults, task.findings)


def facts_of(task: Task) -> list[str]:
    """Counts, reward, licence and files."""
    asked = sum(len(one.questions) for one in task.samples)
    spec, images = task.reward, f"{task.images} image{'s' if task.images > 1 else ''} a prompt"
    strange = [f"{file}: its SHA-256 is none that is known here" for file, digest in task.files.items()
               if checksums().get(file) != digest]  # fmt: skip
    files = strange or ([f"data files: {len(task.files)}, all known by their SHA-256"] if task.files else [])
    return [
        f"{len(task.samples)} samples, {asked} questions, {images}",
        f"reward {spec.kind}, reading {spec.reading}, combine {spec.combine}, verifier {spec.verifier}, "
        f"headline {task.headline}",
        f"licence: {task.licence or 'not said'}",
        *files,
    ]


def empty(task: Task) -> list[str]:
    """Samples that ask for nothing."""
    return [
        *([] if task.samples else ["it has no samples"]),
        *(f"sample {one.id!r} has an empty prompt" for one in task.samples if not one.request.prompt.strip()),
        *(f"sample {one.id!r} has no questions" for one in task.samples if not one.questions),
        *([] if task.images >= 1 else [f"it asks for {task.images} images a prompt"]),
    ]


def questions_of(task: Task) -> list[str]:
    """Questions that nobody could answer or value; parents are the data's affair where a benchmark was published."""
    found = []
    for sample in task.samples:
        for question in sample.questions:
            place = f"sample {sample.id!r} question {question.id!r}"
            if not question.text.strip():
                found.append(f"{place} has no text")
            if not question.worth:
                found.append(f"{place} accepts no answer")
            wrong = [one for one in question.worth.values() if not (math.isfinite(one) and 0.0 <= one <= 1.0)]
            found += [f"{place} is worth {one}, which does not lie between 0 and 1" for one in wrong]
        if not task.files:
            found += parents_of(sample)
    return found


def parents_of(sample: Sample) -> list[str]:
    """Parents that do not exist, and questions that stand above themselves."""
    ids, above = {one.id for one in sample.questions}, ancestors(sample.questions)
    found = []
    for place, question in enumerate(sample.questions):
        where = f"sample {sample.id!r} question {question.id!r}"
        found += [f"{where} needs {one!r}, which does not exist" for one in question.needs if one not in ids]
        if question.id in question.needs or any(place in above[one] for one in above[place]):
            found.append(f"{where} stands above itself")
    return found


def tags_of(task: Task) -> list[str]:
    """Tags that the headline weighs and nothing has: it would never have a value."""
    if task.headline not in OVER_TAGS:
        return []
    there = Counter(tag for sample in task.samples for tag in sample.tags)
    there.update(one.tag.partition(" - ")[0] for sample in task.samples for one in sample.questions)
    there.update(one.tag for sample in task.samples for one in sample.questions)
    return [f"the headline weighs the tag {tag!r}, which no sample has" for tag in task.weights if tag not in there]


def verifier_of(task: Task) -> list[str]:
    """The task's verifier, where there is none of that name."""
    try:
        module = find_module("verifier", task.reward.verifier, VERIFIERS)
    except (ValueError, ModuleNotFoundError) as error:
        return [str(error)]
    lacking = {"Arguments", "build"} - set(vars(module))
    return [f"the module {module.__name__} is no verifier: it has no {', '.join(sorted(lacking))}"] if lacking else []


def wordings_of(task: Task) -> list[str]:
    """Wordings that cannot be filled in for some sample."""
    calls = {name: read_call(name, one) for name, one in task.reward.options.get("calls", {}).items()}
    return [fault for sample in task.samples for fault in unfilled(calls, sample)]


def unfilled(calls: Mapping[str, Call], sample: Sample) -> list[str]:
    """What a sample lacks for the wordings of its groups."""
    found = []
    for group in dict.fromkeys(one.group for one in sample.questions) if calls else ():
        name = sample.reference.get("calls", {}).get(group, group)
        if name not in calls:
            found.append(f"sample {sample.id!r} asks for {group!r}, and there is no call {name!r}")
            continue
        try:
            render(calls[name], sample, sample.questions)
        except ValueError as error:
            found.append(str(error))
    return found


def end_to_end(task: Task) -> str:
    """The first sample scored with the best answers and with the worst; ValueError where that gives no value."""
    sample = stood_in(task.samples[0])
    asked, task = {one.id: one for one in sample.questions}, without_verifiers(task)
    best, worst = (
        value_of(build_reward(task, Stub(asked, task.reward.reading, good)), sample) for good in (True, False)
    )
    if task.reward.kind == "detector":
        return f"sample {sample.id!r} scored end to end: {worst:g} where nothing is detected"
    if best <= worst:
        raise ValueError(f"the best answers give {best:g}, no more than the worst, {worst:g}")
    return f"sample {sample.id!r} scored end to end: {best:g} with the best answers, {worst:g} with the worst"


def without_verifiers(task: Task) -> Task:
    """The task with one verifier for all parts of its reward: checking opens no model."""
    shared = {
        name: {key: value for key, value in part.items() if key not in ("verifier", "verifier_args")}
        for name, part in described(task.reward).items()
    }
    if not shared:
        return task
    parts = {**task.reward.options["parts"], **shared}  # what is no part at all stays, for the reward to name
    return replace(task, reward=replace(task.reward, options={**task.reward.options, "parts": parts}))


def value_of(reward: Reward, sample: Sample) -> float:
    """The score of a grey picture."""
    (score,) = reward.score([Generation(sample, 0, Response(STAND_IN))])
    if score.value is None:
        raise ValueError(f"it has no value ({score.status}: {score.error})")
    return score.value
