"""Where the requests of many clients meet: what arrives together is asked of the verifier together."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import queue
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future

from PIL import Image, UnidentifiedImageError

from reward.verifier import Query, Reply, Verifier

MOST = 256
"""Queries of one call of the verifier at most."""
PICTURES = 64
"""Pictures that are kept, so that the questions of one image see one image."""
LARGEST = 64_000_000
"""Pixels of the largest picture that is opened."""
Errand = tuple[list[Query], "Future[list[Reply]]"]


class Counter:
    """Hands queries to a verifier from one thread; clients wait for their own replies."""

    def __init__(self, verifier: Verifier) -> None:
        self.verifier = verifier
        self.waiting: queue.SimpleQueue[Errand] = queue.SimpleQueue()
        self.pictures: OrderedDict[str, Image.Image] = OrderedDict()
        self.lock = threading.Lock()
        threading.Thread(target=self._serve, name="verify", daemon=True).start()

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        """One reply a query, in order; raises what the verifier raises."""
        future: Future[list[Reply]] = Future()
        self.waiting.put((list(queries), future))
        return future.result()

    def _serve(self) -> None:
        while True:
            errands = [self.waiting.get()]
            while sum(len(queries) for queries, _ in errands) < MOST and not self.waiting.empty():
                errands.append(self.waiting.get())
            self._settle(errands)

    def _settle(self, errands: Sequence[Errand]) -> None:
        try:
            replies = self.verifier.ask([query for queries, _ in errands for query in queries])
            if len(replies) != sum(len(queries) for queries, _ in errands):
                raise RuntimeError(f"verifier {self.verifier.id} lost count of its queries")
        except Exception as failure:  # noqa: BLE001 - every client that waits is told
            for _, future in errands:
                future.set_exception(failure)
            return
        for queries, future in errands:
            future.set_result(replies[: len(queries)])
            replies = replies[len(queries) :]

    def picture(self, encoded: str) -> Image.Image:
        """The picture in a base64 text, the same object for the same text; ValueError if it is none."""
        name = hashlib.sha256(encoded.encode()).hexdigest()
        with self.lock:
            if name in self.pictures:
                self.pictures.move_to_end(name)
                return self.pictures[name]
        image = decoded(encoded)
        with self.lock:
            image = self.pictures.setdefault(name, image)
            while len(self.pictures) > PICTURES:
                self.pictures.popitem(last=False)
            return image


def decoded(encoded: str) -> Image.Image:
    """A picture from base64, wholly read; ValueError if it is none or too large."""
    try:
        with Image.open(io.BytesIO(base64.b64decode(encoded, validate=True))) as image:
            if image.width * image.height > LARGEST:
                raise ValueError(f"a picture of more than {LARGEST} pixels")
            image.load()
            return image.copy()
    except (binascii.Error, UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"a picture that cannot be read: {error}") from None
