"""Understanding measured by lm-eval: tasks from local files or of the embedded world, a value a document."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from harness.bagel.unified import Unified
from harness.ending import Damaged
from harness.extra import extra, first_line
from harness.identity import hash_of
from harness.json_lines import json_line, read_lines, replace_text
from harness.model import Model
from harness.picture import picture_name
from harness.reader import Reader
from harness.refining_model import RefiningModel
from harness.undisturbed import undisturbed
from tasks.registry import unknown

SCENES = "scenes-vqa"
"""The embedded world's own task."""
SCENES_ASKED = 312
"""Scenes of the evaluation split, two questions each."""
MOST = 8
"""Tokens of an answer."""
KEYS = {"id", "image", "question", "answer", "choices"}


def language_model(reader: Reader) -> Any:
    """The reader as lm-eval's LM."""
    base: Any = extra("lm_eval.api.model", "lmeval").LM

    class Understanding(base):  # type: ignore[misc]  # lm-eval asks for its own base
        """Answers requests in their order."""

        MULTIMODAL = True

        def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
            return [reader.likelihood(one.args[0], one.args[1], pictures(one.args, 2)) for one in requests]

        def loglikelihood_rolling(self, requests: Sequence[Any]) -> list[float]:
            return [reader.likelihood("", one.args[0])[0] for one in requests]

        def generate_until(self, requests: Sequence[Any]) -> list[str]:
            return [answered(reader, one.args) for one in requests]

    return Understanding()


def pictures(arguments: Sequence[Any], place: int) -> list[Image.Image]:
    """The images of a request."""
    return list(arguments[place]["visual"]) if len(arguments) > place else []


def answered(reader: Reader, arguments: Sequence[Any]) -> str:
    """The answer to one request to generate."""
    text, how = arguments[0], arguments[1]
    until = how.get("until") or []
    most = int(how.get("max_gen_toks", 256))
    return reader.answer(text, [until] if isinstance(until, str) else until, most, pictures(arguments, 2))


@dataclass(frozen=True, slots=True)
class Local:
    """A task in a file: lines of id, question, answer, and where they are needed an image or choices."""

    name: str
    path: Path

    def config(self) -> dict[str, Any]:
        """The task as lm-eval takes it: a dict with functions, so there is no YAML and nothing to import."""
        rows = read_task(self.path)
        shared: dict[str, Any] = {
            "task": self.name,
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"test": str(self.path.resolve())}},
            "test_split": "test",
            "metadata": {"version": 1},
            "doc_to_text": ("<image>" if "image" in rows[0] else "") + "{{question}}",
        }
        if "image" in rows[0]:
            folder = self.path.resolve().parent
            shared["doc_to_image"] = lambda doc: [Image.open(folder / doc["image"]).convert("RGB")]
        if "choices" in rows[0]:
            target = {"doc_to_choice": "choices", "doc_to_target": lambda doc: doc["choices"].index(doc["answer"])}
            metric = {"metric": "acc", "aggregation": "mean", "higher_is_better": True}
            return {**shared, **target, "output_type": "multiple_choice", "metric_list": [metric]}
        metric = {"metric": "exact_match", "aggregation": "mean", "higher_is_better": True, "ignore_case": True}
        how = {"until": ["\n"], "max_gen_toks": MOST, "do_sample": False}
        told = {"output_type": "generate_until", "doc_to_target": "{{answer}}", "generation_kwargs": how}
        return {**shared, **told, "metric_list": [metric]}


def read_task(path: Path) -> list[dict[str, Any]]:
    """The lines of a task's file; ValueError or Damaged names what is wrong with one."""
    rows = read_lines(path, ("question", "answer"))
    if not rows:
        raise ValueError(f"{path} holds no document; a line is {{'question': ..., 'answer': ...}}")
    for number, row in enumerate(rows, start=1):
        for key in sorted(set(row) - KEYS):
            raise ValueError(f"{path}, line {number}: {unknown('key', key, sorted(KEYS))}")
        if set(row) != set(rows[0]):
            raise Damaged(
                f"{path}, line {number} has other keys than line 1: {', '.join(sorted(set(row) ^ set(rows[0])))}"
            )
        if "image" in row and not (path.parent / row["image"]).is_file():
            raise ValueError(f"{path}, line {number}: there is no image {path.parent / row['image']}")
        if "choices" in row and row["answer"] not in row["choices"]:
            raise ValueError(f"{path}, line {number}: the answer {row['answer']!r} is none of the choices")
    return rows


def write_scenes(folder: Path, count: int) -> Local:
    """The embedded world's questions about rendered scenes of the evaluation split, as a task in a file.

    Of each scene one question that belongs to it and one that belongs to the next, answered by the exact verifier.
    """
    from reward.verifier import Query
    from reward.verifier_pixels import Arguments as PixelArguments
    from reward.verifier_pixels import build as build_pixels
    from tasks.scene import render
    from tasks.scenes import Arguments, load, scene_for

    samples, judge = load(Arguments()).samples, build_pixels(PixelArguments())
    (folder / "images").mkdir(parents=True, exist_ok=True)
    lines = []
    for number in range(min(count, len(samples))):
        image = Image.fromarray(render(scene_for(samples[number], number)))
        name = f"images/{picture_name(image)}.png"
        image.save(folder / name)
        for place in (number, (number + 1) % len(samples)):
            asked = [one for one in samples[place].questions if one.group == "semantic"]
            question = asked[number % len(asked)].text
            (reply,) = judge.ask([Query((image,), question)])
            yes = (reply.probabilities or {}).get("yes", 0.0) >= 0.5
            lines.append(json_line({"image": name, "question": question, "answer": "yes" if yes else "no"}))
    replace_text(folder / f"{SCENES}.jsonl", "".join(lines))
    return Local(SCENES, folder / f"{SCENES}.jsonl")


def measure(
    model: Any,
    tasks: Sequence[Local | str],
    arguments: str = "",
    modules: Sequence[Any] = (),
    limit: int | None = None,
    folders: Sequence[Path] = (),
    device: str | None = None,
) -> list[dict[str, Any]]:
    """One row a document and metric; `model` is an LM or the name of one of lm-eval's own, with its arguments.

    A name is looked for in `folders` of lm-eval's YAML where there are any, else among the tasks that lm-eval brings.
    """
    evaluator, manager = extra("lm_eval", "lmeval"), extra("lm_eval.tasks", "lmeval").TaskManager
    named = [one for one in tasks if isinstance(one, str)]
    found = manager(include_path=[str(one) for one in folders] or None, include_defaults=bool(named) and not folders)
    for name in named:
        if name not in found.all_tasks:
            raise ValueError(unknown("task of lm-eval", name, [SCENES, *found.all_tasks]))
    given = [one if isinstance(one, str) else one.config() for one in tasks]
    try:
        with undisturbed(*modules):
            told = evaluator.simple_evaluate(
                model=model, model_args=arguments or None, tasks=given, limit=limit, bootstrap_iters=0,
                log_samples=True, task_manager=found, device=device,
                random_seed=None, numpy_random_seed=None, torch_random_seed=None,
            )  # fmt: skip
    except OSError as error:  # data or weights that are neither here nor to be fetched
        raise ValueError(
            f"lm-eval could not load {', '.join(map(str, named)) or 'its data'}: {first_line(error)}"
        ) from error
    return [row for name, samples in told["samples"].items() for sample in samples for row in rows_of(name, sample)]


def rows_of(task: str, sample: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The values of one document, by metric; its hash is of what was asked, images by their pixels."""
    document = hash_of(json.loads(json.dumps(sample["doc"], default=str, sort_keys=True)))
    return [
        {"task": task, "doc_id": sample["doc_id"], "doc_hash": document, "metric": name, "value": float(sample[name])}
        for name in sample["metrics"]
    ]


def check_tasks(names: str) -> None:
    """ValueError names a file that is not there or not what it should be, or that lm-eval is missing."""
    extra("lm_eval", "lmeval")
    stock = [name for name in split(names) if find_task(name, None) == name and name != SCENES]
    known = extra("lm_eval.tasks", "lmeval").TaskManager().all_tasks if stock else []
    for name in stock:
        if name not in known:
            raise ValueError(unknown("task of lm-eval", name, [SCENES, *known]))


def split(names: str) -> list[str]:
    """The names between commas; ValueError where there is none."""
    found = [name.strip() for name in names.split(",") if name.strip()]
    if not found:
        raise ValueError(f"no task of understanding is named; {SCENES} is always there")
    return found


def find_task(name: str, scratch: Path | None) -> Local | str:
    """The embedded world's task, written to `scratch` where it is needed, a task in a file, or one of lm-eval's."""
    if name == SCENES:
        return write_scenes(scratch, SCENES_ASKED) if scratch else name
    if name.endswith((".jsonl", ".json")):
        if not Path(name).is_file():
            raise ValueError(f"there is no file {name}")
        read_task(Path(name))
        return Local(Path(name).stem, Path(name))
    return name


def reader_of(model: Model) -> Reader:
    """The model as one that reads and answers; ValueError for a model that writes no words."""
    drawn = model.model if isinstance(model, RefiningModel) else model
    if not isinstance(drawn, Unified):
        raise ValueError(f"the model {model.id} writes no words, so what it understands cannot be asked")
    return Reader(drawn)


def understand(
    model: Model, names: str, limit: int | None = None, folders: Sequence[Path] = ()
) -> list[dict[str, Any]]:
    """One row a document and metric; random states and train flags are as before."""
    reader = reader_of(model)
    with tempfile.TemporaryDirectory() as scratch:
        tasks = [find_task(name, Path(scratch)) for name in split(names)]
        return measure(language_model(reader), tasks, modules=[reader.model.bagel], limit=limit, folders=folders)
