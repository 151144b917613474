"""Server-sent events of a message: cut from bytes, assembled to a message, replayed from one."""

from semcache.events.assembly import Assembler, assemble
from semcache.events.framing import PING, Event, FrameReader, encode_event
from semcache.events.replay import replay

__all__ = ["PING", "Assembler", "Event", "FrameReader", "assemble", "encode_event", "replay"]
