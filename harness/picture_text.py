"""Prompts with pictures in them for Qwen2.5-VL, without torchvision, which its own processor asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from harness.extra import extra, first_line

PICTURE = "<|image_pad|>"
"""Stands for a picture in a prompt; the network wants it once for each of the picture's tokens."""


@dataclass(frozen=True, slots=True)
class PictureText:
    """What Qwen-Image-Edit needs of a Qwen2VLProcessor: tokens, a mask, patches and their grid."""

    image_processor: Any
    tokenizer: Any

    def __call__(
        self,
        text: Sequence[str],
        images: Image.Image | Sequence[Image.Image] | None = None,
        padding: bool = True,
        return_tensors: str = "pt",
    ) -> Any:
        """Token ids and mask of the texts; with images, in their order, also pixel values and grid."""
        found: dict[str, Any] = {}
        counts: list[int] = []
        if images is not None:
            found = dict(self.image_processor(images=images, return_tensors=return_tensors))
            counts = [int(grid.prod()) // self.image_processor.merge_size**2 for grid in found["image_grid_thw"]]
        left = iter(counts)
        spread = ["".join(part + (PICTURE * next(left) if more else "") for part, more in pieces(one)) for one in text]
        tokens = self.tokenizer(spread, padding=padding, return_tensors=return_tensors)
        return extra("transformers", "models").BatchFeature({**tokens, **found})


def pieces(text: str) -> list[tuple[str, bool]]:
    """The text between the pictures, each with whether a picture follows."""
    parts = text.split(PICTURE)
    return [(part, number < len(parts) - 1) for number, part in enumerate(parts)]


def read_picture_text(folder: Path) -> PictureText:
    """The processor in a folder as transformers saves it."""
    looks = extra("transformers.models.qwen2_vl.image_processing_pil_qwen2_vl", "models").Qwen2VLImageProcessorPil
    words = extra("transformers", "models").Qwen2Tokenizer
    try:
        return PictureText(looks.from_pretrained(folder), words.from_pretrained(folder))
    except OSError as error:
        raise ValueError(f"{folder} holds no processor of Qwen2.5-VL: {first_line(error)}") from None
