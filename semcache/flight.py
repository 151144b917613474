"""One upstream call and what has arrived of it, for all who listen."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from semcache.errors import UpstreamError, UpstreamStatus, UpstreamTorn
from semcache.events import Assembler, FrameReader
from semcache.exchange import Call
from semcache.message import Message
from semcache.request import Headers
from semcache.turns import Turns
from semcache.upstream.upstream import Upstream, UpstreamRequest, UpstreamResponse

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NothingStored:
    """No identical call has left an answer. One that is asked for now is asked in these generations of its places."""

    generations: tuple[int, ...] = ()


Recall = Callable[[Call], Message | NothingStored]
OnLost = Callable[[Call, Message], None]
"""Told of what was paid for and reached nobody whole: a stream that broke off, or was hung up on."""


@dataclass(frozen=True)
class Head:
    """Status and headers of the response a passage rides on."""

    status: int
    headers: Headers
    is_stream: bool


class Flight:
    """One upstream call and what has arrived of it. It goes on while anybody listens."""

    def __init__(
        self,
        upstream: Upstream,
        call: Call,
        *,
        recall: Recall | None = None,
        turns: Turns | None = None,
        on_lost: OnLost | None = None,
    ) -> None:
        self.head: Head | None = None
        self.outcome: Message | UpstreamError | None = None
        self.buffer: list[bytes] = []
        self.at_boundary = True
        self.listeners = 0
        self.is_claimed = False
        self._upstream = upstream
        self._recall = recall
        self._turns = turns
        self._call = call
        self._on_lost = on_lost
        self._asked_in: tuple[int, ...] = ()
        self._assembler: Assembler | None = None
        self._pulse = asyncio.Event()
        self._task = asyncio.create_task(self._fly(call))

    def changed(self) -> Awaitable[object]:
        """Wait for the next head, chunk or landing after this call, even if awaited later."""
        return self._pulse.wait()

    def lose(self) -> None:
        """Nobody will have the whole message: tell of what there is of it."""
        there_is = self.outcome if isinstance(self.outcome, Message) else None
        if there_is is None and self._assembler is not None:
            there_is = self._assembler.so_far()
        if there_is is not None and self._on_lost is not None and not self.is_claimed:
            self.is_claimed = True
            self._on_lost(self._call, there_is)

    async def cancel(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _fly(self, call: Call) -> None:
        response = None
        try:
            if await self._is_recalled(call):
                return
            response = await self._upstream.open(_wire_request(call))
            self._land(replace(await self._read(response), asked_in=self._asked_in))
        except UpstreamError as error:
            self._land(error)
        except Exception as error:  # a fault in the upstream's own code: whoever embeds us finds it as the cause
            logger.error("the upstream failed in itself: %s", type(error).__name__)
            torn = UpstreamTorn("the upstream failed in itself")
            torn.__cause__ = error
            self._land(torn)
        finally:
            if response is not None:
                await response.aclose()
            if self.outcome is None:
                self._land(UpstreamTorn("the call was abandoned"))
            if not isinstance(self.outcome, Message):
                self.lose()

    async def _is_recalled(self, call: Call) -> bool:
        """Whether an identical flight landed between this call's lookup and its boarding, or lands elsewhere now.

        Whoever boards from now on joins this flight, and other processes wait for its turn to end: so this last look
        leaves no gap for a second call. What was removed while it waited for its turn is no reason not to store an
        answer that has yet to be asked for: so the generation, too, is that of the last look.
        """
        recall, key = self._recall, call.flight_key
        if recall is None or key is None:
            return False

        async def recalled() -> Message | None:
            found = await asyncio.to_thread(recall, call)
            if isinstance(found, Message):
                return found
            self._asked_in = found.generations
            return None

        try:
            message = None if self._turns is None else await self._turns.come(key, recalled)
            message = message or await recalled()
        except Exception as error:  # the cache's own fault costs this look, not the answer
            logger.error("the last look failed open: %s", type(error).__name__)
            return False
        if message is None:
            return False
        self.head = Head(200, message.headers, is_stream=False)
        self.is_claimed = True  # it has been paid for
        self._land(message)
        return True

    async def _read(self, response: UpstreamResponse) -> Message:
        if not 200 <= response.status < 300:
            body = b"".join([chunk async for chunk in response.chunks()])
            raise UpstreamStatus(response.status, response.headers, body)
        content_type = next((value for name, value in response.headers if name == "content-type"), "")
        self.head = Head(response.status, response.headers, content_type.startswith("text/event-stream"))
        self._notify()
        if self.head.is_stream:
            return await self._read_stream(response)
        return Message.parse(b"".join([chunk async for chunk in response.chunks()]), response.headers)

    async def _read_stream(self, response: UpstreamResponse) -> Message:
        reader, unreadable = FrameReader(), None
        assembler = self._assembler = Assembler()
        async for chunk in response.chunks():
            self.buffer.append(chunk)
            try:
                for event in reader.feed(chunk) if unreadable is None else ():
                    assembler.feed(event)
            except UpstreamTorn as error:  # not for us to judge: the bytes go on to the client
                unreadable = error
            self.at_boundary = unreadable is None and reader.at_boundary
            self._notify()
        if unreadable is not None:
            raise unreadable
        return replace(assembler.message(response.headers), faithful=assembler.faithful)

    def _land(self, outcome: Message | UpstreamError) -> None:
        self.outcome = outcome
        self._notify()

    def _notify(self) -> None:
        pulse, self._pulse = self._pulse, asyncio.Event()
        pulse.set()


def _wire_request(call: Call) -> UpstreamRequest:
    request = call.request
    return UpstreamRequest("POST", "/v1/messages", request.query, request.headers, request.content(), request.model)
