"""Words to ids and back, and the marks that frame texts and images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.normalizers import NFC
from tokenizers.pre_tokenizers import ByteLevel, Split
from tokenizers.pre_tokenizers import Sequence as Stages

from harness.bagel.config import SpecialTokens, read_json

BEGIN, END = "<|im_start|>", "<|im_end|>"
START_OF_IMAGE, END_OF_IMAGE = "<|vision_start|>", "<|vision_end|>"
"""Qwen2's own marks, used as BAGEL uses them."""
MARKS = (BEGIN, END, START_OF_IMAGE, END_OF_IMAGE)
PIECES = "|".join(
    (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)",
        r"[^\r\n\p{L}\p{N}]?\p{L}+",
        r"\p{N}",
        r" ?[^\s\p{L}\p{N}]+[\r\n]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)
"""How Qwen2 cuts a text before its merges: endings, words, single digits, signs, line ends, spaces."""


class TextCoder:
    """A tokenizer of the `tokenizers` library, with the four marks looked up once."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        ids = {mark: number for mark in MARKS if (number := tokenizer.token_to_id(mark)) is not None}
        if len(ids) < len(MARKS):
            raise ValueError(f"the tokenizer lacks the marks {', '.join(mark for mark in MARKS if mark not in ids)}")
        self.special = SpecialTokens(ids[BEGIN], ids[END], ids[START_OF_IMAGE], ids[END_OF_IMAGE])

    @classmethod
    def read(cls, path: Path) -> TextCoder:
        """From a `tokenizer.json`; ValueError names one that cannot be read."""
        return cls(read_tokenizer(path))

    @classmethod
    def read_folder(cls, folder: Path) -> TextCoder:
        """From Qwen2's files: `tokenizer.json`, or `vocab.json`, `merges.txt` and `tokenizer_config.json`.

        Marks that it lacks come after its last id, as in the official code.
        """
        whole = folder / "tokenizer.json"
        tokenizer = read_tokenizer(whole) if whole.is_file() else read_qwen(folder)
        tokenizer.add_special_tokens([mark for mark in MARKS if tokenizer.token_to_id(mark) is None])
        return cls(tokenizer)

    @property
    def size(self) -> int:
        """One more than the largest id."""
        return int(max(self.tokenizer.get_vocab(with_added_tokens=True).values())) + 1

    def encode(self, text: str) -> list[int]:
        """Ids of a text between the begin and end marks."""
        return [self.special.begin, *self.tokenizer.encode(text, add_special_tokens=False).ids, self.special.end]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, without marks."""
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=True)
        return text


def read_tokenizer(path: Path) -> Tokenizer:
    """A `tokenizer.json`; ValueError names one that cannot be read."""
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception for every fault of a file
        raise ValueError(f"{path} is not a usable tokenizer: {error}") from error


def read_qwen(folder: Path) -> Tokenizer:
    """Qwen2's tokenizer from its older files; ValueError names one that is not right."""
    vocabulary, merges = folder / "vocab.json", folder / "merges.txt"
    try:
        tokenizer = Tokenizer(BPE.from_file(str(vocabulary), str(merges)))
    except Exception as error:  # the library raises bare Exception for every fault of a file
        raise ValueError(f"{vocabulary} and {merges} are no usable tokenizer: {error}") from error
    tokenizer.normalizer = NFC()
    tokenizer.pre_tokenizer = Stages(
        [Split(Regex(PIECES), "isolated"), ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = ByteLevelDecoder()
    add_marks(tokenizer, folder / "tokenizer_config.json")
    return tokenizer


def add_marks(tokenizer: Tokenizer, path: Path) -> None:
    """The tokens that `tokenizer_config.json` adds, at its ids; ValueError for one that comes to another."""
    added = read_json(path).get("added_tokens_decoder", {})
    try:
        marks = sorted((int(number), str(one["content"]), bool(one.get("special"))) for number, one in added.items())
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ValueError(f"{path} has an added_tokens_decoder that is no map from ids to tokens") from None
    for number, content, special in marks:
        token = AddedToken(content, normalized=False, special=special)
        (tokenizer.add_special_tokens if special else tokenizer.add_tokens)([token])
        if tokenizer.token_to_id(content) != number:
            raise ValueError(f"{path} places {content} at {number}, where the vocabulary beside it has no room for it")
