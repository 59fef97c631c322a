"""What goes over the wires and how it is read: chat, several questions in JSON, our batches."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from reward.batch_wire import BatchWire
from reward.chat_wire import ChatWire
from reward.encoding import encode_all, mark
from reward.json_wire import JsonWire
from reward.outcome import Unreadable
from reward.reading import masses
from reward.served_name import served_name, without_path
from reward.verifier import Query
from tests.server import chat

IMAGE = Image.new("RGB", (4, 4), (9, 8, 7))
ASK = Query((IMAGE,), "Is it red?")
SOFT = ChatWire("m", "logprobs", system="Answer yes or no.")
HARD = ChatWire("m", "text")


def sent(wire: Any, *queries: Query) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(wire.body(queries, encode_all(queries, None)))
    return content


def said(wire: ChatWire, query: Query = ASK, **more: Any) -> Any:
    (reply,) = wire.read({**json.loads(chat(**more))}, [query])
    return reply


def test_the_example_of_the_specification_is_read_to_four_digits() -> None:
    found = masses(said(SOFT, word="Yes", top={"Yes": -0.2231, " yes": -3.9120, "No": -1.9661}))
    assert found["yes"] == pytest.approx(0.8201, abs=5e-4)
    assert found["no"] == pytest.approx(0.1400, abs=1e-4)
    assert found["yes"] / (found["yes"] + found["no"]) == pytest.approx(0.8542, abs=1e-4)


def test_a_token_outside_the_kept_ones_has_no_probability() -> None:
    assert said(SOFT, word="yes", top={"yes": -0.1, "no": -9999.0}).probabilities.keys() == {"yes"}


def test_log_probabilities_of_hidden_reasoning_count_as_absent() -> None:
    content = json.loads(chat("yes", {"<think>": -0.1}))
    content["choices"][0]["logprobs"]["content"][0] |= {"token": "<think>"}
    (reply,) = SOFT.read(content, [ASK])
    assert (reply.status, dict(reply.probabilities)) == ("parse_error", {})


@pytest.mark.parametrize("value", [math.nan, "much", None, True])
def test_a_log_probability_that_is_none_is_no_answer(value: Any) -> None:
    content = json.loads(chat("yes", {"no": -0.1}))
    content["choices"][0]["logprobs"]["content"][0]["top_logprobs"][0]["logprob"] = value
    (reply,) = SOFT.read(content, [ASK])
    assert reply.status == "parse_error" or value is True


def test_words_are_read_from_the_first_alone() -> None:
    assert said(HARD, word="Yes, it is").probabilities == {"yes": 1.0}
    assert said(HARD, word="NO.").probabilities == {"no": 1.0}
    assert said(HARD, word="I think yes").status == "parse_error"
    assert said(HARD, word="").status == "parse_error"


def test_a_cut_answer_of_several_tokens_is_none() -> None:
    content = json.loads(chat("a long story"))
    content["choices"][0]["finish_reason"] = "length"
    assert HARD.read(content, [Query((IMAGE,), "Tell.", (), 5)])[0].status == "parse_error"
    content["choices"][0]["finish_reason"] = "stop"
    assert HARD.read(content, [Query((IMAGE,), "Tell.", (), 5)])[0].text == "a long story"


def test_pictures_stand_before_the_text_and_in_the_first_turn() -> None:
    first, user = sent(SOFT, ASK)["messages"]
    assert (first["role"], first["content"]) == ("system", "Answer yes or no.")
    assert [part["type"] for part in user["content"]] == ["image_url", "text"]
    turns = sent(SOFT, Query((IMAGE,), "And now?", earlier=(("What?", "That."),), text_first=True))["messages"][1:]
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]
    assert [part["type"] for part in turns[0]["content"]] == ["text", "image_url"]
    assert turns[2]["content"] == "And now?"


@settings(max_examples=40, deadline=None)
@given(st.text())
def test_no_text_of_a_user_can_stand_for_a_picture(text: str) -> None:
    content = sent(SOFT, Query((IMAGE,), text + mark(0)))
    image, words = content["messages"][1]["content"]
    assert words["text"] == (text + "0").replace("\x00", "")
    assert image["image_url"]["url"].startswith("data:image/png;base64,iVBOR")


ANYTHING = st.none() | st.integers() | st.text(max_size=3)
SOME = ANYTHING | st.lists(ANYTHING, max_size=3) | st.fixed_dictionaries({"message": ANYTHING, "logprobs": ANYTHING})
KEYS = st.sampled_from(["choices", "replies", "protocol", "served", "usage", "model"])


@settings(max_examples=60, deadline=None)
@given(SOME | st.dictionaries(KEYS, SOME | st.lists(SOME, max_size=2)))
def test_whatever_json_comes_back_is_a_reply_or_unreadable(content: Any) -> None:
    for wire in (SOFT, HARD, BatchWire()):
        try:
            (reply,) = wire.read(content, [ASK])  # type: ignore[attr-defined]
        except Unreadable:
            continue
        assert reply.status != "ok" or reply.text


def answers(text: str, count: int = 3) -> list[str]:
    queries = [Query((IMAGE,), f"{number}?") for number in range(count)]
    replies = JsonWire(HARD).read(json.loads(chat(text)), queries)
    return [reply.text if reply.status == "ok" else reply.status for reply in replies]


def test_several_answers_are_matched_by_id_and_fail_alone() -> None:
    assert answers('```json\n{"0": "yes", "2": "No.", "1": "no"}\n```') == ["yes", "no", "No."]
    assert answers('{"0": "yes", "1": "perhaps"}') == ["yes", "parse_error", "parse_error"]
    assert answers('{"0": "yes", "0": "no", "1": "no", "2": 1}') == ["parse_error", "no", "parse_error"]
    assert answers('{"0": "yes", "1": "no", "2": "no", "9": "no"}') == ["yes", "no", "no"]
    assert answers("yes no yes") == ["parse_error"] * 3


def test_questions_of_one_picture_travel_together_in_json() -> None:
    other = Image.new("RGB", (4, 4))
    queries = [Query((IMAGE,), "a"), Query((IMAGE,), "b"), Query((other,), "c"), Query((other,), "d", ())]
    assert JsonWire(HARD).parcels(queries) == [[0, 1], [2], [3]]
    content = sent(JsonWire(HARD), *queries[:2])
    assert '"question": "b"' in content["messages"][0]["content"][1]["text"]


def test_a_picture_travels_once_for_all_its_questions() -> None:
    content = sent(BatchWire(), *[Query((IMAGE,), f"{number}?") for number in range(5)])
    assert len(content["images"]) == 1
    assert {tuple(query["images"]) for query in content["queries"]} == {tuple(content["images"])}


def test_parcels_respect_what_a_server_takes_and_a_body_holds() -> None:
    large = [Image.new("RGB", (1200, 1200)) for _ in range(3)]
    assert [len(one) for one in BatchWire(8).parcels([ASK] * 20)] == [8, 8, 4]
    assert BatchWire().parcels([Query((image,), "?") for image in large]) == [[0], [1], [2]]


def batch(*replies: Any, **more: Any) -> list[tuple[str, str]]:
    content = {"protocol": 1, "served": {"model": "m", "revision": "2"}, "replies": list(replies), **more}
    return [(reply.status, reply.error) for reply in BatchWire().read(content, [ASK, ASK])]


def test_batches_are_matched_by_id_and_fail_alone() -> None:
    well = {"status": "ok", "text": "yes", "probabilities": {"yes": 0.9}}
    assert batch({"id": "1", **well}, {"id": "0", **well}) == [("ok", ""), ("ok", "")]
    assert batch({"id": "0", **well}, {"id": "7", **well}) == [("ok", ""), ("parse_error", "no reply with its id")]
    assert batch({"id": "0", **well}, {"id": "0", **well})[0] == ("parse_error", "two replies with its id")
    assert batch({"id": "0", "status": "refused", "error": "no"}, {"id": "1", "status": "great"}) == [
        ("refused", "no"),
        ("parse_error", "a reply with the status 'great'"),
    ]
    assert batch({"id": "0", "status": "ok", "text": "y", "probabilities": {"yes": "much"}})[0][0] == "parse_error"
    with pytest.raises(Unreadable):
        batch(protocol=2)
    with pytest.raises(Unreadable):
        batch(replies="none")


def test_a_path_is_no_name() -> None:
    assert without_path("/home/me/models/small.gguf") == "small.gguf"
    assert without_path("C:\\models\\small.gguf") == "small.gguf"
    assert without_path("Qwen/Qwen3-VL-8B") == "Qwen/Qwen3-VL-8B"
    assert served_name({"model": "/data/a/b.gguf", "system_fingerprint": "fp_1"}) == "b.gguf fp_1"
    assert served_name({"model": "alias"}, "/data/Qwen3") == "alias Qwen3"
    assert served_name({}) == ""
