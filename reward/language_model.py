"""A language model of transformers in this process: answers requests in words, without pictures, several at a time."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from reward.verifier import Query, Reply


@dataclass(frozen=True, slots=True)
class Arguments:
    """Which model, and where it computes."""

    pretrained: str
    """A folder, or a name on the hub."""
    revision: str | None = None
    """Commit on the hub."""
    device: str = "auto"
    """cpu, cuda:0, ...; auto spreads it over all that accelerate finds."""
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    """auto is bfloat16 on an accelerator and float32 on a CPU."""
    batch: int = 8
    """Most requests that are answered together."""
    longest: int = 2000
    """Tokens of an answer, at most."""


@dataclass(slots=True)
class Waiting:
    """A request, and its reply once it has one."""

    query: Query
    reply: Reply | None = None


class LanguageModel:
    """Answers greedily; threads that ask at the same time are answered in one batch."""

    def __init__(self, model: Any, tokenizer: Any, arguments: Arguments, record: Mapping[str, Any]) -> None:
        self.model, self.tokenizer, self.arguments, self.record = model, tokenizer, arguments, record
        self.id = f"local:{record['served_id']}"
        self.door, self.lock = threading.Lock(), threading.Lock()
        self.waiting: list[Waiting] = []

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        """One reply a query, in order."""
        mine = [Waiting(query) for query in queries]
        with self.door:
            self.waiting += mine
        found = []
        for one in mine:
            with self.lock:
                while one.reply is None:  # whoever has the lock also answers those who came after it
                    self._serve()
            found.append(one.reply)
        return found

    def _serve(self) -> None:
        with self.door:
            some, self.waiting = self.waiting[: self.arguments.batch], self.waiting[self.arguments.batch :]
        try:
            replies = self._speak([one.query for one in some])
        except Exception as error:  # noqa: BLE001 - a batch that fails is a failed reply each, with the reason
            replies = [Reply("transport_error", error=f"the model failed: {error}"[:300], served=self.id)] * len(some)
        for one, reply in zip(some, replies, strict=True):
            one.reply = reply

    def _speak(self, queries: Sequence[Query]) -> list[Reply]:
        import torch

        most = min(self.arguments.longest, max(query.max_tokens or self.arguments.longest for query in queries))
        given = self.tokenizer(
            [self._text(query) for query in queries], padding=True, add_special_tokens=False, return_tensors="pt"
        ).to(self.model.device)
        with torch.inference_mode():
            told = self.model.generate(
                input_ids=given["input_ids"], attention_mask=given["attention_mask"], max_new_tokens=most,
                do_sample=False, temperature=None, top_p=None, top_k=None, pad_token_id=self.tokenizer.pad_token_id,
            )  # fmt: skip
        read = given["attention_mask"].sum(1).tolist()
        answers = told[:, given["input_ids"].shape[1] :].tolist()
        return [self._reply(tokens, count, most) for tokens, count in zip(answers, read, strict=True)]

    def _text(self, query: Query) -> str:
        """The request in the model's template, without marks that mean something to it."""
        if query.images:
            raise ValueError("a language model sees no pictures")
        turns = [*(turn for pair in query.earlier for turn in zip(("user", "assistant"), pair, strict=True))]
        turns = [*([("system", query.system)] if query.system else []), *turns, ("user", query.text)]
        messages = []
        for role, text in turns:
            for mark in self.tokenizer.all_special_tokens:
                text = text.replace(mark, "")
            messages.append({"role": role, "content": text})
        return str(
            self.tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True, enable_thinking=False
            )
        )

    def _reply(self, tokens: Sequence[int], read: int, most: int) -> Reply:
        ends = self.model.generation_config.eos_token_id
        stops = set(ends if isinstance(ends, list) else [ends]) | {self.tokenizer.eos_token_id}
        end = next((place for place, token in enumerate(tokens) if token in stops), None)
        text = self.tokenizer.decode(tokens[:end], skip_special_tokens=True)
        cut = "" if end is not None else f"cut off after {most} tokens"
        return Reply(
            "parse_error" if cut else "ok", text, error=cut, served=self.id, tokens_in=read,
            tokens_out=len(tokens) if end is None else end + 1,
        )  # fmt: skip


def build(arguments: Arguments) -> LanguageModel:
    """Loads the model; ValueError says what is wrong with it."""
    if arguments.batch < 1 or arguments.longest < 1:
        raise ValueError("arguments batch and longest must be more than 0")
    try:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        from reward.vision_language import digest_of, dtype_of, language_config
    except ImportError as error:
        raise ValueError(f"a local model needs {error.name}: pip install 'image-harness[models]'") from None
    at: dict[str, Any] = {"revision": arguments.revision} if arguments.revision else {}
    config = language_config(arguments.pretrained, at)
    tokenizer = AutoTokenizer.from_pretrained(arguments.pretrained, padding_side="left", **at)
    if not tokenizer.chat_template:
        raise ValueError(f"{arguments.pretrained} has no chat template, so nothing says how it is asked")
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    model: Any = AutoModelForCausalLM.from_pretrained(
        arguments.pretrained, dtype=dtype_of(arguments.device, arguments.dtype), device_map=arguments.device, **at
    )
    digest, name = digest_of(arguments.pretrained, config), arguments.pretrained.rstrip("/").rpartition("/")[2]
    record = {"name": "local", "requested": name, "served_id": f"{name}@{digest[:12]}", "revision": digest}
    return LanguageModel(model.eval(), tokenizer, arguments, {**record, "mode": "text"})
