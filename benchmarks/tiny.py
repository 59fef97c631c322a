"""The embedded model on the embedded world, each ability by itself: `python -m benchmarks.tiny`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from random import Random

from PIL import Image

from harness.assemble import build_verifier, load_task
from reward.readback import PROMPT
from reward.verifier import Query
from tasks.scene import render
from tasks.scenes import scene_for
from trainer.look import question_about

RUNS = (
    ("scenes, guided", ["--task", "scenes"]),
    ("scenes, not guided", ["--task", "scenes", "--model-args", "guidance=1"]),
    ("scenes-reason", ["--task", "scenes-reason"]),
    ("scenes-reason, thinking first", ["--task", "scenes-reason", "--reason"]),
    ("scenes-edit", ["--task", "scenes-edit"]),
)


def looking(count: int = 312, questions: int = 8) -> tuple[int, int]:
    """Questions answered rightly of those asked about scenes of the evaluation split, true and false equally often."""
    verifier = build_verifier("tiny", {})
    right = asked = 0
    for number, sample in enumerate(load_task("scenes", {}).samples[:count]):
        scene, random = scene_for(sample, 1), Random(number)
        pairs = [question_about(scene, random) for _ in range(questions)]
        picture = Image.fromarray(render(scene))
        replies = verifier.ask([Query((picture,), text) for text, _ in pairs])
        for (_, said), reply in zip(pairs, replies, strict=True):
            yes = reply.probabilities["yes"] > reply.probabilities["no"]
            right, asked = right + (yes == (said == "yes")), asked + 1
    return right, asked


def reading_back() -> tuple[int, int]:
    """Held-out prompts that `readback` finds likelier of a picture of their own than of another prompt's, and all."""
    verifier, samples = build_verifier("tiny", {}), load_task("scenes", {}).samples
    prompts = [one.request.prompt for one in samples]
    pictures = [Image.fromarray(render(scene_for(one, 1))) for one in samples]
    likelier = 0
    for place, prompt in enumerate(prompts):
        other = Random(place).choice([one for one, text in enumerate(prompts) if text != prompt])
        asked = [Query((pictures[one],), PROMPT, (), continuation=prompt) for one in (place, other)]
        right, wrong = (one.log_likelihood for one in verifier.ask(asked))
        assert right is not None
        assert wrong is not None
        likelier += right > wrong
    return likelier, len(prompts)


def main() -> None:
    """Runs `harness eval` for each; its tables are the output."""
    right, asked = looking()
    print(f"questions about held-out scenes: {right} of {asked} right, {right / asked:.3f}", flush=True)
    likelier, prompts = reading_back()
    print(
        f"readback: {likelier} of {prompts} prompts likelier of their own picture, {likelier / prompts:.3f}", flush=True
    )
    with tempfile.TemporaryDirectory() as folder:
        for name, arguments in RUNS:
            print(f"\n{name}", flush=True)
            out = str(Path(folder) / name.replace(" ", "-").replace(",", ""))
            command = [sys.executable, "-m", "harness.main", "eval", "--model", "tiny", *arguments, "-o", out]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
