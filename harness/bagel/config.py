"""The shape of a unified model, read from the files of the official checkpoint layout."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from harness.bagel.vae import PUBLISHED as PUBLISHED_VAE
from harness.bagel.vae import VaeConfig
from harness.bagel.vit import VitConfig


@dataclass(frozen=True, slots=True)
class LanguageConfig:
    """Qwen2's shape, with the keys of `llm_config.json`."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    rms_norm_eps: float = 1e-6
    rope_theta: float = 1_000_000.0
    tie_word_embeddings: bool = False
    qk_norm: bool = True

    @property
    def head_width(self) -> int:
        """Channels of one attention head."""
        return self.hidden_size // self.num_attention_heads

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> LanguageConfig:
        """Takes the keys it knows from a parsed `llm_config.json`, which holds many more."""
        return cls(**{one.name: found[one.name] for one in fields(cls) if one.name in found})


@dataclass(frozen=True, slots=True)
class BagelConfig:
    """A unified model: the language model, its eyes (`vit`), its image space (`vae`; None draws in pixels)."""

    language: LanguageConfig
    vit: VitConfig | None
    vae: VaeConfig | None
    latent_patch_size: int = 2
    max_latent_size: int = 64
    vit_max_num_patch_per_side: int = 70
    prediction: Literal["velocity", "data"] = "velocity"
    """What the latent head predicts: noise minus data (BAGEL), or the clean data (better for large pixel patches)."""

    def __post_init__(self) -> None:
        # one table position serves the encoder and the language model
        if self.vit is not None and self.vit_max_num_patch_per_side != self.vit.side:
            raise ValueError(
                f"vit_max_num_patch_per_side is {self.vit_max_num_patch_per_side}, but the vision encoder's "
                f"table of positions has {self.vit.side} a side ({self.vit.image_size} // {self.vit.patch_size})"
            )

    @property
    def latent_channels(self) -> int:
        """Channels of the image space."""
        return 3 if self.vae is None else self.vae.z_channels

    @property
    def downsample(self) -> int:
        """Pixels along one side of a latent token."""
        return self.latent_patch_size * (1 if self.vae is None else self.vae.downsample)

    @property
    def token_width(self) -> int:
        """Numbers in one latent token."""
        return self.latent_patch_size**2 * self.latent_channels


PUBLISHED = BagelConfig(
    LanguageConfig(152_064, 3584, 18_944, 28, num_attention_heads=28, num_key_value_heads=4),
    VitConfig(1152, 4304, 27, 16, image_size=980, patch_size=14),
    PUBLISHED_VAE,
)
"""BAGEL-7B-MoT: Qwen2.5-7B twice over, SigLIP of 400 million parameters, FLUX's autoencoder."""


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """Ids that frame texts and images."""

    begin: int
    end: int
    start_of_image: int
    end_of_image: int


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file; ValueError names a file that holds none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds no JSON object")
    return found
