"""nginx and haproxy before the emulator, each a process in the foreground that ends with its block."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

_NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/bodies;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    limit_req_zone $binary_remote_addr zone=one:1m rate=100r/s;
    server {{
        listen 127.0.0.1:{port} {listen};
        location / {{
            proxy_pass {upstream};
            {settings}
        }}
    }}
}}
"""

_HAPROXY = """
global
    maxconn 512
defaults
    mode http
    timeout connect 1s
    timeout client 5s
    timeout server 5s
    retries 0
frontend in
    bind 127.0.0.1:{port}
    default_backend api
backend api
    {settings}
    server one {upstream} {server}
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def nginx(
    folder: Path, upstream: str, settings: str = "", certificate: Path | None = None
) -> AsyncGenerator[str]:
    """Run nginx before an address, its location so set, over TLS where there is a certificate."""
    port = _free_port()
    listen = (
        ""
        if certificate is None
        else f"ssl; ssl_certificate {certificate}; ssl_certificate_key {certificate}"
    )
    configuration = folder / "nginx.conf"
    configuration.write_text(
        _NGINX.format(folder=folder, port=port, upstream=upstream, settings=settings, listen=listen)
    )
    command = [
        _path_of("nginx"),
        "-p",
        str(folder),
        "-e",
        str(folder / "error.log"),
        "-c",
        str(configuration),
    ]
    async with _running(command, port):
        yield f"{'http' if certificate is None else 'https'}://localhost:{port}"


@asynccontextmanager
async def haproxy(folder: Path, upstream: str, settings: str = "", server: str = "") -> AsyncGenerator[str]:
    """Run haproxy before an address, its backend so set."""
    port = _free_port()
    configuration = folder / "haproxy.cfg"
    host = upstream.removeprefix("http://")
    configuration.write_text(_HAPROXY.format(port=port, upstream=host, settings=settings, server=server))
    async with _running([_path_of("haproxy"), "-db", "-f", str(configuration)], port):
        yield f"http://localhost:{port}"


def _path_of(name: str) -> str:
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


@asynccontextmanager
async def _running(command: list[str], port: int) -> AsyncGenerator[None]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        for _ in range(500):
            if process.returncode is not None:
                break
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionError:
                await asyncio.sleep(0.01)
            else:
                writer.close()
                await writer.wait_closed()
                yield
                break
        else:
            raise AssertionError(f"{command[0]} does not listen")
        if process.returncode is not None:
            assert process.stderr is not None
            raise AssertionError(f"{command[0]} ended: {(await process.stderr.read()).decode()}")
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
