"""A sentence-transformers model as one int8 ONNX graph with two outputs: pooled vector and token vectors."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, assert_never

from semcache.embedders.manifest import Pooling
from semcache.embedders.originals import Original, missing_extra
from semcache.embedders.windows import Windower
from semcache.errors import EmbedderError

OPSET = 17
_UNQUANTISED = "use it as sentence-transformers:<name or folder>"
_SAMPLE = "Any text will do: the graph must hold for every number of tokens."


def export_float(original: Original, path: Path, *, name: str) -> None:
    """Write the graph in 32-bit floats. It takes one text: only the number of tokens is open."""
    import torch

    graph, sample = _graph(original), _sample(original)
    open_axes = {axis: {1: "tokens"} for axis in (*sample, "tokens")}
    try:
        with torch.inference_mode(), warnings.catch_warnings():
            # The tracer warns of every shape it looks at; that it holds for all lengths is checked afterwards.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                graph,
                tuple(sample.values()),
                str(path),
                input_names=list(sample),
                output_names=["pooled", "tokens"],
                dynamic_axes=open_axes,
                opset_version=OPSET,
                dynamo=False,  # the other exporter needs onnxscript
            )
    except (RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise EmbedderError(f"{name}: cannot be exported to ONNX: {error}; {_UNQUANTISED}") from error


def quantise(source: Path, target: Path, *, name: str) -> None:
    """Weights to int8, a scale for every output channel; activations are scaled as they come."""
    try:
        from onnxruntime.quantization import QuantType, quantize_dynamic
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError as error:
        raise missing_extra() from error
    prepared = source.with_name("prepared.onnx")
    try:
        quant_pre_process(source, prepared, skip_optimization=True, skip_symbolic_shape=True)
        quantize_dynamic(prepared, target, per_channel=True, weight_type=QuantType.QInt8)
    except (RuntimeError, ValueError, TypeError, KeyError) as error:
        raise EmbedderError(f"{name}: cannot be quantised: {error}; {_UNQUANTISED}") from error
    prepared.unlink()


def _graph(original: Original) -> Any:
    import torch

    encoder, pooling = original.model[0].auto_model, original.pooling

    class Graph(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder

        def forward(self, *inputs: Any) -> tuple[Any, Any]:
            given = dict(zip(original.inputs, inputs, strict=True))
            tokens = self.encoder(**given).last_hidden_state
            mask = given["attention_mask"].unsqueeze(-1).to(tokens.dtype)
            match pooling:
                case Pooling.MEAN:
                    pooled = (tokens * mask).sum(dim=1) / mask.sum(dim=1)
                case Pooling.CLS:
                    pooled = tokens[:, 0]
                case _:
                    assert_never(pooling)
            return torch.nn.functional.normalize(pooled, dim=1), tokens

    return Graph().eval()


def _sample(original: Original) -> dict[str, Any]:
    import torch

    window = Windower(original.tokenizer, window_tokens=original.window_tokens).windows(_SAMPLE)[0]
    ids = torch.tensor([window.ids])
    values = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "token_type_ids": torch.zeros_like(ids)}
    return {name: values[name].to(original.model.device) for name in original.inputs}
