"""Trainable families: their grids, their tokens, and what they refuse; tests/test_flow_policy.py draws with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from tasks.sample import Request
from tests.pipelines import make_pipeline
from trainer.family import FAMILIES as CLASSES
from trainer.family import Family, Layout
from trainer.policy_flux import Flux
from trainer.policy_qwen import QwenImage
from trainer.policy_sana import Sana
from trainer.policy_sd3 import StableDiffusion3

SIZE, STEPS = (48, 32), 4
SOURCE = Image.linear_gradient("L").resize(SIZE).convert("RGB")
FAMILIES: dict[str, Any] = {
    "sd3": StableDiffusion3,
    "flux": Flux,
    "kontext": Flux,
    "qwen": QwenImage,
    "qwen-edit": QwenImage,
    "sana": Sana,
}


def family_of(name: str, guidance: float) -> Family:
    found: Family = FAMILIES[name](make_pipeline(name), guidance)
    return found


def size_of(name: str) -> tuple[int, int]:
    return (64, 32) if name == "sana" else SIZE


@pytest.mark.parametrize("name", FAMILIES)
def test_the_grid_is_the_schedulers_shifted_once_with_one_level_more_than_steps(name: str) -> None:
    family = family_of(name, 1.0)
    layout = family.layout(size_of(name))
    ours = family.sigmas(STEPS, layout)
    assert len(ours) == STEPS + 1
    assert ours[0] == pytest.approx(1.0, abs=1e-3)
    assert ours[-1] == 0.0
    assert ours == [float(one) for one in family.pipeline.scheduler.sigmas]
    assert ours == family.sigmas(STEPS, layout), "asked twice, shifted once"


def test_rows_of_different_prompts_and_levels_do_not_touch_each_other() -> None:
    family = family_of("qwen", 2.0)
    layout = family.layout(SIZE)
    conditions = [family.encode(Request(text), SIZE) for text in ("tea", "two blue cones on a table")]
    latents = torch.stack([layout.noise(torch.Generator().manual_seed(seed)) for seed in (1, 2)])
    levels = torch.tensor([0.9, 0.4])
    with torch.no_grad():
        together = family.velocity(latents, levels, conditions, layout)
        apart = [family.velocity(latents[[row]], levels[[row]], [conditions[row]], layout) for row in (0, 1)]
    assert (together - torch.cat(apart)).abs().max() < 1e-5


def test_tokens_and_pictures_are_each_others_inverse() -> None:
    layout = Layout(channels=3, height=4, width=6, patch=2)
    picture = torch.arange(2 * 3 * 4 * 6).float().reshape(2, 3, 4, 6)
    tokens = layout.pack(picture)
    assert tokens.shape == (2, 6, 12)
    assert tokens[0, 1].tolist() == [2, 3, 8, 9, 26, 27, 32, 33, 50, 51, 56, 57]
    assert torch.equal(layout.unpack(tokens), picture)


def test_a_request_that_a_family_cannot_draw_is_refused() -> None:
    for name in ("sd3", "flux", "sana"):
        with pytest.raises(ValueError, match="takes no image to edit"):
            family_of(name, 1.0).encode(Request("bluer", (SOURCE,)), SIZE)


def test_the_page_has_a_row_for_every_class_with_the_forwards_it_takes() -> None:
    page = (Path(__file__).parent.parent / "docs" / "models.md").read_text()
    rows = {line.split("`")[1]: line for line in page.splitlines() if line.startswith("| `") and "| yes |" in line}
    assert set(rows) == set(CLASSES)
    for name, kind in FAMILIES.items():
        row = rows[type(make_pipeline(name)).__name__]
        assert row.split(" | ")[-2] == str(kind.branches)
        assert row.count("yes") == (3 if name in ("kontext", "qwen-edit") else 2)
