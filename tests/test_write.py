"""Writing: the same for every batch, log-probabilities as replay computes them, and the end mark."""

from __future__ import annotations

import pytest
import torch

from harness.bagel.config import BagelConfig, LanguageConfig, SpecialTokens
from harness.bagel.context import Context
from harness.bagel.model import Bagel
from harness.bagel.write import Sampling, choose, write

END = 2
PROMPTS = [[1, 11, 12, 2], [1, 13, 14, 15, 16, 17, 18, 2], [1, 19, 2]]
FREE = Sampling(temperature=0.9, most=12)


@pytest.fixture(scope="module")
def bagel() -> Bagel:
    torch.manual_seed(0)
    model = Bagel(BagelConfig(LanguageConfig(12, 48, 64, 2, 4, 2), None, None, 4, 4), SpecialTokens(1, END, 3, 4))
    model.language_model.model.embed_tokens.weight.data[:] *= 3  # so that prompts matter
    return model.eval()


@pytest.fixture(scope="module")
def context(bagel: Bagel) -> Context:
    return bagel.read_text(Context.empty(3), [[token % 12 for token in prompt] for prompt in PROMPTS])[0]


def part(context: Context, row: int) -> Context:
    """One row of a context as it is read alone."""
    return context.rows_at(torch.tensor([row]))


def test_a_text_depends_on_its_context_and_its_seed_and_not_on_its_neighbours(bagel: Bagel, context: Context) -> None:
    together = write(bagel, context, FREE, [5, 6, 7])
    lengths = {len(text.ids) for text in together}
    assert len(lengths) > 1, "rows must end at different steps for this test to mean anything"
    for row, seed in enumerate((5, 6, 7)):
        alone = write(bagel, part(context, row), FREE, [seed])[0]
        assert alone.ids == together[row].ids
        assert alone.log_probs == pytest.approx(together[row].log_probs, abs=1e-5)


def test_rows_that_share_a_context_write_what_they_would_alone(bagel: Bagel, context: Context) -> None:
    seeds = list(range(20, 29))
    together = write(bagel, context, FREE, seeds)
    assert len({text.ids for text in together}) > 3
    for number, seed in enumerate(seeds):
        assert write(bagel, part(context, number // 3), FREE, [seed])[0].ids == together[number].ids


def test_log_probabilities_are_those_that_reading_the_text_again_gives(bagel: Bagel, context: Context) -> None:
    for row, text in enumerate(write(bagel, context, FREE, [5, 6, 7])):
        _, hidden, _ = bagel.read_words(part(context, row), [text.ids])
        logits = bagel.language_model.lm_head(hidden[0, : len(text.log_probs)])
        wanted = torch.log_softmax(logits / FREE.temperature, -1)
        sampled = torch.tensor(text.ids[1 : 1 + len(text.log_probs)])
        found = wanted.gather(-1, sampled[:, None])[:, 0]
        assert text.log_probs == pytest.approx(found.tolist(), abs=1e-5)


def test_the_end_mark_is_sampled_or_forced_and_the_text_says_which(bagel: Bagel, context: Context) -> None:
    texts = write(bagel, context, Sampling(most=3), list(range(60)))
    assert {text.forced for text in texts} == {True, False}
    for text in texts:
        assert text.ids[0] == 1
        assert text.ids[-1] == END
        assert text.ids.index(END) == len(text.ids) - 1
        assert len(text.log_probs) == len(text.ids) - (2 if text.forced else 1)
        assert not text.forced or len(text.log_probs) == 3


def test_without_temperature_the_likeliest_token_is_taken(bagel: Bagel, context: Context) -> None:
    greedy = write(bagel, context, Sampling(temperature=0.0, most=4), [1, 2, 3])
    assert greedy == write(bagel, context, Sampling(temperature=0.0, most=4), [7, 8, 9])
    _, logits = bagel.read_text(context, [[1]] * 3)
    assert [text.ids[1] for text in greedy] == logits.argmax(-1).tolist()


def test_tokens_are_drawn_as_often_as_they_are_likely() -> None:
    logits = torch.log(torch.tensor([0.5, 0.3, 0.15, 0.05])).expand(20_000, 4)
    uniform = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    for temperature, wanted in ((1.0, [0.5, 0.3, 0.15, 0.05]), (0.5, [0.25, 0.09, 0.0225, 0.0025])):
        chosen, score = choose(logits, Sampling(temperature=temperature), uniform)
        shares = torch.tensor(wanted) / sum(wanted)
        assert torch.bincount(chosen, minlength=4) / 20_000 == pytest.approx(shares, abs=1e-3)
        torch.testing.assert_close(score, shares.log()[chosen], rtol=0, atol=1e-5)


def test_top_p_leaves_the_likeliest_tokens_and_scores_them_among_all() -> None:
    logits = torch.log(torch.tensor([0.05, 0.5, 0.15, 0.3])).expand(1000, 4)
    uniform = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
    chosen, score = choose(logits, Sampling(top_p=0.7), uniform)
    assert torch.bincount(chosen, minlength=4).tolist() == [0, 625, 0, 375]
    torch.testing.assert_close(score.exp().unique(), torch.tensor([0.3, 0.5]), rtol=0, atol=1e-6)


@pytest.mark.parametrize("wrong", [{"temperature": -1.0}, {"top_p": 0.0}, {"top_p": 1.5}, {"most": 0}])
def test_numbers_that_mean_nothing_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="top_p"):
        Sampling(**wrong)  # type: ignore[arg-type]
