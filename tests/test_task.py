"""Tasks that could not be scored as they say are refused when they are built."""

from __future__ import annotations

import pytest

from tasks.sample import Question, Request, Sample
from tasks.task import RewardSpec, Task


def task(*samples: Sample, headline: str = "mean") -> Task:
    return Task("t", "1", "evaluation", samples, RewardSpec(), headline)


def sample(*questions: Question, name: str = "a", tags: tuple[str, ...] = ()) -> Sample:
    return Sample(name, Request("a star"), questions, tags)


ASKED = Question("s1", "Is there a star?")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: task(sample(ASKED), sample(ASKED)), "samples with the same id: a"),
        (lambda: task(sample(ASKED, ASKED)), "two questions with the id 's1'"),
        (lambda: task(sample(Question("s1", "?", group="score"))), "a group of questions named 'score'"),
        (lambda: task(sample(ASKED), headline="mean of tags"), "has no tag"),
        (lambda: task(sample(ASKED), headline="mean of tag"), "did you mean 'mean of tags'"),
    ],
)
def test_a_faulty_task_is_named_with_its_fault(make: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()  # type: ignore[operator]
