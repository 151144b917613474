"""Texts to vectors.

`opening.open_embedder` opens a model by name; `build.build_model` makes the ONNX form that serving needs. Nothing
heavy is imported before one of them is called.
"""
