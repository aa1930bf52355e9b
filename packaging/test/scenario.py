"""The life of the packages on one machine, run in a box (see `box`) as root: from `apt install` to `apt purge`."""

import base64
import glob
import gzip
import json
import os
import re
import ssl
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

AGENT, VERIFIER, COMMAND = "attestation-agent", "pogw-verifier", "pogw"
PAGES = {AGENT: "apt install ./attestation-agent", VERIFIER: "apt install ./pogw-verifier", COMMAND: "apt install ./pogw_"}
SETTINGS = {name: Path("/etc") / name / "conf.d" for name in (AGENT, VERIFIER)}
URL = "http://127.0.0.1:8477"
AUDIENCE = "https://market.example"
SIMULATED = Path("/srv/simulated")
EXPOSURE = 20
# Where the commands of the pages are run: what they name without a path lies here.
DESK = Path("/root/desk")
# Packages of Debian's that the commands of the pages install, unless they could not be had (see `run`).
DEBIAN = None if Path("/mnt/without-debian").exists() else glob.glob("/mnt/debian/*.deb")


def say(text):
    print(f"-- {text}", flush=True)


def run(*command, status=0, **options):
    """Runs a command; its output, after it ended with this status."""
    ended = subprocess.run(command, capture_output=True, text=True, timeout=100, **options)
    if ended.returncode != status:
        sys.exit(f"{' '.join(command)}: status {ended.returncode}, expected {status}\n{ended.stdout}{ended.stderr}")
    return ended.stdout + ended.stderr


def shell(script):
    """Runs a script as a page has it; what it printed."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "HOME": "/root"}
    return run("bash", "-euc", script, cwd=DESK, env=environment)


def commands(page, of):
    """The commands of the one block of a page that has this text. `# ` is the prompt; what has none goes on."""
    blocks = re.findall(r"^```console[^\n]*\n(.*?)^```$", Path("/mnt", page).read_text(), re.M | re.S)
    found = [block for block in blocks if of in block]
    assert len(found) == 1, f"{page}: {len(found)} blocks have {of}"
    return [command.strip() for command in re.split(r"^# ", found[0], flags=re.M) if command.strip()]


def package(version, name):
    """Puts the package where its page has it."""
    (made,) = glob.glob(f"/mnt/{version}/{name}_*.deb")
    return shell(f"cp {made} {name}_0.1.0-1_amd64.deb")


def install(version):
    """By the commands of the page."""
    for name, page in PAGES.items():
        package(version, name)
        shell(commands("packaging.md", page)[0])


def systemctl(*arguments, status=0):
    return run("systemctl", *arguments, status=status)


def shown(unit, name):
    return systemctl("show", "--value", "-p", name, unit).strip()


def start(unit):
    """Starts a unit; what its journal says, where it does not start."""
    ended = subprocess.run(["systemctl", "start", unit], capture_output=True, text=True, timeout=100)
    if ended.returncode != 0:
        sys.exit(f"{unit} did not start\n{ended.stderr}{run('journalctl', '-n', '40', '--no-pager', '-u', unit)}")


def journal(unit):
    return run("journalctl", "--no-pager", "-o", "cat", "-u", unit)


def request(path, body=None, bearer=None, method=None):
    headers = {"content-type": "application/json"}
    if bearer:
        headers["authorization"] = f"Bearer {bearer}"
    data = None if body is None else json.dumps(body).encode()
    made = urllib.request.Request(URL + path, data=data, headers=headers, method=method)
    with urllib.request.urlopen(made, timeout=20) as answer:
        return json.load(answer)


def party(operator, kind, scopes):
    made = request("/v1/parties", {"kind": kind, "name": kind}, operator)
    key = request(f"/v1/parties/{made['id']}/keys", {"scopes": scopes}, operator)
    return made["id"], key["key"]


def until(what, condition, patience=60):
    ends = time.monotonic() + patience
    while time.monotonic() < ends:
        if found := condition():
            return found
        time.sleep(0.2)
    sys.exit(f"waited {patience} s for {what}\n{journal(AGENT)[-3000:]}\n{journal(VERIFIER)[-3000:]}")


def check_units():
    for name in (AGENT, VERIFIER):
        assert shown(name, "UnitFileState") == "disabled", "nothing runs before it is configured"
        assert shown(name, "ActiveState") == "inactive"
    units = glob.glob(f"/lib/systemd/system/{AGENT}*.service") + [f"/lib/systemd/system/{VERIFIER}.service"]
    units += [f"/lib/systemd/system/{AGENT}-gpu.path", f"/lib/systemd/system/{AGENT}-gpu.target"]
    assert len(units) == 5, units
    for unit in units:
        complaints = run("systemd-analyze", "verify", "--man=no", unit)
        # Of other units of this machine it may complain.
        assert not any(name in complaints for name in (AGENT, VERIFIER)), complaints
    for name in (AGENT, VERIFIER):
        run("systemd-analyze", "security", f"--threshold={EXPOSURE}", "--no-pager", f"{name}.service")


def check_pages():
    """What the packages' files point to is there: pages by their path, and pages by links of others."""
    for name in PAGES:
        folder = Path("/usr/share/doc", name)
        pages = [*folder.glob("docs/*.md"), *folder.glob("docs/quick-start/*.md"), folder / "packaging/README.md"]
        assert len(pages) > 15, pages
        for page in pages:
            for link in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
                there = (page.parent / link).resolve()
                ours = there.is_relative_to(folder / "docs") or there == folder / "packaging/README.md"
                assert "://" in link or not ours or there.exists(), f"{page}: {link}"
        files = [Path(line) for line in run("dpkg", "-L", name).splitlines() if not line.startswith("/usr/bin/")]
        for file in filter(Path.is_file, files):
            text = file.read_bytes()
            text = (gzip.decompress(text) if file.suffix == ".gz" else text).decode()
            for there in re.findall(rf"/usr/share/doc/(?:{'|'.join(PAGES)})/[\w./-]*\w", text):
                assert Path(there).exists(), f"{file}: {there}"


def example(name, key):
    """The line of the packaged file of settings that shows a value of this key, put into force."""
    lines = Path(f"/etc/{name}/config.toml").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith(f"# {key} = ")]
    return f"{line[2:]}\n"


def check_without_gpu():
    """A host without a GPU skips the unit, and starts it, once, when one appears."""
    start(AGENT)
    assert shown(AGENT, "ConditionResult") == "no" and shown(AGENT, "ActiveState") == "inactive"
    node = Path("/dev/nvidia0")
    node.touch()
    # There is no driver behind this one, which is the end of it.
    until("the agent's start and end", lambda: shown(AGENT, "ExecMainStatus") == "3", 20)
    assert shown(AGENT, "ConditionResult") == "yes" and "nvml_library_not_found" in journal(AGENT), journal(AGENT)
    begun = shown(AGENT, "ExecMainStartTimestampMonotonic")
    systemctl("stop", AGENT)
    time.sleep(1)
    assert shown(AGENT, "ExecMainStartTimestampMonotonic") == begun, "started again by the GPU that it has seen"
    assert shown(f"{AGENT}-gpu.path", "ActiveState") == "inactive"
    # As the scripts of an upgrade do with every unit of the package.
    systemctl("try-restart", f"{AGENT}-gpu.target", status=4)
    assert shown(AGENT, "ExecMainStartTimestampMonotonic") == begun, "an agent that was stopped is started by an upgrade"
    node.unlink()
    systemctl("reset-failed", AGENT)


def check_without_settings():
    """A verifier that is not configured fails once, and says why."""
    systemctl("start", VERIFIER, status=1)
    time.sleep(1)
    assert shown(VERIFIER, "ActiveState") == "failed", "status 2 is not tried again"
    assert shown(VERIFIER, "NRestarts") == "0"
    assert "issuer must be" in journal(VERIFIER)


def serve_verifier():
    SIMULATED.mkdir()
    # The software device whose root the verifier is to trust is the one that the agent will have.
    state = f"/var/lib/private/{AGENT}"
    os.makedirs("/var/lib/private", mode=0o700, exist_ok=True)
    run(AGENT, "simulated-collateral", "--device-dir", f"{state}/simulated", "--out", str(SIMULATED))
    run("chmod", "-R", "a+rX", str(SIMULATED))
    run("chown", "-R", f"--reference={state}", f"{state}/simulated")
    (SETTINGS[VERIFIER] / "20-simulated.toml").write_text(
        f'[appraisal]\nrim_dir = "{SIMULATED}"\nsimulated_anchors = ["{SIMULATED}/anchors.toml"]\n'
        f'[appraisal.ocsp]\ndir = "{SIMULATED}/ocsp"\n'
    )
    token = Path(f"/etc/{VERIFIER}/operator-token")
    token.write_text("operator-" * 5 + "\n")
    token.chmod(0o600)
    systemctl("reset-failed", VERIFIER)
    _, settings, enable = commands("packaging.md", "apt install ./pogw-verifier")
    shell(settings)
    assert f'"{AUDIENCE}"' in (SETTINGS[VERIFIER] / "10-site.toml").read_text()
    shell(enable)
    assert shown(VERIFIER, "StatusText") == "listening on 127.0.0.1:8477", shown(VERIFIER, "StatusText")
    assert request("/readyz")["status"] == "ready"
    operator = token.read_text().strip()
    # The value that the file of settings shows is one that the service can read.
    shows = SETTINGS[VERIFIER] / "40-example.toml"
    shows.write_text(example(VERIFIER, "operator_token_file"))
    systemctl("restart", VERIFIER)
    assert "parties" in request("/v1/parties", bearer=operator)
    shows.unlink()
    systemctl("restart", VERIFIER)
    return operator


def check_wrong_address():
    """An agent whose verifier is nowhere says so while it is waited for, ends when told to, and by itself with the cause."""
    site = SETTINGS[AGENT] / "10-site.toml"
    # With the token where the file of settings shows it: what cannot be read would be the cause.
    site.write_text('verifier = "http://127.0.0.1:9"\n[serve]\n' + example(AGENT, "token_file"))
    systemctl("start", "--no-block", AGENT)
    until("the cause", lambda: "Connection refused" in shown(AGENT, "StatusText"), 20)
    told = time.monotonic()
    systemctl("stop", AGENT)
    assert time.monotonic() - told < 10, "it heeds SIGTERM before it is enrolled"
    assert shown(AGENT, "Result") == "success", shown(AGENT, "Result")
    default = Path(f"/etc/default/{AGENT}")
    before = default.read_text()
    default.write_text(before + "ATTESTATION_AGENT__SERVE__ENROL_WITHIN_S=2\n")
    systemctl("start", AGENT, status=1)
    # Nothing keeps it from being tried again.
    assert shown(AGENT, "ExecMainStatus") == "3" and shown(AGENT, "ActiveState") == "activating", shown(AGENT, "ActiveState")
    assert "enrolment_unanswered" in journal(AGENT), journal(AGENT)
    systemctl("stop", AGENT)
    default.write_text(before)
    site.unlink()


def serve_agent(operator):
    """One line of configuration, beside the word that there is no GPU, and a token."""
    provider, provider_key = party(operator, "provider", ["agents:read", "agents:write", "books:read"])
    token = request("/v1/enrolment-tokens", {}, provider_key)["token"]
    file = Path(f"/etc/{AGENT}/enrolment-token")
    (DESK / "token").write_text(token + "\n")
    _, site, handed, enable = commands("packaging.md", "apt install ./attestation-agent")
    for command in commands("packaging.md", "simulated.toml"):
        shell(command)
    shell(handed)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    check_wrong_address()
    shell(site.replace("https://verifier.example", URL))
    assert (SETTINGS[AGENT] / "10-site.toml").read_text() == f'verifier = "{URL}"\n'
    shell(enable)
    assert "enrolled" in journal(AGENT), journal(AGENT)
    until("the status line", lambda: f"serving {URL}" in shown(AGENT, "StatusText"))
    # It was needed once.
    file.unlink()
    return provider, provider_key


def check_sandbox():
    """That the kernel holds what the units ask for."""
    for name in (AGENT, VERIFIER):
        pid = shown(name, "MainPID")
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2", status
        assert int(status["CapBnd"], 16) == 0 and int(status["CapEff"], 16) == 0, status
        uid = int(status["Uid"].split()[0])
        assert 61184 <= uid <= 65519, f"{uid} is no dynamic account"
        state = Path(f"/var/lib/private/{name}")
        assert stat.S_IMODE(state.stat().st_mode) == 0o700 and state.stat().st_uid == uid
        assert int(shown(name, "WatchdogUSec").rstrip("min").strip() or 0) == 1, shown(name, "WatchdogUSec")
        assert int(shown(name, "WatchdogTimestampMonotonic")) > 0
        assert 0 < int(shown(name, "MemoryMax")) < os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def check_install_check():
    """install-check in the sandbox finds what the sandbox blocks, and nothing in the way of the agent."""
    start(f"{AGENT}-check")
    told = journal(f"{AGENT}-check")
    for line in ("ok       sandbox", "ok       state_dir", "ok       cache_dir", "ok       enrolment", "ok       verifier_ready"):
        assert line in told, told
    assert "nothing is blocked" in told, told
    # The same, asked about what may compile in the process: CUDA's compiler does without, programs are told by name.
    drop_in = Path(f"/etc/systemd/system/{AGENT}.service.d/test.conf")
    drop_in.parent.mkdir()
    for settings, example, status, expected in (
        ("EXECUTOR=cuda", "jit.conf", 0, "was seen to compile kernels without it"),
        ("SERVE__COMMANDS=true", "commands.conf", 1, "memory_write_execute_denied"),
    ):
        drop_in.write_text(f"[Service]\nEnvironment=ATTESTATION_AGENT__{settings}\n")
        systemctl("daemon-reload")
        systemctl("start", f"{AGENT}-check", status=status)
        told = journal(f"{AGENT}-check")
        assert expected in told, told
        # The drop-in of the examples lifts exactly that, where its text says to install it: with the agent, not with the check.
        example = f"/usr/share/doc/{AGENT}/examples/{example}"
        run("install", "-D", "-m", "0644", example, f"{drop_in.parent}/lifted.conf")
        systemctl("daemon-reload")
        start(f"{AGENT}-check")
        assert "ok       executable_memory: allowed" in journal(f"{AGENT}-check"), told
        run("rm", f"{drop_in.parent}/lifted.conf")
    run("rm", "-r", str(drop_in.parent))
    systemctl("daemon-reload")
    # Outside of the unit it says that it is not about the service.
    outside = run(AGENT, "install-check", "--config", f"/etc/{AGENT}/config.toml", status=1)
    assert "unknown  sandbox" in outside, outside


def check_metrics():
    """Figures for node_exporter, by the commands of the page; a folder that is not given to the agent is told."""
    folder = Path("/var/lib/prometheus/node-exporter")
    # As Debian's package makes it.
    folder.mkdir(parents=True)
    wanted = commands("observability.md", "metrics.conf")
    shell(f"{wanted[0]} && {wanted[1]} && {wanted[3]} && systemctl daemon-reload")
    systemctl("start", f"{AGENT}-check", status=1)
    told = journal(f"{AGENT}-check")
    assert "problem  metrics_file" in told and "Permission denied" in told, told
    shell("\n".join(wanted))
    # It was started often within seconds, which nobody else does.
    systemctl("reset-failed", f"{AGENT}-check")
    start(f"{AGENT}-check")
    assert f"ok       metrics_file: {folder}" in journal(f"{AGENT}-check"), journal(f"{AGENT}-check")
    file = folder / "attestation-agent.prom"
    until("the file of figures", lambda: file.exists() and "pogw_agent_build_info" in file.read_text(), 30)
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    # Read by another account, such as node_exporter's, and written anew by the account of the next start.
    run("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "cat", str(file))
    first = file.stat().st_ino
    systemctl("restart", AGENT)
    until("the next file", lambda: file.stat().st_ino != first, 30)
    assert "figures are not written" not in journal(AGENT), journal(AGENT)


def run_job(operator, provider):
    """A job from a tenant's terms to a receipt that a stranger validates."""
    books = ["jobs:read", "jobs:write", "books:read"]
    tenant, tenant_key = party(operator, "tenant", books)
    _, market_key = party(operator, "marketplace", [*books, "books:write"])
    for who in (tenant, provider):
        money = {"amount": 1_000_000, "currency": "EUR"}
        request("/v1/deposits", {"party": who, "money": money, "reference": f"in-{who}"}, market_key)
    job = request("/v1/jobs", json.loads(Path("/mnt/job.json").read_text()), tenant_key)["id"]
    read = lambda: request(f"/v1/jobs/{job}", bearer=tenant_key)["status"]
    until("the job", lambda: read() in ("accepted", "settled", "failed"))
    assert read() != "failed", request(f"/v1/jobs/{job}", bearer=tenant_key)
    receipts = request(f"/v1/jobs/{job}/receipts", bearer=tenant_key)["receipts"]
    Path("/tmp/receipt.jwt").write_text(receipts[0]["receipt"])
    with urllib.request.urlopen(f"{URL}/.well-known/jwks.json", timeout=20) as keys:
        Path("/tmp/jwks.json").write_bytes(keys.read())
    verified = run("pogw", "receipt", "verify", "/tmp/receipt.jwt", "--jwks", "/tmp/jwks.json", "--audience", AUDIENCE, "--danger-accept-a0")
    assert "A0" in verified, verified


def check_watchdog():
    """An agent that stands still is ended by the watchdog and started again."""
    drop_in = Path(f"/run/systemd/system/{AGENT}.service.d/test.conf")
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text("[Service]\nWatchdogSec=2s\nRestartSec=0\n")
    systemctl("daemon-reload")
    systemctl("restart", AGENT)
    time.sleep(4)
    assert shown(AGENT, "NRestarts") == "0", "it was alive"
    pid = shown(AGENT, "MainPID")
    os.kill(int(pid), 19)
    again = lambda: shown(AGENT, "NRestarts") == "1" and shown(AGENT, "ActiveState") == "active"
    until("another start", again, 20)
    assert shown(AGENT, "MainPID") != pid
    run("rm", "-r", str(drop_in.parent))
    systemctl("daemon-reload")


def keys(*words, status=0):
    return run("pogw-verifier-run", "keys", *words, status=status)


def check_keys():
    """Keys are listed, rotated and retired as the README says, beside the running service, which is none the worse."""
    state, own = Path(f"/var/lib/private/{VERIFIER}"), Path(f"/run/{VERIFIER}")
    drop_in = Path(f"/etc/systemd/system/{VERIFIER}.service.d/test.conf")
    drop_in.parent.mkdir()
    # What only the drop-ins, the credentials and /etc/default say counts here too.
    (Path("/etc") / VERIFIER / "handed.pk8").write_bytes(
        subprocess.run("openssl genpkey -algorithm ed25519 -outform DER", shell=True, check=True, capture_output=True).stdout
    )
    drop_in.write_text(f"[Service]\nLoadCredential=handed:/etc/{VERIFIER}/handed.pk8\n")
    credential = f"/run/credentials/{VERIFIER}.service/handed"
    (SETTINGS[VERIFIER] / "30-keys.toml").write_text(f'[keys]\nfiles = ["{credential}"]\n')
    default = Path(f"/etc/default/{VERIFIER}")
    before = default.read_text()
    default.write_text(before + "POGW_VERIFIER__SIGNING_ALGORITHM=ES256\n")
    systemctl("daemon-reload")
    systemctl("restart", VERIFIER)
    pid, modes = shown(VERIFIER, "MainPID"), [path.stat().st_mode for path in (state, own)]
    listed = lambda: json.loads(keys("list", "--json"))
    signs = lambda: [key["kid"] for key in listed() if key["signs"]]
    assert credential in [key["place"] for key in listed()], listed()
    first = signs()
    assert len(first) == 1, listed()
    assert "the only one that may sign" in keys("retire", first[0], status=1)
    keys("retire", "$(reboot)", status=2)
    assert "(ES256) signs from" in keys("rotate", "--at-once")
    until("the new key", lambda: len(signs()) == 1 and signs() != first, 30)
    assert "signs until" in keys("retire", first[0])
    until("its end", lambda: [key["stage"] for key in listed() if key["kid"] in first] == ["retired"], 30)
    with urllib.request.urlopen(f"{URL}/.well-known/jwks.json", timeout=20) as answer:
        assert set(first + signs()) <= {key["kid"] for key in json.load(answer)["keys"]}
    check_audit(first[0])
    # The same process with the same folders, and it starts again.
    assert shown(VERIFIER, "MainPID") == pid and [path.stat().st_mode for path in (state, own)] == modes
    assert run("systemctl", "list-units", "--all", "--plain", "--no-legend", f"{VERIFIER}-run*") == ""
    systemctl("restart", VERIFIER)
    assert request("/readyz")["status"] == "ready"
    # Keys that cannot be used are the operator's to mend: nothing is tried again, as each try with a wrong PIN would cost one.
    (SETTINGS[VERIFIER] / "30-keys.toml").write_text('[keys]\nfiles = ["/nowhere.pk8"]\n')
    systemctl("restart", VERIFIER, status=1)
    time.sleep(6)
    assert shown(VERIFIER, "ActiveState") == "failed" and shown(VERIFIER, "NRestarts") == "0"
    (SETTINGS[VERIFIER] / "30-keys.toml").unlink()
    run("rm", "-r", str(drop_in.parent))
    default.write_text(before)
    systemctl("daemon-reload")
    systemctl("reset-failed", VERIFIER)
    systemctl("start", VERIFIER)


def check_audit(retired):
    """The packaged operator's way to the audit log, by the commands of the page."""
    *_, verify, export, settings = commands("packaging.md", "pogw-verifier-run audit")
    head = shell(verify).strip()
    assert re.fullmatch(r"[0-9]+:[0-9a-f]{64}", head), head
    shell(export)
    entries = [json.loads(line) for line in (DESK / "audit.jsonl").read_text().splitlines()]
    assert len(entries) == int(head.split(":")[0]) and entries[-1]["digest"] == head.split(":")[1]
    # By the account of the service, about the database of the service.
    assert any(entry["actor"]["kind"] == "cli" for entry in entries), entries
    assert any(entry["action"] == "signing_key.retire" and retired in json.dumps(entry) for entry in entries), entries
    assert run("pogw-verifier-run", "audit", "verify", "--head", head).strip() == head
    wrong = head[:-4] + ("0000" if head[-4:] != "0000" else "1111")
    run("pogw-verifier-run", "audit", "verify", "--head", wrong, status=1)
    shell(settings)
    run("pogw-verifier-run", "serve", status=2)


def check_restore():
    """A backup is taken beside the running service and restored, by the commands of the page."""
    state = Path(f"/var/lib/private/{VERIFIER}")
    head = run("pogw-verifier-run", "audit", "verify").strip()
    shell("\n".join(commands("operations.md", f"cp -a {state}/keys")))
    assert stat.S_IMODE((DESK / "verifier.backup").stat().st_mode) == 0o600
    owners = lambda: {path.stat().st_uid for path in (state, *state.rglob("*"))}
    account = owners()
    assert len(account) == 1, account

    def is_restored():
        assert shown(VERIFIER, "ActiveState") == "active" and request("/readyz")["status"] == "ready"
        assert owners() == account and Path(f"/var/lib/{VERIFIER}").resolve() == state
        run("pogw-verifier-run", "audit", "verify", "--head", head)

    shell("\n".join(commands("operations.md", f"{VERIFIER}.before")))
    is_restored()
    run("rm", "-r", f"/root/{VERIFIER}.before")
    # Into the folder that is there: refused while it is root's, and good once it is the account's.
    systemctl("stop", VERIFIER)
    shell(f"rm -r {state}/* && cp -a keys.backup {state}/keys && install -m 0600 verifier.backup {state}/verifier.sqlite")
    systemctl("start", VERIFIER, status=1)
    assert f"verifier.sqlite must be uid {account.pop()}, got uid 0" in journal(VERIFIER), journal(VERIFIER)[-3000:]
    systemctl("stop", VERIFIER)
    systemctl("reset-failed", VERIFIER)
    (given,) = re.findall(r"^`(chown -R --reference=.*)`$", Path("/mnt/operations.md").read_text(), re.M)
    shell(given)
    start(VERIFIER)
    account = owners()
    is_restored()


def check_operator_token(former):
    """Another operator token, by the commands of the page; the former one is nobody's."""
    shell("\n".join(commands("operations.md", f"/etc/{VERIFIER}/operator-token")))
    file = Path(f"/etc/{VERIFIER}/operator-token")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    token = file.read_text().strip()
    assert "parties" in request("/v1/parties", bearer=token)
    try:
        request("/v1/parties", bearer=former)
        sys.exit("the former operator token counts")
    except urllib.error.HTTPError as refused:
        assert refused.code == 401, refused
    return token


def check_token(operator, provider):
    """Keys in a token of SoftHSM2 under the unit, by the commands of the page; what each line of the drop-in is for."""
    (DESK / "pin").write_text("98765432\n")
    (DESK / "so-pin").write_text("1234567890\n")
    # The first installs what was fetched.
    _, made, given, pin, settings, installed, restart, rotate = commands("packaging.md", "softhsm2-util")
    for command in (made, given, pin, settings):
        shell(command)
    drop_in = Path(f"/etc/systemd/system/{VERIFIER}.service.d/pkcs11.conf")
    drop_in.parent.mkdir()
    shipped = Path(f"/usr/share/doc/{VERIFIER}/examples/pkcs11.conf").read_text()

    def without(line):
        assert len(re.findall(f"^{line}", shipped, re.M)) == 1, line
        drop_in.write_text(re.sub(f"^{line}.*\n", "", shipped, flags=re.M))
        systemctl("daemon-reload")

    for line, told in (("LoadCredential=", "/token-pin"), ("SupplementaryGroups=softhsm", "Function::Initialize")):
        without(line)
        systemctl("restart", VERIFIER, status=1)
        assert told in journal(VERIFIER), journal(VERIFIER)[-3000:]
        systemctl("stop", VERIFIER)
        systemctl("reset-failed", VERIFIER)
    without("ReadWritePaths=/var/lib/softhsm")
    start(VERIFIER)
    assert "GenerateKeyPair" in keys("rotate", status=1)
    for command in (installed, restart, rotate):
        shell(command)
    assert drop_in.read_text() == shipped
    listed = lambda: json.loads(keys("list", "--json"))
    in_token = lambda: [key for key in listed() if (key["place"] or "").startswith("token pogw")]
    assert [key["stage"] for key in in_token()] in (["added"], ["announced"]), listed()
    # One that signs at once, and a receipt that is signed in the token.
    keys("rotate", "--at-once")
    signs = until("a key of the token that signs", lambda: [key["kid"] for key in in_token() if key["signs"]], 30)
    run_job(operator, provider)
    header = Path("/tmp/receipt.jwt").read_text().split(".")[0]
    assert [json.loads(base64.urlsafe_b64decode(header + "=="))["kid"]] == signs


def check_token_device():
    """What the drop-in says about a token's device, with a node of another kind: both lines are needed."""
    shipped = Path(f"/usr/share/doc/{VERIFIER}/examples/pkcs11.conf").read_text()
    lines = dict.fromkeys(re.findall(r"^#([A-Z]\w+=.*)$", shipped, re.M))
    assert list(lines)[:2] == ["PrivateDevices=no", "DeviceAllow=/dev/hsm0 rw"], lines
    # The kernel's log, which everybody may open to write who is let to the node.
    node, unit = Path("/dev/hsm0"), Path("/run/systemd/system/hsm.service")
    os.mknod(node, stat.S_IFCHR, os.makedev(1, 11))
    node.chmod(0o622)
    once = "[Service]\nType=oneshot\nNotifyAccess=none\nWatchdogSec=0\nRestart=no\nRuntimeDirectory=\nExecReload=\n"
    once += "ExecStart=\nExecStart=/bin/sh -c ': >/dev/hsm0'\n"
    for taken, status in ((0, 1), (1, 1), (len(lines), 0)):
        unit.write_text(systemctl("cat", VERIFIER) + once + "".join(f"{line}\n" for line in list(lines)[:taken]))
        systemctl("daemon-reload")
        systemctl("start", "hsm", status=status)
    unit.unlink()
    node.unlink()
    systemctl("daemon-reload")


def certificate(name):
    """A fresh certificate in the folder of the package; its serial number."""
    folder = Path(f"/etc/{VERIFIER}/tls")
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
        "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost",
        "-keyout", f"{folder}/key.new", "-out", f"{folder}/cert.new")  # fmt: skip
    run("chown", f"root:{VERIFIER}-tls", f"{folder}/key.new")
    run("chmod", "0640", f"{folder}/key.new")
    for part in ("key", "cert"):
        os.rename(folder / f"{part}.new", folder / f"{part}.pem")
    return (folder / "cert.pem").read_text()


def check_tls():
    """TLS of the service's own, its certificate changed by `systemctl reload`, and a bad one not taken."""
    folder = f"/etc/{VERIFIER}/tls"
    first = certificate("first")
    drop_in = SETTINGS[VERIFIER] / "20-tls.toml"
    drop_in.write_text(f'[http.tls]\ncertificate = "{folder}/cert.pem"\nkey = "{folder}/key.pem"\n')
    systemctl("restart", VERIFIER)
    served = lambda: ssl.get_server_certificate(("127.0.0.1", 8477))
    assert served() == first
    pid, second = shown(VERIFIER, "MainPID"), certificate("second")
    systemctl("reload", VERIFIER)
    until("the new certificate", lambda: served() == second, 3)
    Path(folder, "cert.pem").write_text("no certificate")
    systemctl("reload", VERIFIER)
    until("the complaint", lambda: "the old ones go on" in journal(VERIFIER), 5)
    assert served() == second and shown(VERIFIER, "MainPID") == pid
    assert shown(VERIFIER, "ActiveState") == "active"
    drop_in.unlink()
    systemctl("restart", VERIFIER)


def digest(path):
    return run("sha256sum", path).split()[0]


def check_upgrade():
    """An upgrade keeps settings and state, and starts what ran again."""
    folder = Path(f"/etc/{VERIFIER}/tls")
    folder.chmod(0o710)
    private = Path(f"/var/lib/private/{VERIFIER}/keys")
    kept = [f"/var/lib/private/{AGENT}/agent-key.der"]
    kept += [str(path) for path in private.glob("signing-*.pk8")]
    assert len(kept) == 3, "two signing keys"
    kept += [str(path) for name in (AGENT, VERIFIER) for path in SETTINGS[name].glob("*.toml")]
    own = Path(f"/etc/default/{AGENT}")
    own.write_text(own.read_text() + "RUST_LOG=info\n")
    for name in (AGENT, VERIFIER):
        assert "older version" in Path(f"/etc/{name}/config.toml").read_text() and "older version" in shown(name, "Description")
    signs = lambda: [key["kid"] for key in json.loads(keys("list", "--json")) if key["signs"]]
    before, signed = {path: digest(path) for path in kept}, signs()
    pids = {name: shown(name, "MainPID") for name in (AGENT, VERIFIER)}
    install("new")
    for name in (AGENT, VERIFIER):
        until(f"{name} again", lambda: shown(name, "ActiveState") == "active", 30)
        assert shown(name, "MainPID") not in ("0", pids[name]), name
    assert before == {path: digest(path) for path in kept} and signed == signs()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o710, "the folder's mode is the site's"
    assert own.read_text().endswith("RUST_LOG=info\n"), "a changed file of settings stays"
    for name in (AGENT, VERIFIER):
        # What the older version had is gone (see `run`).
        assert "older version" not in Path(f"/etc/{name}/config.toml").read_text(), "an unchanged file of settings is the new one"
        assert "older version" not in shown(name, "Description"), "the unit is the new one"
    until("the agent", lambda: f"serving {URL}" in shown(AGENT, "StatusText"))


def check_removal():
    """Removing keeps settings and state; purging leaves nothing."""
    run("apt-get", "remove", "-y", AGENT, VERIFIER)
    for name in (AGENT, VERIFIER):
        assert not Path(f"/lib/systemd/system/{name}.service").exists()
        assert Path(f"/var/lib/private/{name}").is_dir() and (SETTINGS[name] / "10-site.toml").exists()
    run("apt-get", "purge", "-y", AGENT, VERIFIER, COMMAND)
    left = [path for name in (AGENT, VERIFIER) for of in ("/etc", "/etc/default", "/var/lib", "/var/lib/private",
            "/var/cache", "/var/cache/private", "/run", "/usr/share/doc", "/etc/systemd/system") for path in glob.glob(f"{of}/{name}*")]  # fmt: skip
    assert left == [], left


def main():
    say("apt install: nothing runs before it is configured; units are good")
    DESK.mkdir()
    install("old")
    check_units()
    check_pages()
    check_without_gpu()
    check_without_settings()
    say("the verifier starts, with its operator token as a credential")
    operator = serve_verifier()
    say("the agent starts with one line of configuration, and enrols with its credential")
    provider, _ = serve_agent(operator)
    check_sandbox()
    say("install-check in the sandbox")
    check_install_check()
    say("figures for node_exporter")
    check_metrics()
    say("a job, from terms to a receipt that validates")
    run_job(operator, provider)
    say("the watchdog")
    check_watchdog()
    say("signing keys, listed, rotated and retired")
    check_keys()
    if DEBIAN:
        shell(f"dpkg -i {' '.join(DEBIAN)}")
    if DEBIAN is None:
        say("NOT tried: a backup that is restored by sqlite3")
    else:
        say("a backup, and what is restored from it")
        check_restore()
    say("another operator token")
    operator = check_operator_token(operator)
    say("TLS, and a reload under way")
    check_tls()
    if DEBIAN is None:
        say("NOT tried: keys in a token of SoftHSM2")
    else:
        say("keys in a token, under the unit's restrictions")
        check_token(operator, provider)
    say("the device of a token, by a node of another kind")
    check_token_device()
    say("upgrade, removal, purge")
    check_upgrade()
    check_removal()
    print("packages: all good")


main()
