"""A certificate for loopback, and the authority that signed it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import NamedTuple


class Certificate(NamedTuple):
    """Files in PEM.

    Attributes:
        chain: The server's certificate and its key.
        authority: What a client trusts.
    """

    chain: Path
    authority: Path


def make_certificate(folder: Path) -> Certificate | None:
    """Make one in a folder.

    Args:
        folder: Where to.

    Returns:
        The files, or `None` where `trustme` is not installed.
    """
    if importlib.util.find_spec("trustme") is None:
        return None
    import trustme  # noqa: PLC0415 - optional

    authority = trustme.CA()
    certificate = Certificate(folder / "server.pem", folder / "authority.pem")
    authority.issue_cert("127.0.0.1", "localhost").private_key_and_cert_chain_pem.write_to_path(
        str(certificate.chain)
    )
    authority.cert_pem.write_to_path(str(certificate.authority))
    return certificate
