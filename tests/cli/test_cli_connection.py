"""The options that say how the API is reached: proxies, authorities, and the log."""

from __future__ import annotations

import asyncio
import contextlib
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Generator
from pathlib import Path

import pytest
from cli_helpers import KEY, PATIENCE, Api, command, emulator, environment, run

WAIT = 20


class Proxy(socketserver.ThreadingTCPServer):
    """A proxy for plain HTTP, which sends everything to one server."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, upstream: tuple[str, int]) -> None:
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self.upstream = upstream
        self.asked: list[bytes] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Tunnel(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Proxy)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.rfile.readline()
            if not line:
                return
            head += line
        self.server.asked.append(head)
        asyncio.run(self._forward(head, *self.server.upstream))

    async def _forward(self, head: bytes, host: str, port: int) -> None:
        reader, writer = await asyncio.open_connection(host, port)
        method, url, rest = head.split(b" ", 2)
        path = b"/" + url.split(b"/", 3)[3]
        writer.write(b" ".join([method, path, rest.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")]))
        self.wfile.write(await reader.read())
        writer.close()
        await writer.wait_closed()


@pytest.fixture
def proxy(api: Api) -> Generator[Proxy]:
    with proxied(api) as made:
        yield made


@contextlib.contextmanager
def proxied(api: Api) -> Generator[Proxy]:
    host, port = api.emulator.base_url.removeprefix("http://").split(":")
    with Proxy((host, int(port))) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join(WAIT)


def test_requests_go_through_the_proxy(api: Api, proxy: Proxy) -> None:
    ended = run("get", api.ids[0], "--proxy", proxy.url, **api.variables)
    assert (ended.code, ended.errors) == (0, "")
    assert proxy.asked[0].startswith(f"GET {api.emulator.base_url}/v1/".encode())


def test_trust_env_uses_the_proxies_of_the_environment(
    api: Api, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.delenv("no_proxy", raising=False)
    assert run("get", api.ids[0], **api.variables).code == 0
    assert proxy.asked == []
    assert run("get", api.ids[0], "--trust-env", **api.variables).code == 0
    assert len(proxy.asked) == 1


def test_the_doctor_looks_at_the_proxy(api: Api, proxy: Proxy) -> None:
    ended = run("doctor", "--proxy", proxy.url, **api.variables)
    assert ended.code == 0
    assert "ok    proxy" in ended.output
    assert "ok    lookup" in ended.output
    away = run("doctor", "--proxy", "http://127.0.0.1:1", **api.variables)
    assert away.code == 7
    assert "fail  proxy" in away.output


def test_ca_file_names_another_authority_to_trust(tmp_path: Path) -> None:
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with emulator(ssl_context=context) as api:
        untrusted = run("get", api.ids[0], **api.variables)
        assert untrusted.code == 7
        trusted = run("get", api.ids[0], "--ca-file", tmp_path / "ca.pem", **api.variables)
        assert (trusted.code, trusted.errors) == (0, "")
        assert run("doctor", "--ca-file", tmp_path / "ca.pem", **api.variables).code == 0


@pytest.mark.parametrize("arguments", [("get", "-v"), ("-v", "get")])
def test_each_attempt_is_logged_without_the_key(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    log = tmp_path / "log"
    with emulator(server_errors=0.2, seed=3, record=True) as api:
        ended = run(*arguments, *api.ids[:20], "--log-file", log, **api.variables)
        attempts = len(api.asked())
    assert attempts > 20
    for text in (ended.errors, log.read_text(encoding="utf-8")):
        lines = [line for line in text.splitlines() if " GET " in line]
        assert len(lines) == attempts
        assert any("503" in line for line in lines)
        assert KEY not in text


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_ends_the_log_and_nothing_else(api: Api) -> None:
    ended = run("get", *api.ids[:3], "--log-file", "/dev/full", **api.variables)
    assert (ended.code, len(ended.output.splitlines())) == (0, 3)
    assert ended.errors == "elevenphone: cannot write '/dev/full': No space left on device\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("option", ["-v", "-q"])
def test_messages_that_cannot_be_written_change_no_result(api: Api, tmp_path: Path, option: str) -> None:
    (tmp_path / "ids.txt").write_text("\n".join([*api.ids[:3], api.unknown_id]))
    arguments = command("fetch", tmp_path / "ids.txt", "-o", tmp_path / "out.csv", option)
    with Path("/dev/full").open("wb") as full:
        code = subprocess.run(  # noqa: S603 - this interpreter
            arguments, stderr=full, env=environment(**api.variables), check=False, timeout=PATIENCE
        ).returncode
    assert code == 1
    assert len((tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()) == 5


def test_a_log_goes_on_at_the_end_of_its_file(api: Api, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    for _ in range(2):
        assert run("get", api.ids[0], "--log-file", log, **api.variables).errors == ""
    assert len(log.read_text(encoding="utf-8").splitlines()) == 3
