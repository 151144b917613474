"""One forward pass of a built model on onnxruntime: token ids in, pooled vector and token vectors out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as failures

from semcache.embedders.windows import Window
from semcache.errors import EmbedderError

if TYPE_CHECKING:
    from semcache.entry import Vectors

# onnxruntime's exceptions share no parent but Exception.
FAILURES = (
    failures.Fail,
    failures.InvalidArgument,
    failures.InvalidGraph,
    failures.InvalidProtobuf,
    failures.NotImplemented,
    failures.RuntimeException,
)


class ForwardPass:
    """A session that runs on the calling thread only, so as many passes run at once as there are callers.

    `precise` avoids the int8 kernels that overflow on x86 processors without VNNI, at about 1.4 times the time.
    """

    def __init__(self, model: bytes, *, window_tokens: int, precise: bool = False) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 3
        # An arena would keep the memory of the longest window ever seen, once per thread, and is no faster here.
        options.enable_cpu_mem_arena = options.enable_mem_pattern = False
        options.add_session_config_entry("session.x64quantprecision", "1" if precise else "0")
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except FAILURES as error:
            raise EmbedderError(f"onnxruntime cannot load the model: {error}") from error
        self._has_types = "token_type_ids" in {put.name for put in self._session.get_inputs()}
        self._ones = np.ones((1, window_tokens), np.int64)
        self._zeros = np.zeros((1, window_tokens), np.int64)

    def pooled(self, window: Window) -> Vectors:
        """Shape (1, dims), of unit length."""
        (pooled,) = self._run(window, ["pooled"])
        return pooled

    def pooled_and_tokens(self, window: Window) -> tuple[Vectors, Vectors]:
        """Also the vectors of the text's own tokens, not normalised."""
        pooled, tokens = self._run(window, ["pooled", "tokens"])
        return pooled, tokens[0, window.first : window.last]

    def _run(self, window: Window, outputs: list[str]) -> list[Vectors]:
        ids = np.array([window.ids], np.int64)
        length = ids.shape[1]
        feed = {"input_ids": ids, "attention_mask": self._ones[:, :length]}
        if self._has_types:
            feed["token_type_ids"] = self._zeros[:, :length]
        try:
            results: list[Vectors] = self._session.run(outputs, feed)
        except FAILURES as error:
            # Without the cause's text: it may quote the input.
            raise EmbedderError(f"the forward pass failed ({type(error).__name__})") from None
        return results
