"""A small random checkpoint in the layout of the published one, tokenizer included."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.normalizers import NFC
from tokenizers.pre_tokenizers import ByteLevel, Split
from tokenizers.pre_tokenizers import Sequence as Stages
from tokenizers.trainers import BpeTrainer

from harness.bagel.config import BagelConfig, LanguageConfig, SpecialTokens
from harness.bagel.model import Bagel
from harness.bagel.tokenizer import MARKS, PIECES
from harness.bagel.vae import Autoencoder, VaeConfig
from harness.bagel.vit import VitConfig

WORDS = "a photo of one two three red green blue yellow circle square triangle star left right above below and the"
VOCABULARY = 420
VAE = VaeConfig(3, 3, 32, (1, 1), 1, z_channels=4, downsample=2, scale_factor=0.3611, shift_factor=0.1159)
SHAPE = BagelConfig(
    LanguageConfig(VOCABULARY, 32, 64, 2, num_attention_heads=4, num_key_value_heads=2),
    VitConfig(24, 48, 3, 4, image_size=32, patch_size=4),
    VAE,
    latent_patch_size=2,
    max_latent_size=8,
    vit_max_num_patch_per_side=8,
)


def write_checkpoint(folder: Path, dtype: torch.dtype = torch.bfloat16) -> Path:
    """All files of the official layout, with random weights."""
    folder.mkdir(parents=True, exist_ok=True)
    write_words(folder)
    language, eyes = asdict(SHAPE.language), {} if SHAPE.vit is None else asdict(SHAPE.vit)
    language |= {"model_type": "qwen2", "hidden_act": "silu", "tie_word_embeddings": False}
    (folder / "llm_config.json").write_text(json.dumps(language))
    (folder / "vit_config.json").write_text(json.dumps({**eyes, "hidden_act": "gelu_pytorch_tanh"}))
    torch.manual_seed(0)
    model, space = Bagel(SHAPE, SpecialTokens(0, 1, 2, 3)), Autoencoder(VAE)
    save_file(
        {name: one.to(dtype).contiguous() for name, one in model.state_dict().items()}, folder / "ema.safetensors"
    )
    save_file(space.state_dict(), folder / "ae.safetensors")
    return folder


def write_words(folder: Path) -> None:
    """Qwen2's tokenizer files of a small vocabulary."""
    tokenizer = Tokenizer(BPE())
    tokenizer.normalizer = NFC()
    tokenizer.pre_tokenizer = Stages(
        [Split(Regex(PIECES), "isolated"), ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = ByteLevelDecoder()
    trainer = BpeTrainer(vocab_size=400, initial_alphabet=ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator([WORDS] * 3, trainer)
    tokenizer.model.save(str(folder))
    tokenizer.add_special_tokens(["<|endoftext|>", *MARKS])
    tokenizer.save(str(folder / "tokenizer.json"))
    added = {str(tokenizer.token_to_id(mark)): {"content": mark, "special": True} for mark in ("<|endoftext|>", *MARKS)}
    config = {"added_tokens_decoder": added, "tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|endoftext|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
