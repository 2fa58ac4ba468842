from __future__ import annotations

import pytest
from cli_helpers import KEY, Api, emulator, run, run_shown


def marks(output: str) -> dict[str, str]:
    """Subject to mark."""
    lines = (line.split(maxsplit=2) for line in output.splitlines() if not line.startswith(" "))
    return {subject: mark for mark, subject, _ in lines}


def test_each_check_passes(api: Api) -> None:
    ended = run("doctor", **api.variables)
    assert (ended.code, ended.errors) == (0, "")
    assert set(marks(ended.output).values()) == {"ok"}
    assert list(marks(ended.output)) == ["version", "key", "host", "TLS", "HTTP", "lookup", "limits"]
    assert "the key works" in ended.output
    assert KEY not in ended.output


@pytest.mark.parametrize(("arguments", "form"), [((), "httptools"), (("--trust-env",), "aiohttp")])
def test_it_says_what_sends_the_requests(api: Api, arguments: tuple[str, ...], form: str) -> None:
    pytest.importorskip("httptools", reason="needs the extra speed: pip install 'elevenphone[speed]'")
    ended = run("doctor", *arguments, **api.variables)
    assert ended.code == 0
    assert f"HTTP     over {form}" in ended.output


def test_a_given_id_is_looked_up(api: Api) -> None:
    known = run("doctor", api.ids[0], **api.variables)
    assert known.code == 0
    assert marks(known.output)["lookup"] == "ok"
    unknown = run("doctor", api.unknown_id, **api.variables)
    assert unknown.code == 1
    assert "the key works, but: Phone number with id" in unknown.output
    assert run("doctor", "..", **api.variables).code == 2


def test_a_refused_key(api: Api) -> None:
    wrong = "sk_a_wrong_key_of_some_length"
    ended = run("doctor", **{**api.variables, "ELEVENLABS_API_KEY": wrong})
    assert ended.code == 3
    assert (marks(ended.output)["key"], marks(ended.output)["lookup"]) == ("note", "fail")
    assert "--region" in ended.output
    assert wrong not in ended.output


def test_without_a_key_the_host_is_checked_all_the_same(api: Api) -> None:
    ended = run("doctor", ELEVENLABS_BASE_URL=api.variables["ELEVENLABS_BASE_URL"])
    assert ended.code == 2
    assert marks(ended.output) == {"version": "ok", "key": "fail", "host": "ok", "TLS": "ok"}


@pytest.mark.parametrize("key", [KEY, ""])
@pytest.mark.parametrize("address", ["http://[::1", "http://user:secret@host:65536"])
def test_what_is_not_an_address_is_refused(
    api: Api, key: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = {**api.variables, "ELEVENLABS_API_KEY": key}
    monkeypatch.setenv("http_proxy", address)
    monkeypatch.delenv("no_proxy", raising=False)
    for arguments in (("--base-url", address), ("--proxy", address), ("--trust-env",)):
        ended = run("doctor", *arguments, **variables)
        assert ended.code == 2
        assert "not an address such as" in ended.errors
        assert "secret" not in ended.errors


@pytest.mark.parametrize(
    ("url", "subject"), [("http://127.0.0.1:1", "host"), ("https://host.invalid", "host"), ("tls", "TLS")]
)
def test_an_unreachable_host_is_reported(api: Api, url: str, subject: str) -> None:
    if url == "tls":
        url = api.variables["ELEVENLABS_BASE_URL"].replace("http:", "https:")
    ended = run("doctor", "--base-url", url, ELEVENLABS_API_KEY=KEY)
    assert (ended.code, ended.errors) == (7, "")
    assert marks(ended.output)[subject] == "fail"
    assert "lookup" not in marks(ended.output)
    assert ended.output.splitlines()[-1].startswith("        ")


def test_a_used_up_quota_has_its_own_code_and_words() -> None:
    with emulator(quota=0) as api:
        ended = run("doctor", **api.variables)
    assert ended.code == 6
    assert "no retry helps" in ended.output


def test_lines_break_at_words_on_a_terminal(api: Api) -> None:
    ended = run_shown("doctor", columns=60, variables=api.variables)
    assert ended.code == 0
    assert max(map(len, ended.output.splitlines())) <= 60
