"""The lesson of reflection: from a prompt and a picture to what is wrong with it, and to the picture put right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from random import Random

from harness.bagel.prompts import Prompts
from tasks.composition import Composition, with_article
from tasks.edit import new_thing
from tasks.scene import OPPOSITE, SHAPES, Scene, Thing, apart, draw_whole, related, render
from tasks.scenes import free_colours
from trainer.lesson import Example, Picture, scene_of_training, thought
from trainer.look import description, pick

RIGHT = 0.35
"""Share of pictures with which nothing is wrong."""
Spoiling = tuple[Scene, str]
"""A scene that is wrong, and the instruction that puts it right."""


def reflect(prompts: Prompts, random: Random, number: int) -> Example:  # noqa: ARG001 - one signature for all lessons
    """From a prompt and a picture to a reflection, and to the picture that the prompt asked for."""
    prompt, scene, composition = scene_of_training(random)
    wrong, verdict = scene, prompts.satisfied
    if random.random() >= RIGHT:
        wrong, verdict = spoil(composition, scene, random)
    asked = (prompts.open if random.random() < 0.6 else prompts.assert_failure).replace("{prompt}", prompt)
    plan = thought(f"there is {description(wrong)} . {verdict} .")
    return Example(read=(prompts.think, Picture(render(wrong)), asked), thought=plan, image=render(scene))


def spoil(composition: Composition, scene: Scene, random: Random) -> Spoiling:
    """One thing wrong with a scene that satisfies a request, and how to mend it."""
    ways: list[Callable[[Composition, Scene, Random], Spoiling | None]] = [other_shape, missing, extra]
    ways += [other_colour] * (2 if any(colour for _, colour in composition.things) else 0)
    ways += [other_place] * (3 if composition.relation else 0)
    while True:
        found = ways[draw_whole(random, 0, len(ways) - 1)](composition, scene, random)
        if found is not None:
            return found[0], f"wrong . {found[1]}"


def asked_for(composition: Composition, place: int) -> str:
    """One thing as the request names it: `a red star`, or `a star` where the colour is open."""
    shape, colour = composition.things[place]
    return with_article(f"{colour} {shape}" if colour else shape)


def swapped(scene: Scene, place: int, thing: Thing) -> Scene:
    """The scene with another thing in one place."""
    things = list(scene.things)
    things[place] = thing
    return replace(scene, things=tuple(things))


def other_colour(composition: Composition, scene: Scene, random: Random) -> Spoiling | None:
    """A thing in a colour that was not asked for."""
    place = draw_whole(random, 0, len(scene.things) - 1)
    shape, colour = composition.things[place]
    if colour is None:
        return None
    wrong = replace(scene.things[place], colour=pick(random, [one for one in free_colours(shape) if one != colour]))
    return swapped(scene, place, wrong), f"make the {shape} {colour}"


def other_shape(composition: Composition, scene: Scene, random: Random) -> Spoiling | None:
    """Another shape in the place of one that was asked for."""
    place = draw_whole(random, 0, len(scene.things) - 1)
    thing, present = scene.things[place], {one.shape for one in scene.things}
    fitting = [one for one in SHAPES if one not in present and thing.colour in free_colours(one)]
    if not fitting:
        return None
    wrong = replace(thing, shape=pick(random, fitting))
    if not all(apart(wrong, one) for number, one in enumerate(scene.things) if number != place):
        return None
    return swapped(scene, place, wrong), f"replace the {wrong.shape} with {asked_for(composition, place)}"


def missing(composition: Composition, scene: Scene, random: Random) -> Spoiling | None:
    """A thing that is not there."""
    if len(scene.things) == 1:
        return None
    place = draw_whole(random, 0, len(scene.things) - 1)
    rest = tuple(one for number, one in enumerate(scene.things) if number != place)
    return replace(scene, things=rest), f"add {asked_for(composition, place)}"


def extra(composition: Composition, scene: Scene, random: Random) -> Spoiling | None:  # noqa: ARG001 - one signature
    """A thing that nobody asked for."""
    if len(scene.things) >= 4:
        return None
    again = len(Counter(one.shape for one in scene.things)) == 1 and random.random() < 0.5
    shape = scene.things[0].shape if again else pick(random, list(SHAPES))
    if not again and shape in {one.shape for one in scene.things}:
        return None
    thing = new_thing(random, shape, pick(random, list(free_colours(shape))), scene.things)
    if thing is None:
        return None
    words = f"remove {with_article(shape)}" if again else f"remove the {shape}"
    return replace(scene, things=(*scene.things, thing)), words


def other_place(composition: Composition, scene: Scene, random: Random) -> Spoiling | None:  # noqa: ARG001 - one signature
    """The two things of a relation in each other's place."""
    if composition.relation is None:
        return None
    first, second = scene.things[:2]
    turned = (replace(first, x=second.x, y=second.y), replace(second, x=first.x, y=first.y))
    if not apart(*turned) or not related(*turned, OPPOSITE[composition.relation]):
        return None
    words = f"move the {first.shape} {composition.relation} the {second.shape}"
    return replace(scene, things=(*turned, *scene.things[2:])), words
