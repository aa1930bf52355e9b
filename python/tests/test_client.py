"""The client against a verifier of the test's own, which says what a real one would and breaks as one might."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Optional

import pytest

from pogw.client import Client, Event, JobEnded, Problem, TimeUp, Unavailable
from pogw.client import _http as http_module
from pogw.client._events import events


class FakeVerifier:
    """Serves what it is told to; keeps what it was asked."""

    def __init__(self) -> None:
        self.status = "open"
        self.failures = 0
        self.histories: list[list[str]] = []
        self.then: Optional[str] = None
        self.asked: list[tuple[str, str, dict[str, str], Any]] = []
        verifier = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"

            def do_GET(self) -> None:
                verifier.answer(self, None)

            def do_POST(self) -> None:
                size = int(self.headers["Content-Length"])
                verifier.answer(self, json.loads(self.rfile.read(size)))

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, handler: BaseHTTPRequestHandler, body: Any) -> None:
        self.asked.append((handler.command, handler.path, dict(handler.headers.items()), body))
        if self.failures > 0:
            self.failures -= 1
            return self.say(handler, 503, {"code": "store_unavailable", "detail": "locked"}, {"Retry-After": "2"})
        if handler.path == "/v1/jobs/j1/events":
            return self.stream(handler)
        if handler.path == "/v1/jobs/j1/receipts":
            kept = {"id": "r1", "receipt": "a.b.c"}
            return self.say(handler, 200, {"receipts": [kept, {"id": "r2", "receipt": "d.e.f", "revoked_at": "2026"}]})
        if handler.path == "/v1/receipts/r1":
            return self.say(handler, 200, {"id": "r1", "receipt": "a.b.c", "status": "provisional"})
        if handler.path == "/v1/receipts/r2":
            return self.say(handler, 200, {"id": "r2"})
        if handler.path == "/v1/jobs/j1" or handler.command == "POST":
            return self.say(handler, 200, {"id": "j1", "status": self.status, "code": "unverifiable"})
        if handler.path == "/v1/jobs/elsewhere":
            return self.say(handler, 302, {}, {"Location": "https://evil.example/"})
        return self.say(handler, 404, {"code": "job_not_found", "detail": "no such job", "checks": [{"id": "chain"}]})

    def stream(self, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for name in self.histories.pop(0) if self.histories else []:
            handler.wfile.write(f": still here\nid: {name}\nevent: job_{name}\ndata: {{}}\n\n".encode())
        if not self.histories and self.then is not None:
            self.status = self.then

    @staticmethod
    def say(handler: BaseHTTPRequestHandler, status: int, body: Any, headers: Optional[dict[str, str]] = None) -> None:
        handler.send_response(status)
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(json.dumps(body).encode())


@pytest.fixture
def verifier(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeVerifier]:
    monkeypatch.setattr(http_module, "PATIENCE_S", (0.01, 0.01, 0.01))
    fake = FakeVerifier()
    yield fake
    fake.server.shutdown()
    fake.server.server_close()


def test_a_job_is_offered_once(verifier: FakeVerifier) -> None:
    verifier.failures = 2
    job = Client(verifier.url, "secret").create_job({"profile": "pogw/1"}, {"stake": 1})
    assert job["id"] == "j1"
    keys = {headers["Idempotency-Key"] for _, _, headers, _ in verifier.asked}
    assert len(verifier.asked) == 3
    assert len(keys) == 1
    assert verifier.asked[0][2]["Authorization"] == "Bearer secret"
    assert verifier.asked[0][3] == {"spec": {"profile": "pogw/1"}, "terms": {"stake": 1}}


def test_a_challenge_is_asked_for(verifier: FakeVerifier) -> None:
    Client(verifier.url).create_challenge("ab" * 32, "key")
    assert verifier.asked[0][1] == "/v1/challenges"
    assert verifier.asked[0][3] == {"job": "ab" * 32, "agent_key": "key"}
    assert "Authorization" not in verifier.asked[0][2]


def test_what_is_not_safe_to_repeat_is_not_repeated(verifier: FakeVerifier) -> None:
    verifier.failures = 1
    with pytest.raises(Problem) as problem:
        Client(verifier.url).create_challenge("ab" * 32, "key")
    assert problem.value.is_passing
    assert problem.value.retry_after_s == 2
    assert len(verifier.asked) == 1


def test_waiting_tells_progress_and_takes_up_a_broken_stream(verifier: FakeVerifier) -> None:
    verifier.histories = [["1", "2"], ["3"]]
    verifier.then = "accepted"
    seen: list[Event] = []
    job = Client(verifier.url).wait("j1", progress=seen.append)
    assert job["status"] == "accepted"
    assert [event.name for event in seen] == ["job_1", "job_2", "job_3"]
    resumed = [headers for _, path, headers, _ in verifier.asked if path.endswith("/events")]
    assert [headers.get("Last-Event-Id") for headers in resumed] == [None, "2"]


@pytest.mark.parametrize("poll_s", [None, 0.01])
def test_a_job_that_failed_is_no_result(verifier: FakeVerifier, poll_s: Optional[float]) -> None:
    verifier.status = "failed"
    with pytest.raises(JobEnded) as ended:
        Client(verifier.url).wait("j1", poll_s=poll_s)
    assert ended.value.job["code"] == "unverifiable"


def test_accepted_is_not_settled(verifier: FakeVerifier) -> None:
    verifier.status = "accepted"
    with pytest.raises(TimeUp):
        Client(verifier.url).wait("j1", until="settled", timeout_s=0.2, poll_s=0.05)
    verifier.status = "settled"
    assert Client(verifier.url).wait("j1", until="settled")["status"] == "settled"


def test_a_wait_ends_in_time(verifier: FakeVerifier) -> None:
    started = time.monotonic()
    with pytest.raises(TimeUp):
        Client(verifier.url).wait("j1", timeout_s=0.5)
    assert time.monotonic() - started < 5


def test_a_verifier_that_is_away_is_waited_out(verifier: FakeVerifier) -> None:
    verifier.status = "accepted"
    verifier.failures = 6
    assert Client(verifier.url).wait("j1", timeout_s=30)["status"] == "accepted"


def test_a_no_is_final(verifier: FakeVerifier) -> None:
    for poll_s in (None, 0.01):
        with pytest.raises(Problem) as problem:
            Client(verifier.url).wait("unknown", poll_s=poll_s)
        assert (problem.value.status, problem.value.code) == (404, "job_not_found")
        assert problem.value.checks == [{"id": "chain"}]


def test_revoked_receipts_are_left_out(verifier: FakeVerifier) -> None:
    assert [receipt["id"] for receipt in Client(verifier.url).receipts("j1")] == ["r1"]


def test_how_a_receipt_stands_is_asked(verifier: FakeVerifier) -> None:
    assert Client(verifier.url).standing("r1") == "provisional"
    with pytest.raises(Unavailable, match="whether the receipt holds"):
        Client(verifier.url).standing("r2")


def test_the_key_goes_nowhere_else(verifier: FakeVerifier) -> None:
    for url in ("http://verifier.example", "ftp://127.0.0.1", "verifier.example"):
        with pytest.raises(ValueError, match="expected https"):
            Client(url, "secret")
    with pytest.raises(Problem) as problem:
        Client(verifier.url, "secret").job("elsewhere")
    assert problem.value.status == 302


def test_nobody_there() -> None:
    with pytest.raises(Unavailable):
        Client("http://127.0.0.1:1").create_challenge("ab" * 32, "key")


def test_names_stand_in_paths(verifier: FakeVerifier) -> None:
    for name in ("", "../parties", "a/b", "a" * 65, "a\n"):
        with pytest.raises(ValueError, match="expected 1 to 64"):
            Client(verifier.url).job(name)
    assert not verifier.asked


def test_events_are_read_as_they_are_written() -> None:
    text = b"retry: 1\n: comment\nid: 7\nevent: a\ndata:x\ndata: y\r\n\n"
    text += b"event: no data\n\nid: a\0b\ndata: z\n\ndata: cut off"
    lines = text.splitlines(keepends=True)
    assert list(events(lines)) == [Event("7", "a", "x\ny"), Event("7", "", "z")]
    with pytest.raises(Unavailable):
        list(events([b"data: " + b"x" * (1 << 17)]))
