"""The unified model: one transformer that reads text and images, and predicts the next word or a velocity.

Shapes: B rows, U understanding tokens, N latent tokens, W numbers in a latent token, H hidden width.
Parameter names are those of ByteDance-Seed/Bagel, so that its published checkpoint loads as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from harness.bagel.config import BagelConfig, SpecialTokens
from harness.bagel.context import Context, KeysValues, Segment, pad_ids
from harness.bagel.language import Language, Tokens
from harness.bagel.positions import grid_ids, sine_table, time_wave
from harness.bagel.vit import Connector, VisionEncoder

SMALLEST_SIGMA = 0.05
"""Floor of the divisor when the model predicts data: the velocity must stay finite where no noise is left."""


class PositionTable(nn.Module):
    """A fixed table of two-dimensional positions, stored in checkpoints under `pos_embed`."""

    def __init__(self, side: int, width: int) -> None:
        super().__init__()
        self.side = side
        self.pos_embed = nn.Parameter(sine_table(side, width), requires_grad=False)

    def forward(self, ids: Tensor) -> Tensor:
        """Rows of the table."""
        return self.pos_embed[ids]


class TimeEmbedder(nn.Module):
    """Noise levels to hidden vectors."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(256, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, sigma: Tensor) -> Tensor:
        """(B,) to (B, H)."""
        wave = time_wave(sigma, 256).to(next(self.mlp.parameters()).dtype)
        out: Tensor = self.mlp(wave)
        return out


@dataclass(frozen=True, slots=True)
class Canvas:
    """Where latent tokens lie: table positions and validity, both (B, N); shorter rows are padded."""

    ids: Tensor
    valid: Tensor
    whole: bool = False
    """Whether no row is padded, so that no mask is needed"""

    @classmethod
    def of(cls, grids: Sequence[tuple[int, int]], side: int, device: torch.device | str = "cpu") -> Canvas:
        """The canvas of pictures of (rows, columns) tokens each."""
        if len(set(grids)) == 1:
            ids = grid_ids(*grids[0], side).expand(len(grids), -1).to(device)
            return cls(ids, torch.ones_like(ids, dtype=torch.bool), whole=True)
        ids, valid = pad_ids([grid_ids(rows, columns, side).tolist() for rows, columns in grids], device)
        return cls(ids, valid)

    def repeat(self, times: int) -> Canvas:
        """All rows, so many times over."""
        return Canvas(self.ids.repeat(times, 1), self.valid.repeat(times, 1), self.whole)


class Bagel(nn.Module):
    """A unified model; contexts are made by reading and handed back, never changed."""

    def __init__(self, config: BagelConfig, special: SpecialTokens) -> None:
        super().__init__()
        width = config.language.hidden_size
        self.config, self.special = config, special
        self.language_model = Language(config.language)
        self.time_embedder = TimeEmbedder(width)
        self.vae2llm = nn.Linear(config.token_width, width)
        self.llm2vae = nn.Linear(width, config.token_width)
        self.latent_pos_embed = PositionTable(config.max_latent_size, width)
        if config.vit is not None:
            self.vit_model = VisionEncoder(config.vit)
            self.connector = Connector(config.vit.hidden_size, width)
            self.vit_pos_embed = PositionTable(config.vit_max_num_patch_per_side, width)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.vae2llm.weight.device

    def embed(self, ids: Tensor) -> Tensor:
        """Token ids (B, U) to embeddings (B, U, H)."""
        out: Tensor = self.language_model.model.embed_tokens(ids)
        return out

    def read_text(self, context: Context, texts: Sequence[Sequence[int]], length: int = 0) -> tuple[Context, Tensor]:
        """Reads one text a row, as token ids, padded to `length` or the longest.

        Also gives the logits (B, vocabulary) after each row's last token.
        """
        context, hidden, valid = self.read_words(context, texts, length)
        last = hidden[torch.arange(hidden.shape[0], device=self.device), (valid.sum(1) - 1).clamp(min=0)]
        return context, self.language_model.lm_head(last)

    def read_words(
        self, context: Context, texts: Sequence[Sequence[int]], length: int = 0
    ) -> tuple[Context, Tensor, Tensor]:
        """Reads one text a row; also gives the hidden state (B, U, H) of every token and which are real (B, U).

        `language_model.lm_head` of a hidden state gives the logits of the token after it.
        """
        ids, valid = pad_ids(texts, self.device, length)
        rows, longest = ids.shape
        # padding to a given length always counts as padding: rows must not depend on how long their neighbours are
        whole = not length and len({len(text) for text in texts}) == 1
        own = torch.ones(longest, longest, dtype=torch.bool, device=self.device).tril()[None]
        if not whole:
            own = (own & valid[:, None, :]) | torch.eye(longest, dtype=torch.bool, device=self.device)
        start = context.start(rows)
        positions = start[:, None] + torch.arange(longest, device=self.device)
        embedded = self.embed(ids)
        tokens = Tokens(embedded, embedded[:, :0], positions, own.expand(rows, -1, -1))
        hidden, _, read = self.language_model.model(tokens, [context])
        return context.extend(Segment(read, valid, whole), start + valid.sum(1)), hidden, valid

    def read_token(self, context: Context, token: Tensor) -> tuple[Tensor, tuple[KeysValues, ...]]:
        """Hidden states (B, H) after one more token (B,) a row, and its keys and values, which join no context."""
        embedded = self.embed(token[:, None])
        positions = context.start(len(token))[:, None]
        hidden, _, read = self.language_model.model(Tokens(embedded, embedded[:, :0], positions, None), [context])
        return hidden[:, 0], read

    def frame_image(self, rows: int, inside: Tensor | None = None) -> Tensor:
        """Embeddings (B, 2 or more, H) of the marks before and after an image, with what stands between them."""
        ids = torch.tensor([[self.special.start_of_image, self.special.end_of_image]], device=self.device)
        marks = self.embed(ids.expand(rows, 2))
        return marks if inside is None else torch.cat([marks[:, :1], inside, marks[:, 1:]], dim=1)

    def latent_tokens(self, latents: Tensor, sigma: Tensor, canvas: Canvas) -> Tensor:
        """Noisy latents (B, N, W) at levels (B,) to token embeddings (B, N, H)."""
        hidden: Tensor = self.vae2llm(latents.to(self.vae2llm.weight.dtype))
        embedded: Tensor = hidden + self.time_embedder(sigma)[:, None] + self.latent_pos_embed(canvas.ids)
        return embedded

    def image_block(self, start: Tensor, understanding: Tensor, latent: Tensor, valid: Tensor | None) -> Tokens:
        """One image as a block whose tokens all see each other and stand at one position, `start` (B,)."""
        length = understanding.shape[1] + latent.shape[1]
        own = None
        if valid is not None:
            own = valid[:, None, :] | torch.eye(length, dtype=torch.bool, device=self.device)
        return Tokens(understanding, latent, start[:, None].expand(-1, length), own)

    def velocity(self, context: Context, latents: Tensor, sigma: Tensor, canvas: Canvas) -> Tensor:
        """The predicted velocity (B, N, W), noise minus data, of latents at noise levels (B,)."""
        return self.velocities([context], latents, sigma, canvas)

    def velocities(self, contexts: Sequence[Context], latents: Tensor, sigma: Tensor, canvas: Canvas) -> Tensor:
        """As `velocity`, the rows shared out among several contexts equally, in one forward."""
        rows = latents.shape[0]
        marks = self.frame_image(rows)
        start = torch.cat([context.start(rows // len(contexts)) for context in contexts])
        valid = None if canvas.whole else torch.cat([canvas.valid.new_ones(rows, 2), canvas.valid], dim=1)
        tokens = self.image_block(start, marks, self.latent_tokens(latents, sigma, canvas), valid)
        _, hidden, _ = self.language_model.model(tokens, contexts)
        velocity = self.to_velocity(self.llm2vae(hidden), latents, sigma)
        # padding must not enter the norms that guidance takes
        return velocity if canvas.whole else velocity * canvas.valid[..., None]

    def to_velocity(self, predicted: Tensor, latents: Tensor, sigma: Tensor) -> Tensor:
        """The latent head's output as a velocity; x-prediction divides by sigma (JiT, arXiv 2511.13720, table 1)."""
        if self.config.prediction == "velocity":
            return predicted
        divisor = sigma.clamp(min=SMALLEST_SIGMA)[:, None, None].to(predicted.dtype)
        return (latents - predicted) / divisor

    def read_latents(self, context: Context, latents: Tensor, canvas: Canvas) -> Context:
        """Reads clean image latents (B, N, W), as noise level 0."""
        rows = latents.shape[0]
        embedded = self.latent_tokens(latents, latents.new_zeros(rows), canvas)
        valid = torch.cat([canvas.valid.new_ones(rows, 2), canvas.valid], dim=1)
        return self.read_image(context, self.frame_image(rows), embedded, valid, canvas.whole)

    def read_patches(self, context: Context, patches: Tensor, canvas: Canvas) -> Context:
        """Reads images through the ViT: patches (B, N, patch width), at the same places in both position tables."""
        rows = patches.shape[0]
        features = self.connector(self.vit_model(patches, canvas.ids, canvas.valid))
        between = self.frame_image(rows, features + self.vit_pos_embed(canvas.ids))
        edge = canvas.valid.new_ones(rows, 1)
        valid = torch.cat([edge, canvas.valid, edge], dim=1)
        return self.read_image(context, between, between[:, :0], valid, canvas.whole)

    def read_image(
        self, context: Context, understanding: Tensor, latent: Tensor, valid: Tensor, whole: bool
    ) -> Context:
        """Reads one image a row, which takes one position."""
        start = context.start(valid.shape[0])
        tokens = self.image_block(start, understanding, latent, None if whole else valid)
        _, _, read = self.language_model.model(tokens, [context])
        return context.extend(Segment(read, valid, whole), start + 1)
