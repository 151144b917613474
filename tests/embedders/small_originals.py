"""Small sentence-transformers models with random weights, of several architectures, written to a folder."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing
from transformers import (
    BertConfig,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    MPNetConfig,
    MPNetModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaModel,
)

WINDOW_TOKENS = 64
HIDDEN = 32
_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]


def write_original(folder: Path, architecture: str, *, pooling: str, seed: int) -> Path:
    torch.manual_seed(seed)
    tokenizer = _tokenizer(with_types=architecture == "bert")
    plain = folder.with_name(f"{folder.name}-plain")
    _model(architecture, len(tokenizer)).save_pretrained(plain)
    tokenizer.save_pretrained(plain)
    transformer, pool = _modules(plain, pooling)
    SentenceTransformer(modules=[transformer, pool], device="cpu").save(str(folder), create_model_card=False)
    return folder


def _modules(plain: Path, pooling: str) -> tuple[Any, Any]:
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    transformer = Transformer(str(plain))
    transformer.max_seq_length = WINDOW_TOKENS
    return transformer, Pooling(HIDDEN, pooling_mode=pooling)


def _model(architecture: str, words: int) -> Any:
    shape = {"hidden_size": HIDDEN, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    sizes = {"vocab_size": words, "max_position_embeddings": WINDOW_TOKENS + 8, "pad_token_id": 0}
    match architecture:
        case "bert":
            return BertModel(BertConfig(**shape, **sizes))
        case "roberta":
            return RobertaModel(RobertaConfig(**shape, **sizes))
        case "mpnet":
            return MPNetModel(MPNetConfig(**shape, **sizes))
        case _:
            return DistilBertModel(DistilBertConfig(dim=HIDDEN, n_layers=2, n_heads=4, hidden_dim=64, **sizes))


def _tokenizer(*, with_types: bool) -> PreTrainedTokenizerFast:
    letters = string.ascii_lowercase + string.digits + string.punctuation
    words = [*_SPECIAL, *letters, *(f"##{letter}" for letter in letters), "card", "refund", "password", "how", "the"]
    tokenizer = Tokenizer(WordPiece({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    ends = [("[CLS]", 2), ("[SEP]", 3)]
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    tokenizer.enable_truncation(16)  # as published models have it; nothing of a text may be lost to it
    inputs = ["input_ids", "token_type_ids", "attention_mask"] if with_types else ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_input_names=inputs,
    )
