"""Coalescing: identical calls in flight are one upstream call, and everyone attaches to its stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace

from semcache.errors import UpstreamError, UpstreamStatus
from semcache.events import PING, replay
from semcache.exchange import Call
from semcache.flight import Flight, Head, OnLost, Recall
from semcache.message import Message
from semcache.turns import Turns
from semcache.upstream.upstream import Upstream

# What an identical request would be told again; anything else is worth a follower's own attempt.
_TRANSIENT_STATUSES = frozenset({408, 409, 429})


class Flights:
    """The calls in flight of one event loop. `recall` says what an identical call has just stored."""

    def __init__(
        self,
        upstream: Upstream,
        *,
        coalesce: bool = True,
        recall: Recall | None = None,
        turns: Turns | None = None,
        on_lost: OnLost | None = None,
    ) -> None:
        """`turns`: where other processes may have the same call in flight. `on_lost` hears what was paid in vain."""
        self._upstream = upstream
        self._on_lost = on_lost
        self._coalesce = coalesce
        self._recall = recall if coalesce else None
        self._turns = turns if coalesce else None
        self._flights: dict[str, Flight] = {}

    @property
    def upstream(self) -> Upstream:
        return self._upstream

    async def board(self, call: Call) -> Passage:
        """Join the flight of identical calls, or start one."""
        return Passage(self, call)

    @asynccontextmanager
    async def carry(self, call: Call) -> AsyncIterator[Message]:
        """The message of a call. Identical calls attach until the first who got it has left."""
        passage = await self.board(call)
        try:
            outcome = await passage.outcome()
            if isinstance(outcome, UpstreamError):
                raise outcome
            yield outcome
        finally:
            await passage.leave()

    def flight_for(self, call: Call) -> tuple[Flight, bool]:
        """The flight this call rides on, and whether others were on it before."""
        key = call.flight_key if self._coalesce else None
        flight = self._flights.get(key) if key is not None else None
        if flight is not None and not isinstance(flight.outcome, UpstreamError):
            return flight, True
        flight = Flight(self._upstream, call, recall=self._recall, turns=self._turns, on_lost=self._on_lost)
        if key is not None:
            self._flights[key] = flight
        return flight, False

    def forget(self, call: Call, flight: Flight) -> bool:
        """Let no more calls attach to this flight; whether they could until now."""
        if call.flight_key is None or self._flights.get(call.flight_key) is not flight:
            return False
        del self._flights[call.flight_key]
        return True

    async def leave_turn(self, call: Call) -> None:
        """Let other processes go upstream with it."""
        if self._turns is not None and call.flight_key is not None and call.flight_key not in self._flights:
            await self._turns.leave(call.flight_key)


class Passage:
    """One request's seat on a flight."""

    def __init__(self, flights: Flights, call: Call) -> None:
        self._flights = flights
        self._call = call
        self._flight, self.is_follower = flights.flight_for(call)
        self._flight.listeners += 1
        self._may_try_again = self.is_follower
        self._paid = False
        self._left = False

    async def head(self) -> Head:
        """Status and headers, in the form this request asked for. Raises `UpstreamError`."""
        while self._flight.head is None:
            if isinstance(self._flight.outcome, UpstreamError):
                await self._reboard_or_raise(self._flight.outcome)
            else:
                await self._flight.changed()
        head = self._flight.head
        if head.is_stream == self._call.request.stream:
            return head
        kept = tuple((name, value) for name, value in head.headers if name not in ("content-type", "content-length"))
        content_type = "text/event-stream; charset=utf-8" if self._call.request.stream else "application/json"
        return Head(head.status, (*kept, ("content-type", content_type)), self._call.request.stream)

    async def outcome(self) -> Message | UpstreamError:
        """What the flight brought. The first who asks pays for it, the others ride along."""
        while True:
            outcome = self._flight.outcome
            if outcome is None:
                await self._flight.changed()
            elif isinstance(outcome, Message):
                return self._claimed(outcome)
            elif self._flight.head is not None and self._call.request.stream:
                return outcome  # bytes have gone out: too late for another attempt
            else:
                try:
                    await self._reboard_or_raise(outcome)
                except UpstreamError as error:
                    return error

    async def chunks(self, *, ping_seconds: float | None = None) -> AsyncIterator[bytes]:
        """The event stream from its beginning, whichever form the flight has."""
        sent = 0
        while True:
            flight = self._flight
            while sent < len(flight.buffer):
                sent += 1
                yield flight.buffer[sent - 1]
            if flight.outcome is not None:
                break
            try:
                async with asyncio.timeout(ping_seconds):
                    await flight.changed()
            except TimeoutError:
                if flight.at_boundary:
                    yield PING
        for chunk in self._replayed():
            yield chunk

    async def leave(self) -> None:
        """Get off. The last to leave a flight that is still under way hangs up; may be called twice."""
        if self._left:
            return
        self._left = True
        await self._get_off()

    def _replayed(self) -> Iterator[bytes]:
        flight = self._flight
        if flight.head is not None and not flight.head.is_stream and isinstance(flight.outcome, Message):
            yield from replay(flight.outcome)

    def _claimed(self, message: Message) -> Message:
        if self._paid or not self._flight.is_claimed:
            self._paid = self._flight.is_claimed = True
            return message
        return replace(message, coalesced=True)

    async def _get_off(self) -> None:
        flight = self._flight
        flight.listeners -= 1
        landed = flight.outcome is not None
        is_over = flight.listeners == 0 or (landed and self._paid) or isinstance(flight.outcome, UpstreamError)
        was_open = is_over and self._flights.forget(self._call, flight)
        if flight.listeners == 0 and not landed:
            await flight.cancel()
        elif flight.listeners == 0:
            flight.lose()
        if was_open:
            await self._flights.leave_turn(self._call)

    async def _reboard_or_raise(self, error: UpstreamError) -> None:
        """A follower whose leader failed tries once for itself, together with the other followers."""
        if not self._may_try_again or not _worth_another_attempt(error):
            raise error
        self._may_try_again = False
        await self._get_off()
        self._flight, self.is_follower = self._flights.flight_for(self._call)
        self._flight.listeners += 1


def _worth_another_attempt(error: UpstreamError) -> bool:
    if isinstance(error, UpstreamStatus):
        return error.status >= 500 or error.status in _TRANSIENT_STATUSES
    return True
