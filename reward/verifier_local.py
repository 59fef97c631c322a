"""local: a vision-language model of transformers in this process; reads the probability of each answer directly.

All questions about a picture share one pass over it, and pictures go through in batches. Where a model cannot do that,
which is tried before the first picture, each question is read from the beginning and the log says so.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from reward.chat_wire import WORD, is_short
from reward.probe import check_known, known_picture, known_queries
from reward.reply_key import canonical_hash
from reward.verifier import Query, Reply
from reward.verifier_http import auditor

if TYPE_CHECKING:
    from reward.local_reader import Asked, LocalReader
    from reward.spelling import Spellings

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Arguments:
    """Which model, and where it runs."""

    pretrained: str
    """Folder of a checkpoint, or its name on the hub: Qwen/Qwen3-VL-8B-Instruct"""
    revision: str | None = None
    """Commit on the hub"""
    device: str = "auto"
    """auto spreads the model over what accelerate finds; or cuda, cuda:1, cpu"""
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    """auto is bfloat16 on an accelerator and float32 on a CPU"""
    attention: str = "sdpa"
    """Implementation of attention; flash_attention_2 cannot share a pass between questions"""
    batch: int = 4
    """Pictures in one pass"""
    max_side: int | None = None
    """Pictures with a longer side are made smaller"""
    longest: int = 1024
    """Tokens of an answer in free text"""
    probe: Literal["known", "reach"] = "known"
    """known: two known questions about a drawn picture must be answered rightly; reach: only that it answers"""


class LocalVerifier:
    """Answers from a model in memory; one call at a time, whatever number of threads ask."""

    def __init__(
        self, reader: LocalReader, spellings: Spellings, arguments: Arguments, record: Mapping[str, Any]
    ) -> None:
        self.reader, self.spellings, self.arguments = reader, spellings, arguments
        self.record = record
        changing = canonical_hash(
            [record[one] for one in ("dtype", "attention", "max_side", "system_sha256", "sampling")]
        )
        self.id = f"local:{record['served_id']}@{changing[:8]}"
        self.lock = threading.Lock()

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        """One reply a query, in order; a query that does not fit into memory is a failed reply."""
        replies: dict[int, Reply] = {}
        pictures: dict[tuple[int, ...], list[int]] = {}
        spoken: dict[int, list[int]] = {}
        for place, query in enumerate(queries):
            if not query.images:
                replies[place] = Reply("refused", error="a question without a picture", served=self.id)
            elif query.continuation or (query.answers and self.short(query)):
                pictures.setdefault(tuple(map(id, query.images)), []).append(place)
            else:
                spoken.setdefault(self.length(query), []).append(place)
        with self.lock:
            for places in chunks(list(pictures.values()), self.arguments.batch):
                replies |= self.within_memory(self.read, list(chain(*places)), queries)
            for most, all_places in spoken.items():
                for some in chunks(all_places, self.arguments.batch):
                    replies |= self.within_memory(partial(self.speak, most=most), some, queries)
        return [replies[place] for place in range(len(queries))]

    def within_memory(
        self, read: Callable[[Sequence[Query]], list[Reply]], places: Sequence[int], queries: Sequence[Query]
    ) -> dict[int, Reply]:
        """The replies at these places; where memory runs out, half of them at a time."""
        from torch import OutOfMemoryError

        start = time.perf_counter()
        try:
            found = read([queries[place] for place in places])
        except OutOfMemoryError as error:
            if len(places) == 1:
                lost = Reply("transport_error", error=f"it does not fit into memory: {error}"[:300], served=self.id)
                return {places[0]: lost}
            half = len(places) // 2
            return {
                **self.within_memory(read, places[:half], queries),
                **self.within_memory(read, places[half:], queries),
            }
        seconds = (time.perf_counter() - start) / len(places)
        return {
            place: replace(reply, seconds=seconds, served=self.id) for place, reply in zip(places, found, strict=True)
        }

    def read(self, queries: Sequence[Query]) -> list[Reply]:
        """Replies from the probabilities of tokens, one pass a picture."""
        from reward.local_reader import grouped

        asked = [self.reader.asked(query) for query in queries]
        groups = grouped(asked)
        logits = {
            id(one): found
            for group, row in zip(groups, self.reader.read(groups), strict=True)
            for one, found in zip(group, row, strict=True)
        }
        return [self.told(query, one, logits[id(one)]) for query, one in zip(queries, asked, strict=True)]

    def told(self, query: Query, asked: Asked, logits: Any) -> Reply:
        """The reply in the logits (wanted, vocabulary)."""
        if query.continuation:
            wanted = self.reader.chat.answer(query.continuation)
            each = [float(row[token]) for row, token in zip(logits.log_softmax(-1), wanted, strict=True)]
            return Reply("ok", log_likelihood=sum(each) / len(each), tokens_in=len(asked.tail.tokens))
        probabilities = logits[-1].softmax(-1)
        text = self.spellings.texts[min(int(probabilities.argmax()), len(self.spellings.texts) - 1)]
        found = self.spellings.told(probabilities, query.answers)
        return Reply("ok", text, found, tokens_in=len(asked.tail.tokens), tokens_out=1)

    def speak(self, queries: Sequence[Query], most: int) -> list[Reply]:
        """Replies in free text, with the probabilities of the first token where answers are wanted."""
        spoken = self.reader.speak([self.reader.asked(query) for query in queries], most)
        found = []
        for query, one in zip(queries, spoken, strict=True):
            probabilities = self.spellings.told(one.first.softmax(-1), query.answers) if query.answers else {}
            if one.cut:
                reply = Reply("parse_error", one.text, error=f"cut off after {most} tokens")
            elif not one.text.strip():
                reply = Reply("parse_error", one.text, error="an empty answer")
            else:
                reply = Reply("ok", one.text, probabilities)
            found.append(replace(reply, tokens_out=one.tokens))
        return found

    def short(self, query: Query) -> bool:
        """Whether the first token says which answer it is."""
        return query.max_tokens <= 1 and all(map(is_short, query.answers)) and not self.spellings.missing(query.answers)

    def length(self, query: Query) -> int:
        """How long a spoken answer may be."""
        return query.max_tokens or (WORD if query.answers else self.arguments.longest)


def chunks(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """Consecutive parts of at most `size`."""
    return (items[start : start + size] for start in range(0, len(items), size))


def build(arguments: Arguments) -> LocalVerifier:
    """Loads the model and asks it two known questions; ValueError or VerifierDown says what is wrong with it."""
    if arguments.batch < 1 or arguments.longest < 1 or (arguments.max_side is not None and arguments.max_side < 1):
        raise ValueError("verifier arguments batch, longest and max_side must be more than 0")
    try:
        from reward import vision_language
        from reward.conversation import Chat
        from reward.local_reader import LocalReader
        from reward.spelling import Spellings
    except ImportError as error:
        raise ValueError(f"verifier 'local' needs {error.name}: pip install 'image-harness[models]'") from None
    at: dict[str, Any] = {"revision": arguments.revision} if arguments.revision else {}
    config = vision_language.load_config(arguments.pretrained, at)
    processor = vision_language.load_processor(arguments.pretrained, at, config.model_type)
    model = vision_language.load_model(arguments.pretrained, at, arguments.device, arguments.dtype, arguments.attention)
    reader = LocalReader(model, processor, Chat(processor, auditor()), arguments.max_side)
    name, digest = (
        arguments.pretrained.rstrip("/").rpartition("/")[2],
        vision_language.digest_of(arguments.pretrained, config),
    )
    reader.settle(known())
    words = processor.tokenizer
    texts = words.batch_decode([[number] for number in range(len(words))], clean_up_tokenization_spaces=False)
    verifier = LocalVerifier(
        reader, Spellings(texts), arguments, record_of(arguments, reader, f"{name}@{digest[:12]}", digest)
    )
    if arguments.probe == "known":
        check_known(f"model {name}", verifier.ask(known_queries()))
    return verifier


def record_of(arguments: Arguments, reader: LocalReader, served: str, digest: str) -> dict[str, Any]:
    """What run.json keeps of the verifier."""
    return {
        "name": "local",
        "requested": served.partition("@")[0],
        "served_id": served,
        "revision": digest,
        "mode": "logprobs",
        "likelihood": True,
        "sampling": {"temperature": 0, "longest": arguments.longest},
        "dtype": str(reader.model.dtype).removeprefix("torch."),
        "attention": arguments.attention,
        "max_side": arguments.max_side,
        "system_sha256": hashlib.sha256(reader.chat.auditor.encode()).hexdigest(),
        "one_pass_a_picture": reader.shares,
        "probe": {"questions": 2, "picture": True, "passed": True if arguments.probe == "known" else None},
    }


def known() -> list[Query]:
    """Questions of several lengths about two pictures of several sizes."""
    small = known_picture().resize((160, 224))
    longer = Query((small,), "Is there a red circle on a light grey ground, and nothing else, in this whole picture?")
    return [*known_queries(), longer]
