"""The official checkpoint layout: which files a folder must hold, and the shape that they tell."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from harness.bagel.checkpoint import digest, digest_of, read_shapes
from harness.bagel.config import PUBLISHED, BagelConfig, LanguageConfig, read_json
from harness.bagel.vae import PUBLISHED as PUBLISHED_VAE
from harness.bagel.vae import VaeConfig
from harness.bagel.vit import VitConfig
from harness.extra import extra, first_line

Shapes = Mapping[str, tuple[int, ...]]
NETWORK, SPACE = "ema.safetensors", "ae.safetensors"
SHAPES = ("llm_config.json", "vit_config.json")
WORDS = (("tokenizer.json",), ("vocab.json", "merges.txt", "tokenizer_config.json"))
"""Either of them will do."""
ALL = (NETWORK, f"{NETWORK}.index.json", "ema-*.safetensors", SPACE, *SHAPES, *WORDS[0], *WORDS[1])
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
TABLES = ("latent_pos_embed.", "vit_pos_embed.")
"""Tables that are computed where a checkpoint leaves them out."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A folder that holds all that is needed."""

    folder: Path
    network: Path
    """`ema.safetensors`, or the index of its shards"""
    space: Path

    @property
    def digest(self) -> str:
        """SHA-256 over the digests of all files that decide what the model computes."""
        words = [self.folder / name for names in WORDS for name in names]
        files = [self.network, self.space, *(self.folder / name for name in SHAPES), *words]
        return digest_of([digest(file) for file in files if file.is_file()])


def find_folder(pretrained: str, revision: str | None = None) -> Path:
    """The folder named, or the hub's snapshot of a repository; ValueError says why there is none."""
    folder = Path(pretrained).expanduser()
    if folder.is_dir():
        return folder
    if not is_repository(pretrained):
        raise ValueError(f"pretrained={pretrained} is neither a folder nor a repository (owner/name)")
    hub = extra("huggingface_hub", "models")
    try:
        return Path(hub.snapshot_download(pretrained, revision=revision, allow_patterns=list(ALL)))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{pretrained} is not in the local cache of the hub and cannot be had from it ({first_line(error)}); "
            f"where there is a network run `hf download {pretrained}`, or give a folder"
        ) from None


def is_repository(pretrained: str) -> bool:
    """Whether a name can be that of a repository of the hub."""
    return pretrained.count("/") == 1 and not pretrained.startswith((".", "/", "~"))


def read_layout(folder: Path) -> Layout:
    """The files of a folder; ValueError names all that are missing, and a pickle that lies in their place."""
    index = folder / f"{NETWORK}.index.json"
    network = index if index.is_file() and not (folder / NETWORK).is_file() else folder / NETWORK
    missing = [name for name in (SPACE, *SHAPES) if not (folder / name).is_file()]
    missing = [*missing, *([] if network.is_file() else [NETWORK])]
    if not any(all((folder / name).is_file() for name in names) for names in WORDS):
        missing.append(" or ".join(" and ".join(names) for names in WORDS))
    if missing:
        pickles = sorted(one.name for one in folder.iterdir() if one.suffix in PICKLES)
        told = f"; {', '.join(pickles)} can run code when opened and is not read" if pickles else ""
        raise ValueError(f"{folder} is no checkpoint of BAGEL: it lacks {', '.join(missing)}{told}")
    return Layout(folder, network, folder / SPACE)


def read_config(layout: Layout) -> BagelConfig:
    """The shape of the checkpoint; ValueError names the file, and the tensor, that cannot be right.

    What the official code holds in constants is read off the tensors, so that other sizes open as well.
    """
    folder = layout.folder
    language, eyes = (folder / name for name in SHAPES)
    try:
        # as the official code: whatever the file says, heads are normed and embeddings not tied
        words = replace(LanguageConfig.read(read_json(language)), qk_norm=True, tie_word_embeddings=False)
        check_language(words)
    except TypeError as error:
        raise ValueError(f"{language} does not tell the shape of a language model: {first_line(error)}") from None
    except ValueError as error:
        raise ValueError(f"{language}: {error}") from None
    try:
        vit = VitConfig.read(read_json(eyes))
        if vit.side < 1 or vit.depth < 0 or vit.hidden_size % vit.num_attention_heads:
            raise ValueError(f"{vit} is no shape of a vision encoder")
    except (ValueError, TypeError, ZeroDivisionError) as error:
        raise ValueError(f"{eyes}: {first_line(error)}") from None
    vae, shapes = vae_of(read_shapes(layout.space), layout.space), read_shapes(layout.network)
    token = shape_of(shapes, "llm2vae.weight", layout.network, 2)[0]
    patch = math.isqrt(token // vae.z_channels)
    if patch < 1 or patch**2 * vae.z_channels != token:
        raise ValueError(
            f"{layout.network}: llm2vae.weight gives {token} numbers a latent token, which is no square of latents of "
            f"{vae.z_channels} channels as {layout.space} has them"
        )
    table = shapes.get("latent_pos_embed.pos_embed", (PUBLISHED.max_latent_size**2,))[0]
    return BagelConfig(words, vit, vae, patch, math.isqrt(table), vit.side)


def check_language(words: LanguageConfig) -> None:
    """ValueError for numbers that no language model has."""
    heads, groups = words.num_attention_heads, words.num_key_value_heads
    if min(heads, groups, words.num_hidden_layers, words.vocab_size) < 1 or words.hidden_size % heads or heads % groups:
        raise ValueError(f"{heads} heads over {groups} of keys do not divide a width of {words.hidden_size}")


def vae_of(shapes: Shapes, path: Path) -> VaeConfig:
    """The autoencoder's shape, read off its tensors; the spread of its latents is that of the published one."""
    base, channels = shape_of(shapes, "encoder.conv_in.weight", path, 4)[:2]
    out = shape_of(shapes, "decoder.conv_out.weight", path, 4)[0]
    latents = shape_of(shapes, "decoder.conv_in.weight", path, 4)[1]
    levels, blocks = (
        count(shapes, "encoder.down.{}.block.0.conv1.weight"),
        count(shapes, "encoder.down.0.block.{}.conv1.weight"),
    )
    widths = [shapes[f"encoder.down.{number}.block.0.conv1.weight"][0] for number in range(levels)]
    if not levels or any(width % base for width in widths):
        raise ValueError(f"{path} is no autoencoder of FLUX's layout: its levels are no multiples of {base} channels")
    return replace(
        PUBLISHED_VAE,
        in_channels=channels,
        out_channels=out,
        base_channels=base,
        channel_multipliers=tuple(width // base for width in widths),
        num_res_blocks=blocks,
        z_channels=latents,
        downsample=2 ** (levels - 1),
    )


def count(shapes: Shapes, name: str) -> int:
    """How many tensors of this name are numbered from 0 on."""
    number = 0
    while name.format(number) in shapes:
        number += 1
    return number


def shape_of(shapes: Shapes, name: str, path: Path, dimensions: int) -> tuple[int, ...]:
    """The shape of a tensor that must be there; ValueError names file and tensor."""
    found = shapes.get(name)
    if found is None:
        raise ValueError(f"{path} lacks the tensor {name}")
    if len(found) != dimensions:
        raise ValueError(f"{path}: {name} has {len(found)} dimensions instead of {dimensions}")
    return found
