"""Tiny random pipelines of the real classes: a few thousand weights, tokenizers of single characters, no download."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    AutoencoderDC,
    AutoencoderKL,
    AutoencoderKLQwenImage,
    EulerAncestralDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxKontextPipeline,
    FluxPipeline,
    FluxTransformer2DModel,
    PNDMScheduler,
    QwenImageEditPipeline,
    QwenImagePipeline,
    QwenImageTransformer2DModel,
    SanaPipeline,
    SanaTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionInstructPix2PixPipeline,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    CLIPConfig,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    Gemma2Config,
    Gemma2Model,
    GemmaTokenizer,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Tokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from harness.picture_text import PictureText

ALPHABET = sorted(ByteLevel.alphabet())
PRINTABLE = [chr(code) for code in range(33, 127)]
VISION = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>",
          "<|video_pad|>"]  # fmt: skip


def numbered(words: list[str]) -> dict[str, int]:
    return {word: number for number, word in enumerate(words)}


def clip_tokenizer() -> CLIPTokenizer:
    words = ["<|startoftext|>", "<|endoftext|>", *ALPHABET, *(letter + "</w>" for letter in ALPHABET)]
    return CLIPTokenizer(vocab=numbered(words), merges=[], model_max_length=77)


def clip_text(kind: Any, projection: int = 16) -> Any:
    size = 2 + 2 * len(ALPHABET)
    return kind(
        CLIPTextConfig(
            vocab_size=size, hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2,
            projection_dim=projection, bos_token_id=0, eos_token_id=1, pad_token_id=1,
        )
    ).eval()  # fmt: skip


def t5_tokenizer() -> T5Tokenizer:
    words = ["<pad>", "</s>", "<unk>", "▁", *PRINTABLE]
    return T5Tokenizer(vocab=[(word, -1.0 - number / 1000) for number, word in enumerate(words)], extra_ids=0)


def t5_text(width: int = 16) -> T5EncoderModel:
    size = 4 + len(PRINTABLE)
    return T5EncoderModel(
        T5Config(vocab_size=size, d_model=width, d_kv=8, d_ff=16, num_layers=1, num_heads=2, dropout_rate=0.0)
    ).eval()


def flow_scheduler(**more: Any) -> FlowMatchEulerDiscreteScheduler:
    return FlowMatchEulerDiscreteScheduler(**more)


def image_vae(latents: int, scaling: float = 1.5, shift: float = 0.06) -> AutoencoderKL:
    return AutoencoderKL(
        in_channels=3, out_channels=3, down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2, block_out_channels=(4, 8), layers_per_block=1,
        norm_num_groups=2, latent_channels=latents, use_quant_conv=False, use_post_quant_conv=False,
        scaling_factor=scaling, shift_factor=shift, sample_size=32,
    ).eval()  # fmt: skip


def sd3() -> StableDiffusion3Pipeline:
    """16 pixels a side unless asked otherwise: 8 latents with two pixels each."""
    transformer = SD3Transformer2DModel(
        sample_size=8, patch_size=2, in_channels=4, out_channels=4, num_layers=2, attention_head_dim=8,
        num_attention_heads=2, joint_attention_dim=32, caption_projection_dim=16, pooled_projection_dim=32,
    ).eval()  # fmt: skip
    return StableDiffusion3Pipeline(
        transformer=transformer, scheduler=flow_scheduler(shift=3.0), vae=image_vae(4),
        text_encoder=clip_text(CLIPTextModelWithProjection), tokenizer=clip_tokenizer(),
        text_encoder_2=clip_text(CLIPTextModelWithProjection), tokenizer_2=clip_tokenizer(),
        text_encoder_3=t5_text(32), tokenizer_3=t5_tokenizer(),
    )  # fmt: skip


def flux_parts(guidance: bool) -> dict[str, Any]:
    transformer = FluxTransformer2DModel(
        patch_size=1, in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=16, pooled_projection_dim=16, axes_dims_rope=(4, 4, 8), guidance_embeds=guidance,
    ).eval()  # fmt: skip
    return {
        "transformer": transformer,
        "scheduler": flow_scheduler(use_dynamic_shifting=True, base_shift=0.5, max_shift=1.15, shift=3.0),
        "vae": image_vae(4),
        "text_encoder": clip_text(CLIPTextModel),
        "tokenizer": clip_tokenizer(),
        "text_encoder_2": t5_text(16),
        "tokenizer_2": t5_tokenizer(),
    }


def flux() -> FluxPipeline:
    return FluxPipeline(**flux_parts(guidance=True))


def kontext() -> FluxKontextPipeline:
    return FluxKontextPipeline(**flux_parts(guidance=True))


def qwen_tokenizer() -> Qwen2Tokenizer:
    tokenizer = Qwen2Tokenizer(vocab=numbered([*VISION, *ALPHABET]), merges=[])
    tokenizer.add_special_tokens({"additional_special_tokens": VISION[1:]})
    return tokenizer


def qwen_parts() -> dict[str, Any]:
    transformer = QwenImageTransformer2DModel(
        patch_size=2, in_channels=16, out_channels=4, num_layers=2, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=16, guidance_embeds=False, axes_dims_rope=(4, 4, 8),
    ).eval()  # fmt: skip
    vae = AutoencoderKLQwenImage(
        base_dim=8, z_dim=4, dim_mult=[1, 2, 2], num_res_blocks=1, temperal_downsample=[False, True],
        latents_mean=[0.1, -0.2, 0.0, 0.3], latents_std=[1.0, 1.5, 0.8, 2.0],
    ).eval()  # fmt: skip
    config = Qwen2_5_VLConfig(
        text_config={
            "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
            "num_key_value_heads": 2, "vocab_size": len(VISION) + len(ALPHABET),
            "rope_parameters": {"mrope_section": [1, 1, 2], "rope_type": "default", "rope_theta": 10000.0},
        },
        vision_config={
            "depth": 2, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 16,
            "patch_size": 14, "fullatt_block_indexes": [1],
        },
        vision_start_token_id=3, vision_end_token_id=4, image_token_id=5, video_token_id=6,
    )  # fmt: skip
    return {
        "transformer": transformer,
        "vae": vae,
        "scheduler": flow_scheduler(
            use_dynamic_shifting=True, base_shift=0.5, max_shift=0.9, max_image_seq_len=8192, shift_terminal=0.02,
            time_shift_type="exponential",
        ),
        "text_encoder": Qwen2_5_VLForConditionalGeneration(config).eval(),
        "tokenizer": qwen_tokenizer(),
    }  # fmt: skip


def qwen() -> QwenImagePipeline:
    return QwenImagePipeline(**qwen_parts())


def qwen_edit() -> QwenImageEditPipeline:
    parts = qwen_parts()
    looks = Qwen2VLImageProcessorPil(min_pixels=28 * 28, max_pixels=28 * 28 * 4)
    return QwenImageEditPipeline(**parts, processor=PictureText(looks, parts["tokenizer"]))


def sana() -> SanaPipeline:
    words = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁", *PRINTABLE]
    transformer = SanaTransformer2DModel(
        patch_size=1, in_channels=4, out_channels=4, num_layers=1, num_attention_heads=2, attention_head_dim=8,
        num_cross_attention_heads=2, cross_attention_head_dim=8, cross_attention_dim=16, caption_channels=16,
        sample_size=32,
    ).eval()  # fmt: skip
    vae = AutoencoderDC(
        in_channels=3, latent_channels=4, attention_head_dim=2, encoder_block_types=("ResBlock", "EfficientViTBlock"),
        decoder_block_types=("ResBlock", "EfficientViTBlock"), encoder_block_out_channels=(4, 8),
        decoder_block_out_channels=(4, 8), encoder_qkv_multiscales=((), (5,)), decoder_qkv_multiscales=((), (5,)),
        encoder_layers_per_block=(1, 1), decoder_layers_per_block=(1, 1), downsample_block_type="conv",
        upsample_block_type="interpolate", scaling_factor=0.41407,
    ).eval()  # fmt: skip
    text = Gemma2Model(
        Gemma2Config(
            hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1,
            head_dim=8, vocab_size=len(words), pad_token_id=0, eos_token_id=1, bos_token_id=2,
        )
    ).eval()  # fmt: skip
    return SanaPipeline(
        transformer=transformer, scheduler=flow_scheduler(shift=3.0), vae=vae, text_encoder=text,
        tokenizer=GemmaTokenizer(vocab=numbered(words), merges=[]),
    )  # fmt: skip


def unet_parts(channels: int) -> dict[str, Any]:
    unet = UNet2DConditionModel(
        block_out_channels=(4, 8), layers_per_block=1, sample_size=16, in_channels=channels, out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16, norm_num_groups=2, attention_head_dim=2,
    ).eval()  # fmt: skip
    return {
        "unet": unet,
        "vae": image_vae(4, shift=0.0),
        "text_encoder": clip_text(CLIPTextModel),
        "tokenizer": clip_tokenizer(),
    }


def sd15(blocked: bool = False) -> StableDiffusionPipeline:
    """`blocked` adds a safety checker that finds every picture unsafe."""
    more: dict[str, Any] = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    if blocked:
        small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
        config = CLIPConfig(
            text_config={**small, "vocab_size": 8},
            vision_config={**small, "image_size": 32, "patch_size": 16},
            projection_dim=8,
        )
        checker = StableDiffusionSafetyChecker(config).eval()
        checker.concept_embeds_weights.data.fill_(-2.0)
        checker.special_care_embeds_weights.data.fill_(2.0)
        looks = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
        more = {"safety_checker": checker, "feature_extractor": looks}
    return StableDiffusionPipeline(
        **unet_parts(4), scheduler=PNDMScheduler(skip_prk_steps=True, steps_offset=1), **more
    )


def pix2pix() -> StableDiffusionInstructPix2PixPipeline:
    return StableDiffusionInstructPix2PixPipeline(
        **unet_parts(8), scheduler=EulerAncestralDiscreteScheduler(), safety_checker=None, feature_extractor=None,
        requires_safety_checker=False,
    )  # fmt: skip


MAKERS: dict[str, Callable[[], Any]] = {
    "sd3": sd3, "flux": flux, "kontext": kontext, "qwen": qwen, "qwen-edit": qwen_edit, "sana": sana, "sd15": sd15,
    "pix2pix": pix2pix,
}  # fmt: skip


def make_pipeline(name: str) -> Any:
    """A pipeline whose weights are always the same."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        return MAKERS[name]()


def save_pipeline(name: str, folder: Path) -> Path:
    """The folder, holding the pipeline as `from_pretrained` reads it."""
    pipeline = make_pipeline(name)
    pipeline.save_pretrained(folder)
    if name == "qwen-edit":  # as the published weights have it; their processor class asks for torchvision
        pipeline.processor.image_processor.save_pretrained(folder / "processor")
        pipeline.processor.tokenizer.save_pretrained(folder / "processor")
        index = json.loads((folder / "model_index.json").read_text())
        index["processor"] = ["transformers", "Qwen2VLProcessor"]
        (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def small_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    """Qwen-Image-Edit looks at a source at 1024 x 1024 pixels, whatever its size; here at 32 x 32."""
    from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit as module

    real = module.calculate_dimensions
    monkeypatch.setattr(module, "calculate_dimensions", lambda _, ratio: real(32 * 32, ratio))
