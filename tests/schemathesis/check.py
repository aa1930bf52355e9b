"""Starts a verifier with parties of every kind, has its document validated, and lets schemathesis loose on it."""

import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).parent
KINDS = {
    "tenant": ["jobs:read", "jobs:write", "books:read"],
    "provider": ["agents:read", "agents:write", "books:read"],
    "marketplace": ["jobs:read", "jobs:write", "books:read", "books:write"],
}


class Verifier:
    """A verifier in a folder of its own."""

    def __init__(self, program, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.state = folder / "state"
        settings = folder / "verifier.toml"
        settings.write_text(
            f'listen = "127.0.0.1:{port}"\nstate_dir = "{self.state}"\nissuer = "{self.url}"\n'
            'audience = ["https://market.example"]\nmax_open_challenges_per_agent = 100000\n'
            'log_level = "error"\n'
        )
        self.log = (folder / "log").open("wb")
        self.process = subprocess.Popen(
            [program, "serve", "--config", str(settings)], stdout=self.log, stderr=self.log
        )

    def wait(self):
        for _ in range(200):
            try:
                return self.ask("GET", "/readyz")
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.05)
        raise SystemExit("the verifier does not get ready")

    def ask(self, method, path, token=None, body=None):
        headers = {"content-type": "application/json"}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def parties(self):
        """An API key for each kind of party; the tenant has money."""
        operator = (self.state / "operator-token").read_text().strip()
        tokens, ids = {"OPERATOR": operator}, {}
        for kind, scopes in KINDS.items():
            party = self.ask("POST", "/v1/parties", operator, {"kind": kind, "name": kind})
            key = self.ask("POST", f"/v1/parties/{party['id']}/keys", operator, {"scopes": scopes})
            tokens[kind.upper()], ids[kind] = key["key"], party["id"]
        money = {"amount": 10**12, "currency": "EUR"}
        deposit = {"party": ids["tenant"], "money": money, "reference": "before"}
        self.ask("POST", "/v1/deposits", tokens["MARKETPLACE"], deposit)
        return tokens


# Several times what it takes on two busy cores.
LONGEST_S = 600


def main(program, tools):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        verifier = Verifier(program, folder)
        try:
            verifier.wait()
            document = folder / "openapi.json"
            document.write_bytes(urllib.request.urlopen(f"{verifier.url}/openapi.json").read())
            subprocess.run([f"{tools}/openapi-spec-validator", "--schema", "3.1", str(document)], check=True)
            environment = {**os.environ, **verifier.parties(), "SCHEMATHESIS_HOOKS": str(HERE / "hooks.py")}
            command = [f"{tools}/schemathesis", "--config-file", str(HERE / "schemathesis.toml"), "run"]
            command.append(f"{verifier.url}/openapi.json")
            try:
                checked = subprocess.run(command, cwd=folder, env=environment, timeout=LONGEST_S)
            except subprocess.TimeoutExpired:
                raise SystemExit(f"schemathesis took more than {LONGEST_S} s") from None
            if verifier.process.poll() is not None:
                raise SystemExit(f"the verifier ended: {(folder / 'log').read_text()}")
            return checked.returncode
        finally:
            verifier.process.terminate()
            verifier.process.wait()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
