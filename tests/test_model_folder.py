"""Pictures that exist already: every layout, and what is missing or broken."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from harness.json_lines import read_lines
from harness.main import run
from tasks.scene import render
from tasks.scenes import Arguments, load, scene_for

SAMPLES = load(Arguments()).samples[:6]


def picture(place: int, index: int) -> Image.Image:
    return Image.fromarray(render(scene_for(SAMPLES[place], index)))


def score(path: Path, out: Path, *more: str) -> int:
    arguments = ["--model", "folder", "--model-args", f"path={path}", "--limit", "6", "-o", str(out), "-v", "quiet"]
    return run(["eval", *arguments, *more])


def rows(out: Path) -> dict[tuple[str, int], dict[str, object]]:
    return {(row["sample"], row["index"]): row for row in read_lines(out / "samples.jsonl")}


def geneval(folder: Path) -> None:
    for place, sample in enumerate(SAMPLES):
        own = folder / f"{place:05d}"
        (own / "samples").mkdir(parents=True)
        (own / "metadata.jsonl").write_text(json.dumps({"tag": "x", "prompt": sample.request.prompt}) + "\n")
        for index in range(4):
            picture(place, index).save(own / "samples" / f"{index:04d}.png")
        (own / "samples" / "0000.png.bak").write_text("no picture")


def listed(folder: Path) -> None:
    folder.mkdir(parents=True)
    lines = []
    for place, sample in enumerate(SAMPLES):
        for index in range(4):
            name = f"{place}-{index}.png"
            picture(place, index).save(folder / name)
            lines.append(json.dumps({"prompt": sample.request.prompt, "path": name}))
    (folder / "pictures.jsonl").write_text("\ufeff" + "\r\n".join(lines))


def keyed(folder: Path) -> None:
    folder.mkdir(parents=True)
    lines = []
    for place, sample in enumerate(SAMPLES):
        for index in (3, 2, 1, 0):
            name = f"{place}-{index}.png"
            picture(place, index).save(folder / name)
            lines.append(json.dumps({"sample": sample.id, "index": index, "image": name}))
    (folder / "pictures.jsonl").write_text("\n".join(lines))


def test_every_layout_gives_the_same_scores(tmp_path: Path) -> None:
    found = []
    for name, layout in (("geneval", geneval), ("listed", listed), ("keyed", keyed)):
        layout(tmp_path / name)
        assert score(tmp_path / name, tmp_path / f"out-{name}") == 0
        found.append({key: (row["score"], row["image"]) for key, row in rows(tmp_path / f"out-{name}").items()})
    assert len(found[0]) == 24
    assert found[0] == found[1] == found[2]
    assert score(tmp_path / "listed" / "pictures.jsonl", tmp_path / "out-file") == 0


def test_missing_and_broken_pictures_are_rows_with_a_reason_and_lower_the_coverage(tmp_path: Path) -> None:
    geneval(tmp_path / "in")
    (tmp_path / "in" / "00000" / "samples" / "0003.png").unlink()
    broken = tmp_path / "in" / "00001" / "samples" / "0000.png"
    broken.write_bytes(broken.read_bytes()[:80])
    (tmp_path / "in" / "00002" / "samples" / "0001.png").write_text("no picture at all")
    assert score(tmp_path / "in", tmp_path / "out") == 4
    failed = {key: row for key, row in rows(tmp_path / "out").items() if row["status"] != "ok"}
    assert set(failed) == {(SAMPLES[0].id, 3), (SAMPLES[1].id, 0), (SAMPLES[2].id, 1)}
    assert all(row["status"] == "missing_image" and row["score"] is None for row in failed.values())
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["coverage"]["images"]["ok"] == 21
    assert results["by_status"]["images"] == {"missing_image": 3, "ok": 21}


def test_a_bomb_is_not_opened(tmp_path: Path) -> None:
    geneval(tmp_path / "in")
    Image.new("1", (9000, 9000)).save(tmp_path / "in" / "00000" / "samples" / "0000.png")
    assert score(tmp_path / "in", tmp_path / "out", "--min-coverage", "0.5") == 0
    error = rows(tmp_path / "out")[SAMPLES[0].id, 0]["error"]
    assert "more than 64000000 pixels" in str(error)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("not json", "line 1 of .* is not JSON"),
        ("[1]", "line 1 of .* is not a JSON object"),
        ('{"prompt": "a"}', "line 1 of .* has neither prompt and path, nor sample, index and image"),
        ('{"prompt": "a", "path": "b.png"}', "no picture in .* belongs to this task"),
    ],
)
def test_a_list_that_is_wrong_is_told_by_line(
    tmp_path: Path, content: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pictures.jsonl").write_text(content)
    assert score(tmp_path / "pictures.jsonl", tmp_path / "out") == 2
    assert re.search(said, capsys.readouterr().err)


def test_a_folder_without_pictures_says_what_was_looked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    assert score(tmp_path / "in", tmp_path / "out") == 2
    assert "holds neither run.json of a run, nor NNNNN/metadata.jsonl" in capsys.readouterr().err


def test_a_run_of_another_split_is_not_scored_as_this_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = tmp_path / "made"
    arguments = ["eval", "-M", "tests.painter", "--task-args", "split=train,count=6", "-o", str(made), "-v", "quiet"]
    assert run(arguments) == 0
    assert score(made, tmp_path / "out") == 2
    assert "belongs to this task" in capsys.readouterr().err


def test_replaced_pictures_are_another_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed(tmp_path / "in")
    assert score(tmp_path / "in", tmp_path / "out") == 0
    picture(1, 9).save(tmp_path / "in" / "0-0.png")
    assert score(tmp_path / "in", tmp_path / "out") == 2
    assert "model is 'folder:in@" in capsys.readouterr().err


def test_what_is_transparent_is_judged_as_it_is_stored(tmp_path: Path) -> None:
    geneval(tmp_path / "in")
    clear = picture(0, 0).convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(clear.size))
    clear.save(tmp_path / "in" / "00000" / "samples" / "0000.png")
    assert score(tmp_path / "in", tmp_path / "first") == 0
    assert score(tmp_path / "first", tmp_path / "second") == 0
    before, after = rows(tmp_path / "first"), rows(tmp_path / "second")
    assert {key: (row["score"], row["image"]) for key, row in before.items()} == {
        key: (row["score"], row["image"]) for key, row in after.items()
    }


def test_a_line_separator_inside_a_prompt_splits_no_line(tmp_path: Path) -> None:
    listed(tmp_path / "in")
    path = tmp_path / "in" / "pictures.jsonl"
    extra = json.dumps({"prompt": "a \u2028 b \u0085 c", "path": "0-0.png"}, ensure_ascii=False)
    path.write_text(path.read_text(encoding="utf-8-sig") + "\n" + extra, encoding="utf-8")
    assert score(tmp_path / "in", tmp_path / "out") == 0
