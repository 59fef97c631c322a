"""The words of the embedded model: those of the scenes, and those it needs to think, answer, reflect and edit.

Any other word falls back to letters, so every text has ids. The order is fixed: ids are part of the shipped weights.
"""

from __future__ import annotations

import string

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from harness.bagel.tokenizer import BEGIN, END, END_OF_IMAGE, START_OF_IMAGE

MARKS = ("<|pad|>", BEGIN, END, START_OF_IMAGE, END_OF_IMAGE, "<|unknown|>")
TAGS = ("<think>", "</think>")
"""Read and written as text: a plan stands between them."""

WORDS = """
circle circles square squares triangle triangles diamond diamonds star stars cross crosses heart hearts ring rings
red orange yellow green blue purple pink brown black white grey
zero one two three four five six seven eight nine ten half double twice pair couple dozen single both none no nothing
a an the of and with in on at to from by for is are was be it its this that these those there here which what who how
many much do does not or but than then so as into please yes correct wrong right left above below over under beside
between top bottom middle corner centre center side sides edge near next exactly only each every all any other another
same different more less fewer most least first second third last too also still instead already
picture image drawing scene photo showing shows show draw drawn paint painted make made add added remove removed
recolor recolour replace replaced move moved turn change changed keep kept put place placed delete swap fix redraw
color colour colors colours shape shapes object objects thing things size number count background plain clean
flat complete filled filling filled should must can could would will want wants asked asks ask request need needs
missing extra look looks looking see sees seen find contains contain have has had became become becomes
mix mixed mixing mixture paints light dark sign plus sum minus legs wheels wheel eyes sides corners points
points pointed round rounded sided without holes hole inside outside sky night love valentine
playing card suit doughnut donut coin sun moon plate dice addition symbol equal equals sides angle angles
grass snow coal blood lemon banana carrot leaf chocolate ocean rose grape milk tomato
traffic warm cold days week season seasons hand hands fingers tricycle bicycle car stool twin twins trio quartet
plan thought because since therefore let us me my show you your i we they he she describe description answer question
reflection reflect good bad nice fine ok satisfied done true false match matches matching
""".split()  # noqa: SIM905 - a list of strings would take two hundred lines


LATER = ["think", "say", "if", "drew", "tilted", "tried"]
"""Words that came after the first weights: at the end, so that the ids before them stay."""


def vocabulary() -> list[str]:
    """Every token in the order of its id."""
    letters = [*string.ascii_lowercase, *string.digits, *".,!?:;'\"-()+=/"]
    pieces = [*MARKS, *TAGS, *dict.fromkeys(WORDS), *letters, *(f"##{one}" for one in letters), *LATER]
    return list(dict.fromkeys(pieces))


def build_tokenizer() -> Tokenizer:
    """A word-piece tokenizer over the vocabulary; upper case is folded."""
    table = {token: number for number, token in enumerate(vocabulary())}
    tokenizer = Tokenizer(models.WordPiece(table, unk_token="<|unknown|>"))  # noqa: S106 - a mark, no secret
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(list(MARKS))
    tokenizer.add_tokens(list(TAGS))
    return tokenizer
