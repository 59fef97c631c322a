"""The model card of exported weights: what they are, how they were trained, and what was measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from harness.arguments import refuse_secrets
from harness.environment import version_of
from harness.stored_run import read_object
from trainer.export_weights import Form
from trainer.policy_flow import FlowPolicy
from trainer.recipe import resolved
from trainer.stored_policy import StoredPolicy

LOADING = {
    ("diffusers", "adapter"): """from diffusers import DiffusionPipeline

pipeline = DiffusionPipeline.from_pretrained("{base}")
pipeline.load_lora_weights("{place}")""",
    ("diffusers", "merged"): """from diffusers import DiffusionPipeline

pipeline = DiffusionPipeline.from_pretrained("{place}")""",
    ("unified", "adapter"): """from peft import PeftModel

model = PeftModel.from_pretrained(bagel, "{place}")  # over the network of {base}""",
    ("unified", "merged"): "the files of {base}, ema.safetensors in place of its own",
}


def card_of(stored: StoredPolicy, run: Path, form: Form, place: str) -> str:
    """README.md of the export."""
    config = stored.config
    flow = isinstance(stored.policy, FlowPolicy)
    base = str(config.model_args.get("pretrained") or config.model_args.get("weights") or config.model)
    head: dict[str, Any] = {"tags": ["image-harness", "grpo", *(["lora"] if form == "adapter" else [])]}
    head |= {"library_name": "diffusers", "pipeline_tag": "text-to-image"} if flow else {}
    head |= {"base_model": base} if base.count("/") == 1 and not Path(base).exists() else {}
    loading = LOADING["diffusers" if flow else "unified", form].format(base=base, place=place)
    recipe = resolved(config)
    refuse_secrets("", recipe)
    lines = [
        "---", yaml.safe_dump(head, sort_keys=False).rstrip(), "---", "", f"# {stored.name}", "",
        f"{base} after {stored.step} updates of `harness train` (image-harness {version_of('image-harness')}), "
        f"{'averaged' if stored.average else 'live'} weights, {form}.", "", "```python", loading, "```", "",
        "## Measured", "", *board_rows(run, stored), "",
        "## Trained with", "", *told_origin(stored),
        f"Reward `{stored.reward_id}`; weights SHA-256 `{stored.digest}`.", "",
        "```yaml", yaml.safe_dump(recipe, sort_keys=False).rstrip(), "```", "",
    ]  # fmt: skip
    return "\n".join(lines)


def told_origin(stored: StoredPolicy) -> list[str]:
    """What was trained on and who judged it; how many held-out prompts were trained on, where that was looked at."""
    origin = stored.origin
    if "trained_on" not in origin:
        return []
    lines = [f"Trained on {', '.join(origin['trained_on'])}, judged by {origin['reward_verifier']}."]
    if "prompt_overlap" in origin:
        overlap = origin["prompt_overlap"]
        same = "the same verifier" if origin["self_verified"] else "another verifier"
        lines.append(f"Held-out prompts trained on: {overlap['exact']}, nearly: {overlap['near']}; judged by {same}.")
    return [" ".join(lines), ""]


def board_rows(run: Path, stored: StoredPolicy) -> list[str]:
    """A table of the held-out evaluations before training and at this update; a sentence where there are none."""
    rows = [row for step in dict.fromkeys((0, stored.step)) if (row := board_row(run, step))]
    if not rows:
        return ["Nothing was measured at this update: run `harness eval --model run:FOLDER@STEP`."]
    return ["| updates | task | score | 95 % | scored | verifier | reward id |", "|---|---|---|---|---|---|---|", *rows]


def board_row(run: Path, step: int) -> str:
    """One evaluation as a row, or nothing where it was not made or is not whole."""
    folder = run / "held_out" / f"step-{step:06d}"
    if not (folder / "results.json").is_file():
        return ""
    results, about = read_object(folder / "results.json"), read_object(folder / "run.json")
    if results["headline"] is None:
        return ""
    metric, images = results["metrics"][0], results["coverage"]["images"]
    interval = f"[{metric['ci']['low']:.3f}, {metric['ci']['high']:.3f}]" if metric["ci"] else "-"
    task = about["task"]
    cells = (step, f"{task['name']}@{task['version']} {task['split']}", f"{metric['value']:.3f}", interval,
             f"{images['ok']}/{images['planned']}", about["verifier"]["id"], f"`{about['reward']['id']}`")  # fmt: skip
    return f"| {' | '.join(str(one) for one in cells)} |"


def facts_of(stored: StoredPolicy, run: Path, form: Form) -> str:
    """training.json of the export: the same for machines."""
    found = {"name": stored.name, "updates": stored.step, "form": form, "reward": stored.reward_id,
             "weights_sha256": stored.digest, "base": dict(stored.policy.record), "averaged": stored.average,
             "run": run.name, **stored.origin}  # fmt: skip
    return json.dumps(found, indent=1, sort_keys=True, default=str) + "\n"
