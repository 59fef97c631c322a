"""How much faster twelve questions about a picture are answered in one pass than each from the beginning.

Random weights in the shapes of Qwen2.5-VL and Qwen3-VL, narrow enough for a CPU, pictures of 512 x 512 and as many
tokens as the published models make of them; also how far the answers lie apart. On an accelerator it measures there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
import transformers

from reward.shared_prefix import Tail, read_plain, read_shared

QUESTIONS, QUESTION_TOKENS, SIDE, WORDS = 12, 18, 512, 2048
MARKS = {"vision_start_token_id": 2, "image_token_id": 3, "vision_end_token_id": 4, "video_token_id": 5}
TEXT = {
    "vocab_size": WORDS, "hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 4,
    "num_attention_heads": 8, "num_key_value_heads": 2, "max_position_embeddings": 8192,
}  # fmt: skip
EYES = {"depth": 4, "hidden_size": 192, "intermediate_size": 512, "num_heads": 6, "out_hidden_size": 256}


def qwen25() -> Any:
    """Qwen2.5-VL with patches of 14."""
    config = transformers.Qwen2_5_VLConfig(
        text_config={**TEXT, "rope_parameters": {
            "rope_type": "default", "rope_theta": 1e6, "mrope_section": [4, 6, 6]}},
        vision_config={**EYES, "fullatt_block_indexes": [1, 3]}, **MARKS)  # fmt: skip
    return transformers.Qwen2_5_VLForConditionalGeneration(config)


def qwen3() -> Any:
    """Qwen3-VL with patches of 16."""
    config = transformers.Qwen3VLConfig(
        text_config={**TEXT, "head_dim": 32, "rope_parameters": {
            "rope_type": "default", "rope_theta": 5e6, "mrope_section": [6, 5, 5], "mrope_interleaved": True}},
        vision_config={**EYES, "deepstack_visual_indexes": [0, 1, 2]}, **MARKS)  # fmt: skip
    return transformers.Qwen3VLForConditionalGeneration(config)


MODELS: Mapping[str, tuple[Callable[[], Any], int]] = {"Qwen2.5-VL": (qwen25, 14), "Qwen3-VL": (qwen3, 16)}
"""How each is made, and the side of its patches."""


def prefix_of(patch: int, device: torch.device, kind: torch.dtype) -> dict[str, torch.Tensor]:
    """A picture of SIDE x SIDE between its marks, as the processor would make it."""
    side = round(SIDE / (2 * patch)) * 2
    tokens = (side // 2) ** 2
    ids = torch.tensor([[7, 8, 2, *[3] * tokens, 4]], device=device)
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "mm_token_type_ids": (ids == 3).long(),
        "pixel_values": torch.randn(side * side, 3 * 2 * patch * patch, device=device, dtype=kind),
        "image_grid_thw": torch.tensor([[1, side, side]], device=device),
    }


def whole_of(prefix: Mapping[str, torch.Tensor], tail: Tail) -> dict[str, torch.Tensor]:
    """The whole conversation of one question."""
    more = torch.tensor([tail.tokens], device=prefix["input_ids"].device)
    ids = torch.cat([prefix["input_ids"], more], dim=1)
    return {**prefix, "input_ids": ids, "attention_mask": torch.ones_like(ids), "mm_token_type_ids": (ids == 3).long()}


@torch.no_grad()
def spread(model: Any) -> Any:
    """The model with weights that make its answers differ from question to question, as taught ones do."""
    for weight in model.parameters():
        if weight.ndim > 1:
            weight.normal_(std=weight[0].numel() ** -0.5)
    return model


def seconds(device: torch.device, *works: Callable[[], Any]) -> list[float]:
    """The least of two of each, in turns: of a processor's own time, which others on the machine do not lengthen."""
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    found: list[list[float]] = [[] for _ in works]
    for _ in range(2):
        for work, mine in zip(works, found, strict=True):
            start = clock()
            work()
            if device.type == "cuda":
                torch.cuda.synchronize()
            mine.append(clock() - start)
    return [min(mine) for mine in found]


def measure(name: str) -> None:
    """Prints one line, and stops where the promise is not kept."""
    make, patch = MODELS[name]
    torch.manual_seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = spread(make().to(device).eval())
    prefix = prefix_of(patch, device, model.dtype)
    tails = [Tail(tuple(torch.randint(10, WORDS, (QUESTION_TOKENS + number,)).tolist())) for number in range(QUESTIONS)]
    shared = read_shared(model, prefix, [tails], 0)[0]
    alone = [read_plain(model, whole_of(prefix, tail), 1) for tail in tails]
    apart = max(
        float((one.softmax(-1) - other.softmax(-1)).abs().max()) for one, other in zip(shared, alone, strict=True)
    )
    logits = max(float((one - other).abs().max()) for one, other in zip(shared, alone, strict=True))
    fast, slow = seconds(
        device,
        lambda: read_shared(model, prefix, [tails], 0),
        lambda: [read_plain(model, whole_of(prefix, tail), 1) for tail in tails],
    )
    tokens = int((prefix["input_ids"] == 3).sum())
    print(
        f"{name}, {tokens} tokens a picture, {device.type}: {QUESTIONS} questions in one pass are {slow / fast:.1f} "
        f"times as fast as {QUESTIONS} passes; probabilities differ by {apart:.1e}, logits by {logits:.1e}"
    )
    assert apart < 1e-3, "answers differ"
    assert slow / fast >= 6.0, "less than six times as fast"


if __name__ == "__main__":
    for each in MODELS:
        measure(each)
