"""Credentials in a text: an answer that holds one, or was asked with one, is never stored."""

from __future__ import annotations

import re

# Each pattern begins with fixed characters and continues with one bounded class: linear in the text.
SECRETS = re.compile(
    r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,4}PRIVATE KEY-----"
    r"|\bsk-ant-[A-Za-z0-9_-]{10,}"
    r"|\bsk-[A-Za-z0-9_-]{20,}"
    r"|\b(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{10,}"
    r"|\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{30,}"
    r"|\bgithub_pat_[A-Za-z0-9_]{30,}"
    r"|\bglpat-[A-Za-z0-9_-]{20,}"
    r"|\bxox[abeoprs]-[A-Za-z0-9-]{10,}"
    r"|\bAIza[A-Za-z0-9_-]{35}"
    r"|\bnpm_[A-Za-z0-9]{36}"
    r"|\bpypi-[A-Za-z0-9_-]{50,}"
    r"|\beyJ[A-Za-z0-9_-]{15,}\.eyJ[A-Za-z0-9_-]{15,}\."
    r"|\b[Bb]earer [A-Za-z0-9._~+/-]{20,}"
    r"|\b(?i:aws_secret_access_key|secret_access_key|client_secret|api_key|apikey|password|passwd)"
    r"[\"']{0,1} {0,3}[:=] {0,3}[\"']{0,1}[A-Za-z0-9._~+/=!@#$%^&*-]{8,}"
)


def holds_secret(text: str) -> bool:
    """Whether the text holds something in the form of a credential."""
    return SECRETS.search(text) is not None
