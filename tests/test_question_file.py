"""A benchmark of one's own in a JSONL file, and every way in which it can be wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.assemble import load_task

HEAD = '{"task": "mine", "images": 2, "headline": "score", "reward": {"combine": "mean", "verifier": "pixels"}}'
ONE = '{"id": "1", "prompt": "two cubes", "questions": [{"id": "q1", "text": "Are there cubes?"}]}'


def written(folder: Path, *lines: str, end: str = "\n", mark: bytes = b"") -> dict[str, str]:
    (folder / "mine.jsonl").write_bytes(mark + end.join(lines).encode())
    return {"path": str(folder / "mine.jsonl")}


def test_our_form_and_alphagrpos_are_read(tmp_path: Path) -> None:
    task = load_task("questions", written(tmp_path, HEAD, ONE, "", end="\r\n", mark=b"\xef\xbb\xbf"))
    assert (task.name, task.images, task.reward.combine, task.samples[0].id) == ("mine", 2, "mean", "1")
    semantic = '["Is there a cat?", {"question": "Old?", "is_valid": false}]'
    quality = '[{"question": "Sharp?", "tag": "Texture", "id": "q1"}]'
    start = '{"prompt": "a cat", "original_index": 17, '
    record = f'{start}"semantic_questions": {semantic}, "quality_questions": {quality}}}'
    (sample,) = load_task("questions", written(tmp_path, record)).samples
    assert sample.id == "17"
    found = [(one.id, one.group, one.tag) for one in sample.questions]
    assert found == [("s1", "semantic", ""), ("q1", "quality", "Texture")]


def test_a_name_that_ends_in_jsonl_is_read_as_a_question_file(tmp_path: Path) -> None:
    assert load_task(written(tmp_path, HEAD, ONE)["path"], {}).name == "mine"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((HEAD,), "holds no samples"),
        ((HEAD, "nothing"), "line 2 of .* is not JSON"),
        ((HEAD, "[]"), "line 2 of .* is no JSON object"),
        ((HEAD.replace("images", "image"), ONE), "no key named 'image'; did you mean 'images'"),
        ((ONE.replace("prompt", "promt"),), "has no prompt"),
        ((ONE.replace("two cubes", " "),), "has no prompt"),
        ((ONE.replace('"text"', '"txt"'),), "no key named 'txt'; did you mean 'text'"),
        ((ONE.replace("cubes?\"", "cubes?\", \"needs\": [\"q9\"]"),), "needs 'q9', which does not exist"),
        ((ONE.replace("cubes?\"", "cubes?\", \"needs\": [\"q1\"]"),), "stands above itself"),
        ((ONE.replace("cubes?\"", "cubes?\", \"worth\": [1]"),), "worth is an object, not"),
        ((ONE, ONE), "samples with the same id: 1"),
        ((HEAD.replace(": 2", ": [2]"), ONE), r"images is a whole number, not '\[2\]'"),
        ((HEAD.replace('"mean"', "null"), ONE), "combine is a text, not 'None'"),
        ((ONE.replace('"id": "1"', '"id": "1", "tags": [{}]'),), "tags holds '{}', which is no name"),
        ((ONE.replace('[{"id"', '["q", {"id"'),), "the question 'q' is no object"),
        ((ONE.replace('cubes?"', 'cubes?", "worth": {"yes": true}'),), "no mapping from answers to numbers"),
        ((ONE.replace("two", "t" * 10_000_001),), "longer than 10 MB"),
    ],
)  # fmt: skip
def test_a_faulty_file_is_named_with_its_line(tmp_path: Path, lines: tuple[str, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        load_task("questions", written(tmp_path, *lines))
