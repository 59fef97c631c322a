"""The default recipe against Flow-GRPO's habits: `python -m benchmarks.train_step`.

Both train the shipped weights of `tiny` on the same few prompts of `scenes` with the same optimiser, rate and number of
images, until the reward of an update, as a mean over some updates, lies a fixed amount above that of the first ones.
Flow-GRPO (arXiv 2505.05470) trains every transition but the last, with guidance in rollout and loss, and weighs its
divergence from the reference by .04; its guidance here is the model's own 2, since 4.5 makes `tiny` worse. Times are
this process's own on one thread, so that a busy machine changes the ratio little. Then the peak memory of one update in
a process of its own, for more and more transitions.
"""

from __future__ import annotations

import math
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator

from trainer.build import build_assignment, build_run
from trainer.collect import collect
from trainer.recipe import read_recipe
from trainer.run import Run
from trainer.train import learn

RECIPE = Path(__file__).parent.parent / "recipes" / "tiny_rt2i.yaml"
PROMPTS = ["task_args={split: train, count: 6}", "prompts_per_step=6", "num_generations=8", "eval_steps=0",
           "rollout_batch_size=48", "per_device_train_batch_size=48", "lr_scheduler_type=constant"]  # fmt: skip
FLOW_GRPO = ["sampler.kernel=flow", "sampler.eta=0.7", "sampler.window_size=9", "sampler.window_range=[0,9]",
             "sampler.guidance_scale=2.0", "image.epsilon=1e-4", "image.beta=0.04", "image.divergence=legacy",
             "per_device_train_batch_size=12"]  # fmt: skip
LIFT, WINDOW, MOST = 0.05, 4, 60
"""How far the reward must rise, the updates that its mean is taken over, and the most updates there are."""
PATIENCE = 6.0
"""How many times the seconds of the default recipe the other way is given."""


@dataclass(frozen=True, slots=True)
class Lift:
    """How one way of training rose."""

    updates: int
    seconds: float
    first: float
    last: float
    done: bool = True
    """Whether it rose by LIFT"""


def start(settings: list[str]) -> Run:
    """A run of the recipe with some settings changed, in a folder that nothing is kept in."""
    config = read_recipe([RECIPE], [*PROMPTS, *settings, f"output_dir={tempfile.mkdtemp()}"])
    return build_run(config, build_assignment(config), Accelerator(cpu=True), quiet=True)


def update(run: Run) -> float:
    """One update; gives the mean reward of its rollouts."""
    figures, _ = learn(run, collect(run.ground, run.progress.step))
    run.progress.step += 1
    return figures["reward"]


def lift(settings: list[str], limit: float = math.inf) -> Lift:
    """Updates and seconds until the reward has risen by LIFT, or until `limit` seconds are over."""
    run, rewards, begin = start(settings), list[float](), time.process_time()
    while True:
        rewards.append(update(run))
        first, last = (sum(part) / WINDOW for part in (rewards[:WINDOW], rewards[-WINDOW:]))
        done, spent = len(rewards) > WINDOW and last >= first + LIFT, time.process_time() - begin
        if done or spent > limit or len(rewards) == MOST:
            return Lift(len(rewards), spent, first, last, done)


def peak(settings: list[str]) -> float:
    """Most MiB that a process held which made one update."""
    done = subprocess.run([sys.executable, "-m", __spec__.name, *settings], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def tell(name: str, one: Lift) -> None:
    """Prints one way."""
    how = f"{one.first:.3f} to {one.last:.3f} in {one.updates} updates, {one.seconds:.0f} s"
    print(f"{name}: reward {how}, {one.seconds / one.updates:.2f} s an update", flush=True)


def main(settings: list[str]) -> None:
    """Prints both ways, their ratio, and the memory; with settings, the memory of one update under them."""
    torch.set_num_threads(1)
    if settings:
        update(start(settings))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    ours = lift([])
    tell("default recipe", ours)
    assert ours.done, "the default recipe did not lift its reward"
    theirs = lift(FLOW_GRPO, PATIENCE * ours.seconds)
    tell("Flow-GRPO's habits", theirs)
    faster, less = theirs.seconds / ours.seconds, theirs.seconds / theirs.updates * ours.updates / ours.seconds
    told = f"{faster:.1f} times" if theirs.done else f"more than {faster:.1f} times"
    print(f"the reward rises by {LIFT} {told} faster; an update costs {less:.1f} times less", flush=True)
    for window, transitions in ((2, 10), (2, 20), (2, 40), (8, 40)):
        size = peak([f"sampler.num_inference_steps={transitions}", f"sampler.window_size={window}",
                     "sampler.window_range=[0,9]"])  # fmt: skip
        print(f"{transitions} transitions, {window} of them trained: {size:.0f} MiB at most", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
