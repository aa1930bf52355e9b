"""The published vectors, good and bad: the same answer as the Rust crate's, code for code."""

from __future__ import annotations

import base64
import os
import time
from pathlib import Path

import pytest

# Not everywhere this package is tested are receipts wanted.
pytest.importorskip("cryptography")
pytest.importorskip("jwt", minversion="2.10.1")

from pogw.receipt import Expectations, InvalidValue, Jwks, JwksError, Receipt, Rejected, Validator

VECTORS = Path(os.environ.get("POGW_VECTORS", Path(__file__).parents[2] / "receipt/vectors")).resolve()
JWKS = (VECTORS / "jwks.json").read_text()
NAMES = sorted(path.stem for path in VECTORS.glob("*.txt"))
KEY_SETS = sorted(f"key_sets/{path.stem}" for path in VECTORS.glob("key_sets/*.txt"))


def vector(name: str) -> tuple[dict[str, str], str]:
    head, token = (VECTORS / f"{name}.txt").read_bytes().decode().split("\n\n", 1)
    return dict(line.split(": ", 1) for line in head.split("\n")), token.removesuffix("\n")


def answer(head: dict[str, str], token: str) -> Receipt:
    accepts_a0 = head["minimum_level"] == "A0"
    expected = Expectations(
        head["issuer"],
        head["audience"],
        minimum_level="A1" if accepts_a0 else head["minimum_level"],  # type: ignore[arg-type]
        job=head.get("job"),
        nonce=head.get("nonce"),
        danger_accept_a0=accepts_a0,
    )
    return Validator(Jwks.parse(JWKS), expected).validate(token, int(head["now"]))


def code(head: dict[str, str], token: str) -> str:
    try:
        answer(head, token)
    except Rejected as rejected:
        return rejected.code
    return "ok"


def test_there_are_vectors() -> None:
    assert len(NAMES) >= 100
    assert len(KEY_SETS) >= 20


@pytest.mark.parametrize("name", NAMES)
def test_vector(name: str) -> None:
    head, token = vector(name)
    assert code(head, token) == head["expect"], head["comment"]


@pytest.mark.parametrize("name", KEY_SETS)
def test_key_set(name: str) -> None:
    head, text = vector(name)
    try:
        Jwks.parse(text)
        answered = "ok"
    except JwksError as error:
        answered = error.code
    assert answered == head["expect"], head["comment"]


def test_too_large() -> None:
    head, token = vector("good_es384")
    assert code(head, token + "A" * (1 << 20)) == "token_too_large"


@pytest.mark.parametrize(
    "text", ['{"' + '\\"' * 350_000, '{"a":' + "9" * 700_000, "[" * 700_000, '{"a":"' + "\\\\" * 350_000]
)
def test_large_headers_take_no_long_time(text: str) -> None:
    head, token = vector("good_es384")
    _, payload, signature = token.split(".")
    header = base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()
    started = time.monotonic()
    assert code(head, f"{header}.{payload}.{signature}").startswith("json_")
    assert time.monotonic() - started < 10


def test_what_a_receipt_says() -> None:
    receipt = answer(*vector("good_es384"))
    assert (receipt.id, receipt.subject) == ("0f6c2d1e-5a53-4c0e-9a57-3c9d7a7d1c11", "provider-17")
    assert receipt.level == "A2"
    assert receipt.results == {"freivalds"}
    assert receipt.job_digest == "0a" * 32
    assert receipt.outputs == [{"name": "c", "len": 4_194_304, "blake3": "0d" * 32}]
    finding = receipt.finding("freivalds")
    assert finding is not None
    assert finding["log2_error"] == -124
    assert receipt.finding("audit") is None
    assert not receipt.is_simulated
    assert repr(receipt) == f"Receipt({receipt.id})"


def test_meets() -> None:
    receipt = answer(*vector("good_es384"))
    assert receipt.meets("A2", ["freivalds"])
    assert receipt.meets("A0")
    assert not receipt.meets("A3")
    assert not receipt.meets("A2", ["freivalds", "audit"])


def test_claims_are_a_copy() -> None:
    receipt = answer(*vector("good_es384"))
    receipt.claims["pogw"]["assurance"]["level"] = "A3"
    receipt.outputs.clear()
    assert receipt.level == "A2"
    assert receipt.outputs


def test_a0_takes_a_word_of_danger() -> None:
    head, token = vector("good_simulated")
    keys = Jwks.parse(JWKS)
    expected = Expectations(head["issuer"], head["audience"], minimum_level="A0")
    with pytest.raises(Rejected) as rejected:
        Validator(keys, expected).validate(token, int(head["now"]))
    assert rejected.value.code == "assurance_level_too_low"
    expected = Expectations(head["issuer"], head["audience"], danger_accept_a0=True)
    assert Validator(keys, expected).validate(token, int(head["now"])).is_simulated


def test_demands_no_receipt_could_meet() -> None:
    for demand in ({"job": "AB" * 32}, {"nonce": "AA"}):
        with pytest.raises(InvalidValue):
            Expectations("i", "a", **demand)  # type: ignore[arg-type]
    with pytest.raises(InvalidValue):
        Expectations("", "a")


def test_leeway_has_a_limit() -> None:
    head, token = vector("exp_past")
    expected = Expectations(head["issuer"], head["audience"], leeway_s=10_000)
    assert Validator(Jwks.parse(JWKS), expected).validate(token, int(head["now"]))
    with pytest.raises(Rejected):
        Validator(Jwks.parse(JWKS), expected).validate(token, int(head["now"]) + 540)


def test_key_set_too_large() -> None:
    with pytest.raises(JwksError) as error:
        Jwks.parse(JWKS + " " * (1 << 17))
    assert error.value.code == "jwks_too_large"
