"""Evaluating inside training without leaving a trace: random states and train flags as they were (harness.md 6)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn


@contextmanager
def undisturbed(*modules: nn.Module) -> Iterator[None]:
    """Puts back the random states of Python, numpy, torch and CUDA, and the flag of every submodule, in any case."""
    python, legacy, processor = random.getstate(), np.random.get_state(), torch.get_rng_state()
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    flags = [(one, one.training) for module in modules for one in module.modules()]
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)
        torch.set_rng_state(processor)
        if devices:
            torch.cuda.set_rng_state_all(devices)
        for one, flag in flags:
            one.training = flag
