"""Server-sent events of a message: cut from bytes, assembled to a message, replayed from one."""

from semcache.events.assembly import Assembler, assemble
from semcache.events.framing import PING, Event, FrameReader, encode_event
from semcache.events.replay import replay
from semcache.events.tail import BROKEN_OFF, Tail

__all__ = [
    "BROKEN_OFF",
    "PING",
    "Assembler",
    "Event",
    "FrameReader",
    "Tail",
    "assemble",
    "encode_event",
    "replay",
]
