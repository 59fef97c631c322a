"""Which verifier can answer what a reward asks: a pair that never could is refused before anything is drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from reward.asking import OWN, described
from reward.question_reader import read_question
from reward.several import Several
from reward.verifier import Verifier
from tasks.sample import Question
from tasks.task import RewardSpec, Task

ASKED = {
    "words": "questions whose answer is one word (yes or no)",
    "text": "marks and other answers in free text",
    "lettering": "what a picture spells",
    "objects": "which objects are where",
    "likeness": "how like a picture is to a text",
    "likelihood": "how likely a text is, given a picture",
}
"""What can be asked of a verifier, by kind."""
ABILITIES: Mapping[str, tuple[str, ...]] = {
    "pixels": ("words",),
    "tiny": ("words", "likelihood"),
    "self": ("words", "likelihood"),
    "local": ("words", "text", "lettering", "likelihood"),
    "http": ("words", "text", "lettering"),
    "http-batch": tuple(ASKED),
    "detector": ("objects",),
    "ocr": ("lettering",),
    "clip": ("likeness",),
    "style": ("likeness",),
}
"""Kinds that each verifier answers. A server behind http-batch says its own in `record["answers"]`; a verifier that
stands nowhere here, a module of the user's or recorded answers, may answer anything."""
NEEDS = {
    "questions": "words",
    "vqascore": "words",
    "rubric": "text",
    "lettering": "lettering",
    "detector": "objects",
    "readback": "likelihood",
}
"""What each kind of reward asks."""
READ = {"cosine": "likeness", "nearest": "text"}
"""What `questions` asks instead with some readings."""
READERS: Mapping[str, Callable[[str], object]] = {"pixels": read_question}
"""Verifiers that know the wording of some questions alone, with what gives None for any other."""


def abilities(verifier: Verifier) -> tuple[str, ...] | None:
    """The kinds that a verifier answers; None where nobody says."""
    told = verifier.record.get("answers")
    return tuple(told) if told is not None else ABILITIES.get(str(verifier.record.get("name")))


def check_able(verifier: Verifier, kind: str, asker: str) -> None:
    """ValueError where a verifier does not answer what is asked, with what would do in its place."""
    able = abilities(verifier)
    if able is None or kind in able:
        return
    rewards = [reward for reward, need in NEEDS.items() if need in able]
    raise ValueError(
        f"{asker} asks {ASKED[kind]}, and verifier {verifier.record.get('name')!r} answers only "
        f"{' and '.join(ASKED[one] for one in able)}; {others(kind, verifier)}"
        + (f"; rewards that it serves: {', '.join(rewards)}" if rewards else "")
    )


def others(kind: str, verifier: Verifier) -> str:
    """The verifiers that answer a kind, this one left out, and `self`, which is there only where a model draws."""
    left_out = ("self", verifier.record.get("name"))
    names = [name for name, able in ABILITIES.items() if kind in able and name not in left_out]
    return f"verifiers that answer this: {', '.join(names)}"


def check_task(task: Task, verifier: Verifier | Several) -> None:
    """ValueError where a verifier of a task's reward, or of a part of it, can answer none of its questions."""
    for name, spec in parts_of(task.reward).items():
        own = verifier.of(name) if isinstance(verifier, Several) else verifier
        need = READ.get(spec.reading) or NEEDS.get(spec.kind)
        if need is None:
            continue  # the reward itself complains about its kind
        asker = f"task {task.name!r}" + (f" in the part {name!r}" if name else "")
        check_able(own, need, asker)
        groups = (spec.kind,) if spec.kind in OWN else tuple(spec.options.get("groups", ()))
        asked = (one for sample in task.samples for one in sample.questions if not groups or one.group in groups)
        check_read(own, asked, asker)


def check_read(verifier: Verifier, questions: Iterable[Question], asker: str) -> None:
    """ValueError where a verifier knows the wording of some questions alone, and not of one that is asked."""
    reads = READERS.get(str(verifier.record.get("name")))
    texts = [one.text for one in questions] if reads is not None else []
    if reads is not None and texts and all(reads(text) is None for text in texts):
        raise ValueError(
            f"verifier {verifier.record.get('name')!r} can read none of the {len(texts)} questions of {asker}, such as "
            f"{texts[0][:80]!r}: it knows those of scenes alone; {others('words', verifier)}"
        )


def parts_of(spec: RewardSpec) -> dict[str, RewardSpec]:
    """Each part of a sum by its name, or the reward itself without one."""
    if spec.kind != "weighted":
        return {"": spec}
    return {
        name: RewardSpec(
            str(one.get("kind", "questions")), str(one.get("reading", "")), options={"groups": one.get("groups", ())}
        )
        for name, one in described(spec).items()
    }
