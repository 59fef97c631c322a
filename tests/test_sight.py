"""The eyes of the embedded model by themselves: what is asked of each patch, and that only the eyes learn it."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from harness.model_tiny import SHIPPED, read_bagel
from tasks.scene import COLOURS, SHAPES, Scene, Thing
from trainer.look import any_scene
from trainer.sight import NOTHING, SightConfig, covering, learn_to_see, main, seen, sights

SHORT = SightConfig(start=SHIPPED, steps=3, pictures=8)


def test_a_patch_is_named_by_the_thing_that_covers_most_of_it() -> None:
    # a square of half a side 0.85 * 8 pixels in the upper left quarter of 32 x 32 pixels, a ring in the lower right
    scene = Scene(208, (Thing("square", "red", 32, 32, 32), Thing("ring", "blue", 20, 96, 96)))
    shapes, colours = covering(scene, 8)
    square, ring = SHAPES.index("square"), SHAPES.index("ring")
    nothing = NOTHING[0]
    wanted = [[square, square, nothing, nothing]] * 2 + [[nothing, nothing, ring, ring]] * 2
    assert shapes.reshape(4, 4).tolist() == wanted
    assert set(colours[shapes == square]) == {tuple(COLOURS).index("red")}
    assert set(colours[shapes == ring]) == {tuple(COLOURS).index("blue")}


def test_every_thing_of_a_scene_is_named_in_some_patch() -> None:
    for number in range(50):
        scene = any_scene(Random(number))
        named = set(map(tuple, covering(scene, 8).T.tolist())) - {NOTHING}
        assert named == {(SHAPES.index(one.shape), tuple(COLOURS).index(one.colour)) for one in scene.things}


def test_the_shipped_eyes_know_shapes_and_colours() -> None:
    model, _ = read_bagel(SHIPPED)
    with torch.no_grad():
        some, others = (sights(SightConfig(start=SHIPPED, pictures=300, seed=7), step, 8) for step in (0, 1))
        features, unseen = (seen(model, one.patches).flatten(0, 1) for one in (some, others))
        thing, hidden = some.shapes.flatten() < NOTHING[0], others.shapes.flatten() < NOTHING[0]
        targets = torch.eye(NOTHING[0])[some.shapes.flatten()[thing]]
        fit = torch.linalg.lstsq(features[thing], targets).solution
        right = (unseen[hidden] @ fit).argmax(1) == others.shapes.flatten()[hidden]
    assert right.float().mean() > 0.75  # by a linear reading; one in eight by chance


def test_only_the_eyes_change_and_the_same_seed_gives_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = []
    for name in ("one", "two"):
        main(SightConfig(start=SHIPPED, out=tmp_path / name, steps=2, pictures=4))
        written.append(load_file(tmp_path / name / "ema.safetensors"))
    before = load_file(SHIPPED / "ema.safetensors")
    changed = {key for key, one in written[0].items() if not torch.equal(one, before[key])}
    assert changed
    assert all(key.startswith(("vit_model.", "connector.")) for key in changed)
    assert all(torch.equal(one, written[1][key]) for key, one in written[0].items())
    read_bagel(tmp_path / "one")


def test_a_model_without_eyes_cannot_learn_to_see() -> None:
    model, _ = read_bagel(SHIPPED)
    model.config = type(model.config)(model.config.language, None, None)
    with pytest.raises(ValueError, match="no eyes"):
        learn_to_see(model, SHORT)


def test_the_loss_falls() -> None:
    torch.manual_seed(0)
    model, _ = read_bagel(SHIPPED)
    found = learn_to_see(model, SightConfig(start=SHIPPED, steps=16, pictures=16, lr=2e-3))
    assert np.mean(found[-4:]) < 0.8 * found[0]
