"""bagel: BAGEL-7B-MoT, or any unified model in its checkpoint layout, from a folder or the hub."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from harness.bagel.checkpoint import check_fit, load_into, read_placed, read_shapes
from harness.bagel.config import BagelConfig
from harness.bagel.estimate import drawing_memory
from harness.bagel.guidance import Guidance, Renorm
from harness.bagel.layout import TABLES, Layout, find_folder, read_config, read_layout
from harness.bagel.lens import Lens
from harness.bagel.model import Bagel
from harness.bagel.placement import Place, check_device, check_room, dispatch, place_of, spread
from harness.bagel.positions import sine_table
from harness.bagel.prompts import Prompts
from harness.bagel.tokenizer import TextCoder
from harness.bagel.unified import Drawing, Thinking, Unified
from harness.bagel.vae import Autoencoder
from harness.bagel.workload import chunk_work
from harness.bagel.write import Sampling
from harness.model import Setting
from harness.process import place_in_launch

PROMPTS = Path(__file__).parent / "bagel" / "prompts.json"
"""The fixed texts that ship."""
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, slots=True)
class Arguments:
    """Which weights, where they lie, and how they draw; the defaults are BAGEL's own."""

    pretrained: str
    """A folder, or a repository of the hub: `ByteDance-Seed/BAGEL-7B-MoT`."""
    revision: str | None = None
    """Branch, tag or commit of the repository."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the network; auto is bfloat16, and float32 on the CPU. The autoencoder computes in float32."""
    device_map: Literal["none", "auto"] = "none"
    """auto spreads the layers over all GPUs, and over the CPU where they do not fit."""
    max_memory: tuple[str, ...] = ()
    """What the weights may take of each GPU under device_map=auto, in order: 20GiB+20GiB."""
    width: int = 1024
    height: int = 1024
    """Pixels of what is drawn; an edit has the size of its source."""
    points: int = 50
    """Grid points of the sampler; one fewer is the number of steps."""
    shift: float = 3.0
    """Timestep shift of the grid."""
    guidance: float = 4.0
    """Text guidance scale; 1 draws without it."""
    image_guidance: float = 2.0
    """Image guidance scale of edits; 1 edits without it."""
    low: float = 0.4
    high: float = 1.0
    """Guidance applies to noise levels above `low`, up to `high`."""
    renorm: Renorm = "global"
    """How a guided velocity is rescaled: global, channel, text_channel or none."""
    edit_renorm: Renorm = "text_channel"
    """The same for edits."""
    rows: int = 4
    """Images drawn together; a chunk of fixed shape, so that the batch size changes no image."""
    reason: bool = False
    """Write a plan before drawing; `--reason` says the same."""
    temperature: float = 0.3
    """Of the plan's words; 0 takes the likeliest."""
    top_p: float = 1.0
    """Share of the likeliest words that a plan's words are drawn from."""
    longest: int = 1000
    """Most tokens of a plan."""
    prompts: Path = PROMPTS
    """File with the fixed texts: how a plan is asked for, and so on."""


def build(arguments: Arguments, setting: Setting) -> Unified:
    """The model, ready to draw; whatever is wrong is told before a weight is loaded."""
    check_device(setting.device)
    check_spread(arguments, setting.device)
    if arguments.rows < 1:
        raise ValueError(f"rows must be at least 1, not {arguments.rows}")
    thinking = Thinking(
        Prompts.read(arguments.prompts), Sampling(arguments.temperature, arguments.top_p, arguments.longest)
    )
    layout = read_layout(find_folder(arguments.pretrained, arguments.revision))
    config = read_config(layout)
    drawing = read_drawing(arguments, config)
    coder = read_words(layout, config)
    dtype = read_dtype(arguments.dtype, setting.device)
    beside = drawing_memory(config, chunk_work(config, drawing, thinking.sampling, True, dtype.itemsize))
    if arguments.device_map == "none":
        check_room(beside.weights, setting.device)
    room = beside.contexts + beside.passing
    bagel, space, places = open_weights(layout, config, coder, dtype, arguments, setting.device, room)
    weights = layout.digest
    record = {
        "class": "harness.bagel.unified.Unified",
        "revision": arguments.revision,
        "weights_digest": weights,
        "generation": {**asdict(drawing), "thinking": asdict(thinking.sampling) if arguments.reason else None},
        "prompts_sha256": thinking.prompts.digest,
        "dtype": str(dtype).removeprefix("torch."),
        "devices": sorted({str(place_of(places)(name)) for name, _ in bagel.named_parameters()}),
        "torch": torch.__version__,
        "parameters": sum(one.numel() for part in (bagel, space) for one in part.parameters()),
    }
    name = f"{arguments.pretrained.rstrip('/').rpartition('/')[2]}@{weights[:12]}"
    chosen = thinking if arguments.reason else None
    name += "+think" if chosen else ""
    return Unified(name, record, bagel, space, coder, drawing, chosen, Lens.of(config), reflecting=thinking)


def check_spread(arguments: Arguments, device: str) -> None:
    """ValueError where the layers are to be spread over GPUs that other processes hold, or that were not asked for."""
    if arguments.device_map == "none":
        if arguments.max_memory:
            raise ValueError("max_memory= bounds what device_map=auto takes of each GPU; give both")
        return
    _, processes = place_in_launch()
    if processes > 1:
        raise ValueError(f"device_map=auto takes all GPUs for one process, but {processes} were launched")
    if device.startswith("cpu") and torch.cuda.is_available():
        raise ValueError("device_map=auto spreads the layers over GPUs; give --device cuda")


def read_dtype(name: str, device: str) -> torch.dtype:
    """The network's type by its name."""
    if name == "auto":
        return torch.float32 if device.startswith("cpu") else torch.bfloat16
    return DTYPES[name]


def read_drawing(arguments: Arguments, config: BagelConfig) -> Drawing:
    """How images are drawn; ValueError for a size that the latent table cannot hold."""
    given, cell = arguments, config.downsample
    most = config.max_latent_size * cell
    for side, pixels in (("width", given.width), ("height", given.height)):
        if pixels % cell or not cell <= pixels <= most:
            raise ValueError(f"{side}={pixels} is no multiple of {cell} between {cell} and {most}")
    drawn = Guidance(given.guidance, 1.0, given.low, given.high, given.renorm)
    edited = Guidance(given.guidance, given.image_guidance, given.low, given.high, given.edit_renorm)
    return Drawing(given.points, given.shift, drawn, given.height, given.width, given.rows, edited)


def read_words(layout: Layout, config: BagelConfig) -> TextCoder:
    """The tokenizer; ValueError for one with more tokens than the network has embeddings."""
    coder = TextCoder.read_folder(layout.folder)
    if coder.size > config.language.vocab_size:
        raise ValueError(
            f"the tokenizer in {layout.folder} has ids up to {coder.size - 1}, but llm_config.json has a vocab_size of "
            f"{config.language.vocab_size}"
        )
    return coder


def open_weights(
    layout: Layout,
    config: BagelConfig,
    coder: TextCoder,
    dtype: torch.dtype,
    arguments: Arguments,
    device: str,
    room: int,
) -> tuple[Bagel, Autoencoder, Mapping[str, Place]]:
    """Both networks with their weights, each tensor read onto its device alone, and where they lie.

    Spread over several devices, `room` bytes of each stay free for what drawing takes.

    ValueError names file and tensor; all shapes are checked before the first weight is read.
    """
    if config.vae is None:
        raise ValueError(f"{layout.folder} has no autoencoder")
    with torch.device("meta"):
        bagel, space = Bagel(config, coder.special), Autoencoder(config.vae)
    named(layout.network, lambda: check_fit(bagel, read_shapes(layout.network), TABLES))
    named(layout.space, lambda: check_fit(space, read_shapes(layout.space)))
    alone = arguments.device_map == "none"
    places: Mapping[str, Place] = {"": device} if alone else spread(bagel, dtype, arguments.max_memory, room)
    first = next(iter(places.values()))
    weights = read_placed(layout.network, place_of(places), dtype)
    for name, table in bagel.named_parameters():
        if name not in weights:  # only tables may be absent
            side = config.max_latent_size if name.startswith(TABLES[0]) else config.vit_max_num_patch_per_side
            weights[name] = sine_table(side, table.shape[1]).to(place_of(places)(name), dtype)
    load_into(bagel, weights)
    load_into(space, read_placed(layout.space, lambda _: torch.device(first), torch.float32))
    if not alone:
        dispatch(bagel, places, first)
    return bagel.eval(), space.eval(), places


def named(path: Path, check: Callable[[], Any]) -> None:
    """Runs a check; its ValueError tells the file as well."""
    try:
        check()
    except ValueError as error:
        told = str(error)
        raise ValueError(told if str(path) in told else f"{path}: {told}") from None
