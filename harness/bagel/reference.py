"""Our outputs beside those of the official code, for the proof of parity.

Reads a reference folder: a tiny random checkpoint in official names and what ByteDance-Seed/Bagel computes with it.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from harness.bagel.checkpoint import load_into, read_weights
from harness.bagel.config import BagelConfig, LanguageConfig, SpecialTokens, read_json
from harness.bagel.context import Context
from harness.bagel.draw import Contexts, draw, guided_velocity
from harness.bagel.guidance import Guidance
from harness.bagel.model import Bagel, Canvas
from harness.bagel.pixels import from_patches, to_patches
from harness.bagel.schedule import sigma_grid
from harness.bagel.vae import Autoencoder, VaeConfig
from harness.bagel.vit import VitConfig
from harness.bagel.write import Sampling, write


class Reference:
    """The reference checkpoint opened by our code, with its recorded inputs and outputs."""

    def __init__(self, folder: Path) -> None:
        self.expected = read_weights(folder / "expected.safetensors")
        fixture = read_json(folder / "fixture.json")
        shape, ids = fixture["bagel"], fixture["token_ids"]
        self.special = SpecialTokens(
            ids["bos_token_id"], ids["eos_token_id"], ids["start_of_image"], ids["end_of_image"]
        )
        vae = VaeConfig.read(fixture["ae"])
        config = BagelConfig(
            LanguageConfig.read(read_json(folder / "llm_config.json")),
            VitConfig.read(read_json(folder / "vit_config.json")),
            vae,
            shape["latent_patch_size"],
            shape["max_latent_size"],
            shape["vit_max_num_patch_per_side"],
        )
        self.bagel, self.space = Bagel(config, self.special).eval(), Autoencoder(vae).eval()
        load_into(self.bagel, read_weights(folder / "ema.safetensors"))
        load_into(self.space, read_weights(folder / "ae.safetensors"))
        height, width = fixture["image_size"]
        self.grid = (height // config.downsample, width // config.downsample)
        self.canvas = Canvas.of([self.grid], config.max_latent_size)

    def text(self, name: str) -> list[int]:
        """A recorded text between its marks."""
        return [self.special.begin, *self.expected[name].tolist(), self.special.end]

    @torch.inference_mode()
    def outputs(self) -> dict[str, Tensor]:
        """Our value for every recorded output."""
        return {**self.spaces(), **self.from_text(), **self.answering(), **self.editing()}

    def patches(self) -> tuple[Tensor, Canvas]:
        """The recorded ViT image as patches, and where they lie."""
        config = self.bagel.config
        if config.vit is None:
            raise ValueError("the reference checkpoint has no ViT")
        picture, patch = self.expected["image_vit"], config.vit.patch_size
        grid = (picture.shape[1] // patch, picture.shape[2] // patch)
        return to_patches(picture[None], patch), Canvas.of([grid], config.vit.side)

    def spaces(self) -> dict[str, Tensor]:
        """The autoencoder both ways, and the eyes."""
        patches, canvas = self.patches()
        mean = self.space.encode(self.expected["image_vae"][None])
        return {
            "vae_latent_mean": mean,
            "vae_decoded": self.space.decode(self.expected["vae_latent_mean"]),
            "vit_features": self.bagel.vit_model(patches, canvas.ids, canvas.valid)[0],
        }

    def written(self, context: Context, name: str, count: int) -> dict[str, Tensor]:
        """Logits after the begin mark, and what greedy writing gives."""
        _, logits = self.bagel.read_text(context, [[self.special.begin]])
        text = write(self.bagel, context, Sampling(temperature=0.0, most=count - 1), [0])[0]
        return {f"{name}first_logits": logits[0], f"{name}greedy_ids": torch.tensor(text.ids[:count])}

    def velocities(self, contexts: Contexts, sigma: float, wanted: dict[str, Guidance]) -> dict[str, Tensor]:
        """The guided velocity of each named guidance at one noise level."""
        noisy = self.expected["x_t"][None]
        return {
            name: guided_velocity(self.bagel, contexts, noisy, sigma, self.canvas, guidance)[0]
            for name, guidance in wanted.items()
        }

    def drawn(self, contexts: Contexts, points: int, guidance: Guidance) -> Tensor:
        """Final latent of the sampler."""
        sigmas = sigma_grid(points, 3.0).tolist()
        return draw(self.bagel, contexts, self.expected["x_t"][None], sigmas, self.canvas, guidance)[0]

    def from_text(self) -> dict[str, Tensor]:
        """Writing after, and drawing from, the recorded prompt."""
        main, _ = self.bagel.read_text(Context.empty(1), [self.text("prompt_ids")])
        contexts = Contexts(main, Context.empty(1))
        wanted = {
            "t2i_velocity_nocfg_t0.7": Guidance(text=1.0),
            "t2i_velocity_cfg4_global_t0.7": Guidance(),
            "t2i_velocity_cfg4_channel_t0.7": Guidance(renorm="channel"),
        }
        return {
            **self.written(main, "", 9),
            **self.velocities(contexts, 0.7, wanted),
            "t2i_ode10_shift3_cfg4_global": self.drawn(contexts, 10, Guidance()),
        }

    def seen(self, context: Context) -> Context:
        """A context after the ViT has looked."""
        return self.bagel.read_patches(context, *self.patches())

    def answering(self) -> dict[str, Tensor]:
        """Writing after an image and a text."""
        asked, _ = self.bagel.read_text(self.seen(Context.empty(1)), [self.text("edit_ids")])
        return self.written(asked, "vqa_", 7)

    def editing(self) -> dict[str, Tensor]:
        """Drawing from an image, read through the VAE and then the ViT, and a text."""
        clean = to_patches(self.space.encode(self.expected["image_vae"][None]), self.bagel.config.latent_patch_size)
        image = self.seen(self.bagel.read_latents(Context.empty(1), clean, self.canvas))
        main, _ = self.bagel.read_text(image, [self.text("edit_ids")])
        text, _ = self.bagel.read_text(Context.empty(1), [self.text("edit_ids")])
        contexts = Contexts(main, image, text)
        always = Guidance(4.0, 2.0, low=0.0)
        wanted = {
            "edit_velocity_nocfg_t0.5": Guidance(text=1.0),
            "edit_velocity_cfg4_img2_global_t0.5": always,
            "edit_velocity_cfg4_img2_textchannel_t0.5": Guidance(4.0, 2.0, low=0.0, renorm="text_channel"),
        }
        return {
            **self.velocities(contexts, 0.5, wanted),
            "edit_ode8_shift3_cfg4_img2_global": self.drawn(contexts, 8, always),
        }

    def picture(self, latents: Tensor) -> Tensor:
        """Final latents (N, W) as pixels."""
        return self.space.decode(from_patches(latents[None], self.bagel.config.latent_patch_size, *self.grid))
