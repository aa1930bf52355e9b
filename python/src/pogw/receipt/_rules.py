"""What claims may not say at once, and which assurance level they support. One rule, one function, one code."""

from __future__ import annotations

from typing import Any, Final, Optional, get_args

from ._claims import CATEGORIES, is_vendor_claim
from ._errors import Rejected, excerpt
from ._types import Claims, Device, Finding, Level, ResultCheck, Source, Status, Tier, Work

_LEVELS: Final = get_args(Level)
_RESULTS: Final = get_args(ResultCheck)
#: From the worst to the best. ``none`` stands below ``affirming``: where nothing is known, nothing is affirmed.
_TIERS: Final = get_args(Tier)
_HOST: Final = ("provider_asserted", "guest_asserted")
_HARDWARE: Final = ("hardware", "provider_asserted")

_SOURCES: Final[dict[str, tuple[str, ...]]] = {
    "device_report": _HARDWARE,
    "reference_measurements": _HARDWARE,
    "revocation": _HARDWARE,
    "guest_quote": _HARDWARE,
    "output_commitment": ("hardware", *_HOST),
    "audit": ("recomputation",),
    "freivalds": ("recomputation",),
    "sumcheck": ("recomputation",),
    "replicas": ("replicas",),
    "timing": ("verifier_clock", *_HOST),
    "telemetry": _HOST,
}


def check(claims: Claims) -> None:
    """Every rule, in the order of the Rust crate.

    Raises :class:`Rejected` with the first one broken.
    """
    work = claims["pogw"]
    _expires_after_issue(claims)
    _counts_are_bounded(work)
    _devices_and_submods_match(claims)
    for device in work["devices"]:
        _appraisal_fits_device(claims["submods"][device["submod"]], device)
    worst = min((appraisal["ear_status"] for appraisal in claims["submods"].values()), key=_TIERS.index)
    _is_no_better(claims["ear_status"], worst, "the receipt")
    _are_distinct("output_duplicate", "output", [output["name"] for output in work["outputs"]])
    _are_distinct("method_duplicate", "method", [finding["method"] for finding in work["methods"]])
    for finding in work["methods"]:
        _finding_has_meaning(finding, work)
    _revocation_agrees(work)
    _work_is_consistent(work)
    _results_are_affirmed(work)
    _level_is_supported(claims)


def level_at_least(actual: Level, minimum: Level) -> bool:
    return bool(_LEVELS.index(actual) >= _LEVELS.index(minimum))


def finding_of(work: Work, method: str) -> Optional[Finding]:
    return next((finding for finding in work["methods"] if finding["method"] == method), None)


def supported_level(claims: Claims) -> tuple[Level, Optional[str]]:
    """The highest level devices and findings support, and what the next one lacks."""
    work = claims["pogw"]
    shortfall = _short_of_a1(claims)
    if shortfall:
        return "A0", shortfall
    if not _is_affirmed_by_hardware(work, "output_commitment"):
        return "A1", "output_not_committed"
    if not _is_affirmed_by_hardware(work, "guest_quote"):
        return "A2", "guest_not_quoted"
    return "A3", None


def _expires_after_issue(claims: Claims) -> None:
    exp, iat, nbf = claims.get("exp"), claims["iat"], claims["nbf"]
    if exp is not None and exp <= max(iat, nbf):
        raise Rejected("expiry_not_after_issue", f"exp {exp} is not after both iat {iat} and nbf {nbf}")


def _counts_are_bounded(work: Work) -> None:
    batch = work.get("batch")
    counts = {
        "devices": (128, len(work["devices"])),
        "outputs": (256, len(work["outputs"])),
        "methods": (32, len(work["methods"])),
        "collateral": (512, len(work["collateral"])),
        "revocation": (512, len(work["revocation"])),
        "batch path": (32, len(batch["path"]) if batch else 0),
    }
    for what, (limit, actual) in counts.items():
        if actual > limit:
            raise Rejected("too_many_entries", f"{what}: expected at most {limit}, got {actual}")


def _devices_and_submods_match(claims: Claims) -> None:
    """The same things under the same names, so that neither list can hide one."""
    devices, submods = claims["pogw"]["devices"], claims["submods"]
    if not devices:
        raise Rejected("devices_missing", "no devices")
    ids: set[str] = set()
    named: set[str] = set()
    for device in devices:
        if device["id"] in ids or device["submod"] in named:
            raise Rejected("device_duplicate", f"device {device['id']} shares its id or its submodule")
        ids.add(device["id"])
        named.add(device["submod"])
        if device["submod"] not in submods:
            raise Rejected("device_submod_missing", f"device {device['id']} has no submodule {device['submod']}")
    for submod in sorted(submods.keys() - named):
        raise Rejected("submod_without_device", f"submodule {submod} belongs to no device")


def _tier_of(value: int) -> Tier:
    """The tier of one value of a vector (AR4SI section 2.3.2)."""
    if -1 <= value <= 1:
        return "none"
    if -32 <= value <= 31:
        return "affirming"
    if -96 <= value <= 95:
        return "warning"
    return "contraindicated"


def _bound(vector: dict[str, int]) -> Tier:
    """The best status a vector allows: the tier of its worst claim."""
    claims = [vector.get(category, 0) for category in CATEGORIES]
    tiers = [_tier_of(value) for value in claims if value != 0]
    return min(tiers, key=_TIERS.index, default="none")


def _appraisal_fits_device(appraisal: dict[str, Any], device: Device) -> None:
    submod, vector = device["submod"], appraisal["ear_trustworthiness_vector"]
    hardware, executables = (vector.get(category, 0) for category in ("hardware", "executables"))
    if not appraisal["ear_appraisal_policy_ids"]:
        raise Rejected("policy_ids_missing", f"submodule {submod} names no policy")
    if device["simulated"]:
        if "affirming" in (appraisal["ear_status"], _tier_of(hardware)):
            raise Rejected("simulated_device_affirmed", f"submodule {submod} affirms a simulated device")
        _says_it_is_simulated(appraisal, submod)
    if device["kind"] != "cpu_tee" and executables == 2:
        raise Rejected("executables_overstated", f"submodule {submod} says executables 2, expected 3 at best")
    if appraisal.get("measres") == "fail" and _tier_of(executables) == "affirming":
        raise Rejected(
            "measurement_contradiction",
            f"submodule {submod} affirms executables although measres is fail",
        )
    _is_no_better(appraisal["ear_status"], _bound(vector), submod)


def _says_it_is_simulated(appraisal: dict[str, Any], submod: str) -> None:
    """Whoever reads NVIDIA's names alone must not take software for a device."""
    for name, value in sorted(appraisal.items()):
        tells = name == "hwmodel" and "SIMULATED" in (value or "").split()
        if is_vendor_claim(name) and not tells:
            raise Rejected(
                "simulated_vendor_claim",
                f"submodule {submod} states {excerpt(name)} for a simulated device",
            )


def _is_no_better(actual: Tier, bound: Tier, place: str) -> None:
    if _TIERS.index(actual) > _TIERS.index(bound):
        raise Rejected(
            "ear_status_too_good",
            f"ear_status of {place}: expected at best {bound}, got {actual}",
        )


def _are_distinct(code: str, what: str, names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise Rejected(code, f"{what} {name} occurs twice")
        seen.add(name)


def _finding_has_meaning(finding: Finding, work: Work) -> None:
    method, status, source = finding["method"], finding["status"], finding["source"]
    if source not in _SOURCES.get(method, get_args(Source)):
        raise Rejected("method_source_not_allowed", f"method {method} cannot rest on {source}")
    if _is_affirmed_by(finding, "hardware") and _is_about_simulated(method, work):
        raise Rejected(
            "simulated_hardware_source",
            f"method {method} cannot rest on hardware: a device is simulated",
        )
    if "log2_error" in finding and not _is_affirmed_by(finding, "recomputation"):
        raise Rejected("strength_not_allowed", f"method {method} is {status}: it has no log2_error")
    if ("wrong_ppm" in finding) != (method == "audit" and "log2_error" in finding):
        raise Rejected("strength_share", f"method {method}: an audit states log2_error and wrong_ppm together")
    if "chain" in finding and "wrong_ppm" not in finding:
        raise Rejected(
            "strength_chain",
            f"method {method}: chain stands beside the wrong_ppm of an audit alone",
        )
    if ("agreeing" in finding) != (method == "replicas" and status == "affirmed"):
        raise Rejected("agreeing_count", f"method {method}: affirmed replicas state how many agree")


def _is_about_simulated(method: str, work: Work) -> bool:
    of_cpu = method == "guest_quote"
    subjects = (device for device in work["devices"] if (device["kind"] == "cpu_tee") == of_cpu)
    return any(device["simulated"] for device in subjects)


def _is_affirmed_by(finding: Optional[Finding], source: Source) -> bool:
    return finding is not None and (finding["status"], finding["source"]) == (
        "affirmed",
        source,
    )


def _is_affirmed_by_hardware(work: Work, method: str) -> bool:
    return _is_affirmed_by(finding_of(work, method), "hardware")


def _has_status(work: Work, method: str, status: Status) -> bool:
    finding = finding_of(work, method)
    return finding is not None and finding["status"] == status


def _revocation_agrees(work: Work) -> None:
    """Where ``revocation`` is affirmed something was asked, and nothing was found that refutes."""
    certificates = work["revocation"]
    if certificates and _has_status(work, "revocation", "not_requested"):
        raise Rejected("revocation_not_requested", "revocation lists certificates although nobody asked")
    if not _has_status(work, "revocation", "affirmed"):
        return
    if not certificates:
        raise Rejected(
            "revocation_unshown",
            "revocation is affirmed without a certificate that was asked about",
        )
    for certificate in certificates:
        if certificate["status"] not in ("good", "on_hold"):
            raise Rejected(
                "revocation_contradiction",
                f"revocation is affirmed although a certificate is {certificate['status']}",
            )


def _work_is_consistent(work: Work) -> None:
    if _has_status(work, "output_commitment", "affirmed") and not work["outputs"]:
        raise Rejected("outputs_missing", "output_commitment is affirmed without outputs")
    if "kernel" in work and "program" in work:
        raise Rejected("program_beside_kernel", "pogw: expected a kernel or a program, got both")
    for claim, said in (
        ("program", work.get("program")),
        ("executor", work.get("executor")),
        ("module_digest", work.get("module_digest")),
    ):
        if said is not None and said["source"] not in _HOST:
            raise Rejected(
                "asserted_source_not_allowed",
                f"{claim}: expected the provider's or guest's word, got {said['source']}",
            )
    timings = work.get("timings")
    if timings is not None and (
        timings["source"] not in _HOST or timings["started_unix_ms"] > timings["finished_unix_ms"]
    ):
        raise Rejected(
            "timings_invalid",
            "timings: expected an end after the start on the provider's or guest's word",
        )
    batch = work.get("batch")
    if batch is not None and batch["index"] >= batch["size"]:
        raise Rejected(
            "batch_index_out_of_range",
            f"batch: index {batch['index']} is not below size {batch['size']}",
        )


def _results_are_affirmed(work: Work) -> None:
    """Affirmed checks only, and none while another says that the output is wrong."""
    claimed = work["assurance"]["results"]
    for result in _RESULTS:
        if result in claimed and not _has_status(work, result, "affirmed"):
            raise Rejected(
                "assurance_result_not_affirmed",
                f"assurance claims {result}, which is not affirmed",
            )
    for result in _RESULTS:
        if claimed and _has_status(work, result, "refuted"):
            raise Rejected(
                "assurance_result_contradicted",
                f"assurance claims result checks although {result} is refuted",
            )


def _level_is_supported(claims: Claims) -> None:
    claimed = claims["pogw"]["assurance"]["level"]
    supported, shortfall = supported_level(claims)
    if not level_at_least(supported, claimed):
        raise Rejected(
            "assurance_level_unsupported",
            f"assurance level: expected at most {supported}, got {claimed}: {shortfall}",
        )


def _short_of_a1(claims: Claims) -> Optional[str]:
    """Every GPU and every switch is genuine on the word of its own fresh report, and there is a GPU."""
    work = claims["pogw"]
    devices = work["devices"]
    if any(device["simulated"] for device in devices):
        return "simulated"
    if not any(device["kind"] == "gpu" for device in devices):
        return "gpu_missing"
    for device in devices:
        appraisal = claims["submods"][device["submod"]]
        if device["kind"] == "cpu_tee":
            continue
        if _tier_of(appraisal["ear_trustworthiness_vector"].get("hardware", 0)) != "affirming":
            return "hardware_not_affirmed"
        if "eat_nonce" not in appraisal:
            return "evidence_nonce_missing"
    if not _is_affirmed_by_hardware(work, "device_report"):
        return "report_not_affirmed"
    return "revoked" if _has_status(work, "revocation", "refuted") else None
