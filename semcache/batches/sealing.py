"""A credential kept at rest: encrypted by HMAC-SHA256 in counter mode, then authenticated by HMAC-SHA256.

The key is a secret of the store, so this guards rows that are copied, logged or backed up by themselves, and not a
copy of the whole store: its file is readable by its owner only.
"""

from __future__ import annotations

import hmac
import json
import secrets
from hashlib import sha256

from semcache.request import Headers, encode_json

SECRET_NAME = "batch-credentials"
_NONCE_BYTES = 16
_TAG_BYTES = 32


def seal(headers: Headers, secret: bytes, *, batch_id: str) -> bytes:
    """Credential headers as bytes that only `unseal` can read, and only for this batch."""
    nonce, plain = secrets.token_bytes(_NONCE_BYTES), encode_json(headers)
    hidden = nonce + _masked(plain, _key(secret, "encrypt"), nonce)
    return hidden + _tag(hidden, secret, batch_id)


def unseal(sealed: bytes, secret: bytes, *, batch_id: str) -> Headers | None:
    """The headers; None where this was sealed with another secret, for another batch, or has been changed."""
    hidden, tag = sealed[:-_TAG_BYTES], sealed[-_TAG_BYTES:]
    if not hmac.compare_digest(tag, _tag(hidden, secret, batch_id)):
        return None
    nonce, body = hidden[:_NONCE_BYTES], hidden[_NONCE_BYTES:]
    plain = _masked(body, _key(secret, "encrypt"), nonce)
    return tuple((name, value) for name, value in json.loads(plain))


def _key(secret: bytes, purpose: str) -> bytes:
    return hmac.digest(secret, b"semcache batch credential: " + purpose.encode(), sha256)


def _tag(hidden: bytes, secret: bytes, batch_id: str) -> bytes:
    return hmac.digest(_key(secret, "authenticate"), batch_id.encode() + b"\0" + hidden, sha256)


def _masked(text: bytes, key: bytes, nonce: bytes) -> bytes:
    blocks = range(-(-len(text) // sha256().digest_size))
    stream = b"".join(hmac.digest(key, nonce + block.to_bytes(8, "big"), sha256) for block in blocks)
    return bytes(one ^ other for one, other in zip(text, stream, strict=False))
