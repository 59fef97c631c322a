"""rubric: the reward made of a judge's marks, one call or several an image (WISE, VIEScore, ImgEdit, KRIS, RISE).

The questions of a sample are its marks: `text` is the name a judge writes it under (or the question it is about),
`worth` its scale, `group` the call it is asked in. A call whose reply cannot be read is asked up to three times; then
its marks have no value. Marks are joined by the names in `reward/combine.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reward.call import Call, query_of, read_call, render
from reward.combine import COMBINES, classes_of, combine_verdicts, group
from reward.marks import Unreadable, read_marks, recorded_marks, value_of
from reward.options import Options, read_options
from reward.questions import digest, first_failed, skipped
from reward.reward import Reward, check_range
from reward.verdict import Score, Verdict
from reward.verifier import Query, Reply, Verifier
from tasks.registry import unknown
from tasks.sample import Generation, Question, Response, Sample
from tasks.task import RewardSpec

SPEC = RewardSpec("rubric", "marks", "mean")
TRIES = 3
"""How often a judge is asked when its replies cannot be read."""


@dataclass(slots=True)
class Ask:
    """One call about one image, and what has become of it."""

    row: int
    call: Call
    generation: Generation
    response: Response
    questions: tuple[Question, ...]
    earlier: tuple[tuple[str, str], ...] = ()
    replies: tuple[Reply, ...] = ()
    verdicts: tuple[Verdict, ...] = ()

    def query(self) -> Query:
        """The next query."""
        query = query_of(self.call, self.generation.sample, self.response, self.questions, len(self.replies))
        about = (self.generation.sample.id, self.generation.seed, self.questions[0].group)
        return replace(query, earlier=self.earlier, about=about)


class RubricReward:
    """Asks a judge for marks and combines them."""

    def __init__(self, combine: str, calls: Mapping[str, Call], options: Options, verifier: Verifier) -> None:
        self.combine, self.calls, self.options, self.verifier = combine, calls, options, verifier
        self.range = (0.0, 1.0)
        wordings = {name: call.record() for name, call in sorted(calls.items())}
        told: dict[str, Any] = {
            "kind": "rubric",
            "reading": "marks",
            "combine": combine,
            "options": {**options.record(), "calls": wordings, "tries": TRIES},
            "prompts_sha256": digest({name: one["text"] for name, one in wordings.items()}),
        }
        self.id = digest({**told, "verifier": verifier.id})
        self.record: Mapping[str, Any] = {"id": self.id, **told}

    def score(self, generations: Sequence[Generation]) -> list[Score]:
        """One score a generation, in order; None as its value means unscored, never zero."""
        asks = [ask for row, one in enumerate(generations) for ask in self._asks(row, one)]
        self._prepare(asks)
        for _ in range(TRIES):
            waiting = [ask for ask in asks if not ask.verdicts]
            for ask, reply in zip(waiting, self._ask([ask.query() for ask in waiting]), strict=True):
                ask.replies = (*ask.replies, reply)
                ask.verdicts = verdicts_of(ask)
        return [
            self._judge(one, {verdict.question: verdict for ask in asks if ask.row == row for verdict in ask.verdicts})
            for row, one in enumerate(generations)
        ]

    def _asks(self, row: int, generation: Generation) -> list[Ask]:
        sample, response = generation.sample, generation.response
        if response is None:
            return []
        grouped = classes_of(group, sample.questions)
        return [
            Ask(row, call_for(self.calls, sample, name), generation, response,
                tuple(sample.questions[one] for one in places))
            for name, places in grouped.items()
        ]  # fmt: skip

    def _prepare(self, asks: Sequence[Ask]) -> None:
        """Asks what comes before a call, once an image, and puts the reply before it."""
        first = {(ask.row, ask.call.after): ask for ask in asks if ask.call.after}
        queries = [
            replace(query_of(self.calls[name], ask.generation.sample, ask.response, (), 0),
                    about=(ask.generation.sample.id, ask.generation.seed, ""))
            for (_, name), ask in first.items()
        ]  # fmt: skip
        replies = dict(zip(first, self._ask(queries), strict=True))
        for ask in asks:
            if ask.call.after:
                reply = replies[ask.row, ask.call.after]
                said = render(self.calls[ask.call.after], ask.generation.sample, ())
                ask.earlier = ((said, reply.text),)
                if reply.status != "ok":
                    ask.verdicts = tuple(unread(one, reply) for one in ask.questions)

    def _ask(self, queries: Sequence[Query]) -> list[Reply]:
        replies = self.verifier.ask(queries) if queries else []
        if len(replies) != len(queries):
            raise ValueError(f"verifier {self.verifier.id!r} gave {len(replies)} replies to {len(queries)} queries")
        return replies

    def _judge(self, generation: Generation, found: Mapping[str, Verdict]) -> Score:
        questions = generation.sample.questions
        if not questions:
            raise ValueError(f"sample {generation.sample.id!r} has no marks to ask for")
        if generation.error is not None:
            missing = tuple(skipped(question, generation.error.message) for question in questions)
            return Score(None, missing, status=generation.error.status, error=generation.error.message)
        verdicts = tuple(found[question.id] for question in questions)
        value, parts = combine_verdicts(self.combine, questions, verdicts, self.options)
        if value is None:
            cause = first_failed(verdicts)
            return Score(None, verdicts, parts, cause.status, cause.error)
        return Score(check_range(self, generation, value), verdicts, parts)


def call_for(calls: Mapping[str, Call], sample: Sample, name: str) -> Call:
    """The call of a group of marks: that of its name, unless the sample's `calls` name another for it."""
    chosen = sample.reference.get("calls", {}).get(name, name)
    if chosen not in calls or not calls[chosen].form:
        raise ValueError(unknown(f"call for sample {sample.id!r}", chosen, calls))
    return calls[chosen]


def verdicts_of(ask: Ask) -> tuple[Verdict, ...]:
    """The verdicts of a call after its last reply; none while it may be asked again."""
    reply = total(ask)
    if reply.status != "ok":
        return tuple(unread(one, reply) for one in ask.questions)
    try:
        marks = marks_of(ask, reply)
        values = [value_of(mark, one.worth, ask.call.between) for mark, one in zip(marks, ask.questions, strict=True)]
    except Unreadable as error:
        if len(ask.replies) < TRIES:
            return ()
        return tuple(unread(one, replace(reply, status="parse_error", error=str(error))) for one in ask.questions)
    return tuple(
        Verdict(one.id, value, mark, reply=reply) for one, value, mark in zip(ask.questions, values, marks, strict=True)
    )


def marks_of(ask: Ask, reply: Reply) -> list[str]:
    """The marks of a reply, in the order of its questions; Unreadable says why there are none."""
    if reply.marks:
        return recorded_marks(reply.marks, [(one.id, one.text) for one in ask.questions])
    return read_marks(ask.call.form, reply.text, [one.text for one in ask.questions])


def unread(question: Question, reply: Reply) -> Verdict:
    """The verdict of a mark that did not come; what the judge said instead stands beside it."""
    return Verdict(question.id, None, reply.text, reply.status, reply.error, reply)


def total(ask: Ask) -> Reply:
    """The last reply, with the expense of all; its key makes the marks of one call count as one call."""
    last, asked = ask.replies[-1], [ask.generation.sample.id, ask.generation.seed, ask.questions[0].group]
    return replace(
        last,
        key=last.key or digest({"call": asked}),
        tries=sum(one.tries for one in ask.replies),
        seconds=sum(one.seconds for one in ask.replies),
        tokens_in=sum(one.tokens_in for one in ask.replies),
        tokens_out=sum(one.tokens_out for one in ask.replies),
    )


def build(spec: RewardSpec, verifier: Verifier) -> Reward:
    """The reward a task names; ValueError names what does not exist or is missing."""
    if spec.reading != "marks":
        raise ValueError(unknown("reading of a rubric", spec.reading, ["marks"]))
    if spec.combine not in COMBINES:
        raise ValueError(unknown("combine", spec.combine, COMBINES))
    given = {"min_answered": 1.0, **spec.options}
    calls = {name: read_call(name, one) for name, one in given.pop("calls", {}).items()}
    if not calls:
        raise ValueError("a rubric needs the option 'calls': how the judge is asked for its marks")
    for name, call in calls.items():
        if call.after and (call.after not in calls or calls[call.after].form):
            raise ValueError(f"the call {name!r} comes after {call.after!r}, which is no call without a form")
    options = read_options(given)
    if COMBINES[spec.combine].weighs is not None and not options.weights:
        raise ValueError(f"the combine {spec.combine!r} needs the option 'weights'")
    return RubricReward(spec.combine, calls, options, verifier)
