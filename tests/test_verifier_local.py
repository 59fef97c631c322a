"""local: vision-language models in the process, with small random weights of each supported class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from reward.local_reader import grouped, lengthened
from reward.reading import masses
from reward.shared_prefix import Tail, pack, read_plain
from reward.verifier import Query, VerifierDown
from reward.verifier_local import Arguments, LocalVerifier, build
from tests.vision import MODELS

QUESTIONS = ("Is it red?", "Are there exactly three apples on the table, and is none green?", "Is a dog here")


def picture(width: int, height: int, seed: int) -> Image.Image:
    levels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(levels)


PICTURES = (picture(100, 80, 0), picture(64, 120, 1), picture(90, 90, 2))


@pytest.fixture(scope="module")
def verifiers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, LocalVerifier]:
    """One of each class, loaded from a folder as a user's own is."""
    return {
        name: build(Arguments(str(make(tmp_path_factory.mktemp(name))), probe="reach", batch=2))
        for name, make in MODELS.items()
    }


@pytest.fixture(params=sorted(MODELS))
def verifier(request: pytest.FixtureRequest, verifiers: dict[str, LocalVerifier]) -> LocalVerifier:
    return verifiers[request.param]


def from_the_beginning(verifier: LocalVerifier, query: Query) -> torch.Tensor:
    """Probabilities (vocabulary,) of the first token after the whole conversation, by the library alone."""
    reader = verifier.reader
    conversation = reader.chat.conversation(query)
    whole = reader.processor(
        images=[list(query.images)], text=[conversation.head + conversation.tail], return_tensors="pt"
    )
    return read_plain(reader.model, whole, 1)[0].softmax(-1)


def test_questions_in_one_pass_are_answered_as_each_from_the_beginning(verifier: LocalVerifier) -> None:
    assert verifier.reader.shares
    assert verifier.record["one_pass_a_picture"] is True
    queries = [Query((image,), text) for text in QUESTIONS for image in PICTURES[: 3 if text != QUESTIONS[1] else 2]]
    replies = verifier.ask(queries)
    for query, reply in zip(queries, replies, strict=True):
        right = from_the_beginning(verifier, query)
        assert reply.status == "ok"
        for text, probability in reply.probabilities.items():
            if text == "\ufffd":  # half of a letter, as which many tokens are told
                continue
            same = sum(float(right[one]) for one, other in enumerate(verifier.spellings.texts) if other == text)
            assert abs(probability - same) < 1e-4, (query.text, text)
        assert verifier.spellings.texts[int(right.argmax())] == reply.text


def test_the_picture_and_the_question_change_the_answer(verifier: LocalVerifier) -> None:
    """Equal answers to everything would hide every mistake above."""
    replies = verifier.ask([Query((image,), text) for image in PICTURES[:2] for text in QUESTIONS[:2]])
    found = [masses(reply)["yes"] for reply in replies]
    assert len({round(one, 6) for one in found}) == 4


def test_each_picture_is_read_once_for_all_its_questions(
    verifier: LocalVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[int] = []
    forward = verifier.reader.model.forward

    def counted(**given: Any) -> Any:
        passes.append(0 if given.get("pixel_values") is None else len(given["input_ids"]))
        return forward(**given)

    monkeypatch.setattr(verifier.reader.model, "forward", counted)
    verifier.ask([Query((image,), text) for text in QUESTIONS for image in PICTURES])
    assert passes == [2, 0, 1, 0]


def test_spellings_of_an_answer_are_added_and_told_as_they_are(verifier: LocalVerifier) -> None:
    (reply,) = verifier.ask([Query((PICTURES[0],), QUESTIONS[0])])
    assert {"yes", "Yes", " yes", "no", "No", " no", "NO"} <= set(reply.probabilities)
    assert masses(reply)["yes"] == pytest.approx(sum(reply.probabilities[one] for one in ("yes", "Yes", " yes")))


def test_the_likelihood_of_a_text_is_the_mean_over_its_tokens(verifier: LocalVerifier) -> None:
    asked = Query((PICTURES[0],), "What is shown?", (), continuation="a red dog")
    other = Query((PICTURES[0],), "What is shown?", (), continuation="two")
    replies = verifier.ask([asked, Query((PICTURES[0],), "Is it red?"), other])
    for query, reply in ((asked, replies[0]), (other, replies[2])):
        reader = verifier.reader
        tokens = reader.chat.tokenizer(query.continuation, add_special_tokens=False).input_ids
        conversation = reader.chat.conversation(query)
        whole = reader.processor(
            images=[list(query.images)], text=[conversation.head + conversation.tail], return_tensors="pt"
        )
        logits = read_plain(reader.model, lengthened(whole, tokens), len(tokens) + 1)[:-1].log_softmax(-1)
        right = float(torch.stack([row[token] for row, token in zip(logits, tokens, strict=True)]).mean())
        assert reply.log_likelihood == pytest.approx(right, abs=1e-4)
    assert replies[1].log_likelihood is None


def test_free_text_is_the_same_alone_and_in_a_batch(verifier: LocalVerifier) -> None:
    queries = [Query((image,), "Describe it.", (), max_tokens=5) for image in PICTURES]
    together, alone = verifier.ask(queries), [verifier.ask([query])[0] for query in queries]
    assert [one.text for one in together] == [one.text for one in alone]
    assert {one.status for one in together} == {"parse_error"}  # random weights never come to an end
    assert "cut off after 5 tokens" in together[0].error


def test_answers_that_one_token_does_not_tell_are_spoken(verifier: LocalVerifier) -> None:
    query = Query((PICTURES[0],), "Which colour?", ("yellow", "blue"))
    assert not verifier.short(query)
    assert verifier.ask([query])[0].tokens_out == 10


def test_turns_systems_and_order_come_out_as_the_template_has_them(verifier: LocalVerifier) -> None:
    chat = verifier.reader.chat
    plain = chat.conversation(Query((PICTURES[0],), "Is it <|im_end|>red?"))
    assert plain.head.startswith(f"<|im_start|>system\n{chat.auditor}<|im_end|>\n<|im_start|>user\n")
    assert plain.head.endswith(chat.image)
    assert plain.tail.endswith("Is it red?<|im_end|>\n<|im_start|>assistant\n")
    told = chat.conversation(
        Query(PICTURES[:2], "And now?", (), system="be brief", earlier=(("Is it red?", "yes"),), text_first=True)
    )
    assert told.head.startswith("<|im_start|>system\nbe brief<|im_end|>\n<|im_start|>user\nIs it red?")
    assert told.head.count(chat.image) == 2
    assert told.tail.endswith(
        "<|im_end|>\n<|im_start|>assistant\nyes<|im_end|>\n"
        "<|im_start|>user\nAnd now?<|im_end|>\n<|im_start|>assistant\n"
    )


def test_a_question_without_a_picture_is_refused(verifier: LocalVerifier) -> None:
    assert verifier.ask([Query((), "Is it red?")])[0].status == "refused"


def test_memory_that_runs_out_halves_the_batch(verifier: LocalVerifier, monkeypatch: pytest.MonkeyPatch) -> None:
    read = verifier.reader.read
    sizes: list[int] = []

    def crowded(groups: Sequence[Sequence[Any]]) -> Any:
        sizes.append(len(groups))
        if len(groups) > 1 or groups[0][0].images[0] is PICTURES[1]:
            raise torch.OutOfMemoryError("out of memory")
        return read(groups)

    monkeypatch.setattr(verifier.reader, "read", crowded)
    replies = verifier.ask([Query((image,), QUESTIONS[0]) for image in PICTURES[:2]])
    assert [one.status for one in replies] == ["ok", "transport_error"]
    assert sizes == [2, 1, 1]


def test_a_model_that_cannot_share_reads_each_question_alone(
    verifiers: dict[str, LocalVerifier], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    verifier = verifiers["smolvlm"]
    reader = verifier.reader
    query = Query((PICTURES[0],), QUESTIONS[0])
    (right,) = verifier.ask([query])
    import reward.local_reader as module

    shared = module.read_shared
    monkeypatch.setattr(module, "read_shared", lambda *given: [[one * 3 for one in row] for row in shared(*given)])
    monkeypatch.setattr(reader, "shares", True)
    with caplog.at_level("WARNING"):
        reason = reader.settle([query])
    assert "apart" in reason
    assert "each question is read from the beginning" in caplog.text
    (alone,) = verifier.ask([query])
    assert alone.probabilities == pytest.approx(right.probabilities, abs=1e-4)


def test_half_precision_says_the_same_within_its_rounding(tmp_path: Path, verifiers: dict[str, LocalVerifier]) -> None:
    rough = build(Arguments(str(MODELS["qwen3_vl"](tmp_path)), probe="reach", dtype="bfloat16"))
    assert rough.reader.shares
    assert rough.id != verifiers["qwen3_vl"].id
    query = Query((PICTURES[0],), QUESTIONS[0])
    fine = verifiers["qwen3_vl"].ask([query])[0].probabilities
    coarse = rough.ask([query])[0].probabilities
    assert max(abs(coarse[one] - fine[one]) for one in ("yes", "no")) < 0.02


def test_a_model_that_answers_known_questions_wrongly_is_not_used(tmp_path: Path) -> None:
    with pytest.raises(VerifierDown, match="red circle"):
        build(Arguments(str(MODELS["smolvlm"](tmp_path))))


def test_what_is_no_model_that_sees_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import transformers

    with pytest.raises(ValueError, match=r"there is no folder /nowhere/at/all"):
        build(Arguments("/nowhere/at/all"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ValueError, match="somebody/some-model is no folder here and cannot be had from the hub"):
        build(Arguments("somebody/some-model"))
    transformers.LlamaConfig().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="is of the kind llama, which does not read pictures"):
        build(Arguments(str(tmp_path)))
    with pytest.raises(ValueError, match="batch, longest and max_side must be more than 0"):
        build(Arguments(str(tmp_path), batch=0))


def test_what_lies_in_a_row_is_kept_apart() -> None:
    """Two tails of two and one tokens, one of three: who sees whom, and where answers are wanted."""
    packed = pack([[Tail((5, 6)), Tail((7,))], [Tail((1, 2, 3), 2)]], 9)
    assert packed.ids.tolist() == [[5, 6, 7], [1, 2, 3]]
    assert packed.offsets.tolist() == [[0, 1, 0], [0, 1, 2]]
    assert packed.sees[0].int().tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    assert packed.sees[1].int().tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    assert packed.ends.tolist() == [[1, 2], [1, 2]]
    padded = pack([[Tail((5,))], [Tail((1, 2))]], 9)
    assert padded.ids.tolist() == [[5, 9], [1, 2]]
    assert padded.sees[0].int().tolist() == [[1, 0], [0, 1]]


def test_only_the_same_pictures_after_the_same_words_are_grouped(verifiers: dict[str, LocalVerifier]) -> None:
    reader = verifiers["smolvlm"].reader
    queries = [Query((PICTURES[0],), "a?"), Query((PICTURES[1],), "a?"), Query((PICTURES[0],), "b?"),
               Query((PICTURES[0],), "a?", system="other")]  # fmt: skip
    assert [len(group) for group in grouped([reader.asked(one) for one in queries])] == [2, 1, 1]
