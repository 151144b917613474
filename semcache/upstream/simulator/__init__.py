"""A strict simulation of Claude's API: the Messages, Batches and Models endpoints as documented, with their bill."""

from semcache.upstream.simulator.answers import Answers, Reply, tool_use_block
from semcache.upstream.simulator.app import simulator_app
from semcache.upstream.simulator.batch_conduct import BatchConduct
from semcache.upstream.simulator.batch_desk import SimulatedBatch
from semcache.upstream.simulator.conduct import Conduct
from semcache.upstream.simulator.faults import Fault, FaultKind
from semcache.upstream.simulator.simulator import SimulatedCall, Simulator

__all__ = [
    "Answers",
    "BatchConduct",
    "Conduct",
    "Fault",
    "FaultKind",
    "Reply",
    "SimulatedBatch",
    "SimulatedCall",
    "Simulator",
    "simulator_app",
    "tool_use_block",
]
