"""A server faster than any client: nginx where it is installed, else `protocol_server`."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from speed_lab import bodies, cores
from speed_lab.certificates import Certificate, make_certificate

_START_SECONDS = 10.0
_STOP_SECONDS = 5.0
HERE = Path(__file__).resolve().parents[1]


class Server(NamedTuple):
    """A server that runs.

    Attributes:
        name: What it is.
        plain: Its address over HTTP.
        tls: Its address over HTTPS, or `None` where there is no certificate.
        authority: The PEM file that a client must trust, or `None`.
    """

    name: str
    plain: str
    tls: str | None
    authority: str | None

    def address(self, scheme: str) -> str:
        """Find the address of `plain` or `TLS`."""
        return self.tls if scheme == "TLS" and self.tls else self.plain


@contextmanager
def serve() -> Iterator[Server]:
    """Run a server on the server's core, until the end of the block.

    Raises:
        SystemExit: None starts here.
    """
    with tempfile.TemporaryDirectory(prefix="speed_lab_") as name:
        folder = Path(name)
        certificate = make_certificate(folder)
        plain, tls = _free_ports()
        for what, command in _commands(folder, plain, tls, certificate):
            process = _start(command, plain)
            try:
                if process.poll() is None:
                    yield Server(
                        what,
                        f"http://127.0.0.1:{plain}",
                        f"https://127.0.0.1:{tls}" if certificate else None,
                        str(certificate.authority) if certificate else None,
                    )
                    return
            finally:
                _stop(process)
    raise SystemExit("no server for the benchmarks starts here: neither nginx nor Python's own can be run")


def _commands(
    folder: Path, plain: int, tls: int, certificate: Certificate | None
) -> Iterator[tuple[str, list[str]]]:
    """Yield what to try, the fastest server first: its name, and the command."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if nginx:
        yield "nginx", _nginx(nginx, folder, plain, tls, certificate)
    loop = "uvloop" if importlib.util.find_spec("uvloop") else "asyncio"
    why = "nginx does not start" if nginx else "nginx is not installed"
    yield f"an asyncio Protocol on {loop}, since {why}", _fallback(plain, tls, certificate)


def _start(command: list[str], port: int) -> subprocess.Popen[bytes]:
    """Start a server, and wait until it answers or has ended."""
    with cores.on(cores.SERVER_CORE):
        environment = {**os.environ, "PYTHONPATH": str(HERE)}
        process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)  # noqa: S603 - ours
    ends = time.monotonic() + _START_SECONDS
    while time.monotonic() < ends and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
        except OSError:
            time.sleep(0.02)
        else:
            return process
    _stop(process)
    return process


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _fallback(plain: int, tls: int, certificate: Certificate | None) -> list[str]:
    command = [sys.executable, "-m", "speed_lab.protocol_server", str(plain)]
    return [*command, str(tls), str(certificate.chain)] if certificate else command


def _nginx(nginx: str, folder: Path, plain: int, tls: int, certificate: Certificate | None) -> list[str]:
    configuration = folder / "nginx.conf"
    configuration.write_text(_configuration(folder, plain, tls, certificate))
    return [nginx, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(configuration)]


def _configuration(folder: Path, plain: int, tls: int, certificate: Certificate | None) -> str:
    secure = (
        f"listen 127.0.0.1:{tls} ssl backlog=4096;\n"
        f"ssl_certificate {certificate.chain};\nssl_certificate_key {certificate.chain};\n"
        if certificate
        else ""
    )
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder / kind};\n" for kind in kinds)
    locations = _location(bodies.TWILIO_PREFIX, bodies.TWILIO) + _location(
        bodies.SIP_PREFIX, bodies.SIP_TRUNK
    )
    return (
        f"daemon off;\nmaster_process off;\npid {folder / 'pid'};\npcre_jit on;\n"
        "events { worker_connections 8000; }\n"
        f"http {{\n{temporary}access_log off;\nkeepalive_timeout 1h;\nkeepalive_requests 1000000000;\n"
        "types {}\ndefault_type application/json;\n"
        f"server {{\nlisten 127.0.0.1:{plain} backlog=4096;\n{secure}"
        "add_header request-id $request_id;\nadd_header x-region us-central1;\n"
        f"{locations}}}\n}}\n"
    )


def _location(prefix: str, template: str) -> str:
    text = template.replace(bodies.MARK, "$1")
    return f"location ~ \"^{bodies.PATH}({prefix}[0-9]+)$\" {{ return 200 '{text}'; }}\n"


def _free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]
