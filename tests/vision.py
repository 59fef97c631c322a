"""Small random vision-language models of the supported classes, saved as checkpoints are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tokenizers
import torch
import transformers

TEXT = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 4096,
}  # fmt: skip
WORDS = ("yes", "Yes", " yes", "no", "No", " no", "NO")
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{% if message['content'] is string %}"
    "{{ message['content'] }}{% else %}{% for part in message['content'] %}{% if part['type'] == 'image' %}IMAGE"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
QWEN = ("<|vision_start|>", "<|image_pad|>", "<|vision_end|>", "<|video_pad|>")
INTERN = ("<img>", "<IMG_CONTEXT>", "</img>", "<video>")
SMOL = ("<fake_token_around_image>", "<image>", "<global-img>", "<end_of_utterance>")


def tokenizer(marks: tuple[str, ...], **named: str) -> Any:
    """Bytes, and a few words that are one token in several spellings."""
    letters = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    merges: list[tuple[str, str]] = []
    for word in WORDS:
        spelled = word.replace(" ", "Ġ")
        for end in range(2, len(spelled) + 1):
            if (pair := (spelled[: end - 1], spelled[end - 1])) not in merges:
                merges.append(pair)
    whole = list(dict.fromkeys([*letters, *("".join(pair) for pair in merges)]))
    model = tokenizers.models.BPE({word: place for place, word in enumerate(whole)}, merges)
    made = tokenizers.Tokenizer(model)
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    ends = {"pad_token": "<|endoftext|>", "eos_token": "<|im_end|>"}
    found = transformers.PreTrainedTokenizerFast(tokenizer_object=made, extra_special_tokens=named, **ends)
    found.add_special_tokens({"additional_special_tokens": ["<|im_start|>", *marks]})
    return found


def save(folder: Path, config: Any, model: type[Any], words: Any, *parts: Any, image: str) -> Path:
    """The folder with weights, tokenizer, template and the processors of pictures."""
    torch.manual_seed(0)
    built = model(config)
    with torch.no_grad():
        for weight in built.parameters():  # far from equal answers, which would hide a mistake
            if weight.ndim > 1:
                weight.normal_(std=weight[0].numel() ** -0.5)
    built.eval().save_pretrained(folder)
    words.chat_template = TEMPLATE.replace("IMAGE", image)
    words.save_pretrained(folder)
    for part in parts:
        part.save_pretrained(folder)
    return folder


def qwen25(folder: Path) -> Path:
    """Qwen2.5-VL: windows of attention in the eyes, three positions a token."""
    words = tokenizer(QWEN)
    ids = ids_of(words)
    config = transformers.Qwen2_5_VLConfig(
        text_config={**TEXT, "vocab_size": len(words), "rope_parameters": {
            "rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]}},
        vision_config={"depth": 2, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "out_hidden_size": 32,
                       "fullatt_block_indexes": [1], "window_size": 56},
        **ids)  # fmt: skip
    eyes = transformers.Qwen2VLImageProcessorPil(min_pixels=56 * 56, max_pixels=112 * 112)
    return save(folder, config, transformers.Qwen2_5_VLForConditionalGeneration, words, eyes,
                image="<|vision_start|><|image_pad|><|vision_end|>")  # fmt: skip


def qwen3(folder: Path) -> Path:
    """Qwen3-VL: features of the eyes are added in several layers."""
    words = tokenizer(QWEN)
    config = transformers.Qwen3VLConfig(
        text_config={**TEXT, "head_dim": 8, "vocab_size": len(words), "rope_parameters": {
            "rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1], "mrope_interleaved": True}},
        vision_config={"depth": 2, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "out_hidden_size": 32,
                       "num_position_embeddings": 64, "deepstack_visual_indexes": [0, 1]},
        **ids_of(words))  # fmt: skip
    eyes = transformers.Qwen2VLImageProcessorPil(
        min_pixels=64 * 64, max_pixels=128 * 128, patch_size=16, image_mean=[0.5] * 3, image_std=[0.5] * 3
    )
    return save(folder, config, transformers.Qwen3VLForConditionalGeneration, words, eyes,
                image="<|vision_start|><|image_pad|><|vision_end|>")  # fmt: skip


def ids_of(words: Any) -> dict[str, int]:
    """The numbers of Qwen's marks."""
    names = ("vision_start_token_id", "image_token_id", "vision_end_token_id", "video_token_id")
    return dict(zip(names, words.convert_tokens_to_ids(list(QWEN)), strict=True))


def internvl(folder: Path) -> Path:
    """InternVL: a picture is cut into tiles and a small one of the whole."""
    names = ("start_image_token", "context_image_token", "end_image_token", "video_token")
    words = tokenizer(INTERN, **dict(zip(names, INTERN, strict=True)))
    config = transformers.InternVLConfig(
        text_config={**TEXT, "model_type": "qwen2", "vocab_size": len(words)},
        vision_config={"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48,
                       "image_size": [28, 28], "patch_size": [7, 7]},
        image_seq_length=4, image_token_id=words.convert_tokens_to_ids("<IMG_CONTEXT>"))  # fmt: skip
    eyes = transformers.GotOcr2ImageProcessorPil(size={"height": 28, "width": 28}, crop_to_patches=True, max_patches=3)
    where = save(folder, config, transformers.InternVLForConditionalGeneration, words, eyes, image="<IMG_CONTEXT>\n")
    (folder / "processor_config.json").write_text('{"image_seq_length": 4, "processor_class": "InternVLProcessor"}')
    return where


def smolvlm(folder: Path) -> Path:
    """SmolVLM: tiles with marks for rows and columns."""
    words = tokenizer(SMOL)
    config = transformers.SmolVLMConfig(
        text_config={**TEXT, "model_type": "llama", "vocab_size": len(words)},
        vision_config={"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
                       "image_size": 32, "patch_size": 8},
        scale_factor=2, image_token_id=words.convert_tokens_to_ids("<image>"))  # fmt: skip
    eyes = transformers.SmolVLMImageProcessorPil(
        size={"longest_edge": 64}, max_image_size={"longest_edge": 32}, do_image_splitting=True
    )
    where = save(folder, config, transformers.SmolVLMForConditionalGeneration, words, eyes, image="<image>")
    (folder / "processor_config.json").write_text('{"image_seq_len": 4, "processor_class": "SmolVLMProcessor"}')
    return where


MODELS = {"qwen2_5_vl": qwen25, "qwen3_vl": qwen3, "internvl": internvl, "smolvlm": smolvlm}
"""How a checkpoint of each class is made."""
