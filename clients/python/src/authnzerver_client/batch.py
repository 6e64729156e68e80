"""Several requests in one message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from ._record import Answer, Call
from ._wire import of_status, read
from .errors import BadAnswer, Unavailable
from .types import BatchAnswer, BatchRequests, PartAnswer

T = TypeVar("T", bound=Answer)


class Batch:
    """What several calls came to: `batch[call]` is the answer to a call, or raises why there is none."""

    def __init__(self, asked: Sequence[Call[Any]], about: Mapping[str, str]):
        self._asked = asked
        self._about = about
        self._answers: list[PartAnswer] = []
        self.only_reads = all(call.only_reads for call in asked)

    def requests(self) -> list[BatchRequests]:
        """What is sent."""
        return [{"request": call.request, "body": call.body(self._about)} for call in self._asked]

    def answered(self, answer: BatchAnswer) -> Batch:
        """Takes the answers, which stand in the order of the calls."""
        names = [part.request for part in answer.answers]
        if names != [call.request for call in self._asked][: len(names)]:
            raise BadAnswer("these are the answers to other requests")
        self._answers = answer.answers
        return self

    def __getitem__(self, call: Call[T]) -> T:
        place = next(place for place, one in enumerate(self._asked) if one is call)
        if place >= len(self._answers):
            raise Unavailable("this was not asked, since one before it was not done", maybe_done=False)
        part = self._answers[place]
        if part.status != 200:
            wait = None if part.retry_after is None else float(part.retry_after)
            raise of_status(call.request, part.status, wait)
        return read(
            call,
            {
                "success": part.success,
                "response": part.response,
                "messages": part.messages,
                "failure_reason": part.failure_reason,
            },
        )
