"""Asks crmscope-collector and crmscope-agent whether they take what the chart gives them.

Secrets are stand-ins below a directory of its own. While a program does not know the sections of TLS,
they are left out of what it is asked, and a line says so; once it knows them nothing is left out.
"""

import os
import re
import subprocess
import tempfile
import tomllib
from pathlib import Path

from expectations import Unmet

ROOT = "/etc/crmscope/"
# Sections of TLS, and keys that came with them.
TLS = re.compile(r"^\[(ingest\.tls|ingest\.authority|web\.tls|identity|clickhouse\.tls)\]\n(?:[^\[\n].*\n|\n)*", re.M)
# A program names a section that it does not know, or a key in it; of a section that it knows, a key nearby.
UNKNOWN = re.compile(
    r"unknown key `((ingest\.tls|ingest\.authority|web\.tls|clickhouse\.tls|identity)(?:\.\w+)?"
    r"|(?:clickhouse|kafka)\.allow_plaintext)`(?!; did you mean `\2)"
)
# What programs that do not know them want in place of TLS.
PLAIN = {
    "CRMSCOPE_COLLECTOR__CLICKHOUSE__URL": "http://127.0.0.1:8123",
    "CRMSCOPE_AGENT__COLLECTOR__ENDPOINT": "http://127.0.0.1:7070",
    "CRMSCOPE_COLLECTOR__INGEST__ALLOW_PLAINTEXT": "true",
    "CRMSCOPE_COLLECTOR__WEB__ALLOW_PLAINTEXT": "true",
}


def certificate(directory):
    """A certificate and its key, of an authority that signs itself."""
    files = [str(directory / name) for name in ("stand-in.crt", "stand-in.key")]
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=stand-in", "-addext", "subjectAltName=DNS:localhost", "-out", files[0], "-keyout", files[1]]
    subprocess.run(command, check=True, capture_output=True)
    return {".crt": Path(files[0]).read_text(), ".key": Path(files[1]).read_text()}


def stand_ins(text, directory, pair):
    """Files and directories that a configuration names, as they would be mounted."""
    for name in set(re.findall(r'"/etc/crmscope/([^"]+)"', text)):
        path = directory / name
        if name.startswith("secrets/"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(pair.get(path.suffix, "stand-in-of-a-secret-0123456789\n"))
        elif path.suffix:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        else:
            path.mkdir(parents=True, exist_ok=True)
    return text.replace(ROOT, f"{directory}/")


def ask(program, text, directory, environment, words=("validate",)):
    file = directory / "config.toml"
    file.write_text(text)
    command = [program, "--config", file, *words]
    clean = {key: value for key, value in os.environ.items() if not key.startswith("CRMSCOPE_")}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=clean | environment)


def settings_of_agents(texts):
    """Names of the files that the collectors' configurations give to agents."""
    sections = [tomllib.loads(text).get("agent_settings", {}) for text in texts]
    return {Path(one["file"]).name for section in sections for one in section.get("sets", [])}


def check_settings(program, text, directory, place):
    """Settings of agents are not a configuration: the collector checks them by themselves."""
    (directory / "set.toml").write_text(text)
    config = f'[[agent_settings.sets]]\nname = "asked"\nfile = "{directory}/set.toml"\n'
    done = ask(program, config, directory, {}, ("settings", "check"))
    if done.returncode:
        raise Unmet(f"{place} is refused:\n{done.stdout}{done.stderr}\n{text}")


def check(objects, binaries):
    """Each *.toml of each ConfigMap."""
    programs = {kind: binaries / f"crmscope-{kind}" for kind in ("collector", "agent")}
    missing = [str(path) for path in programs.values() if not path.exists()]
    if missing:
        if os.environ.get("CI"):
            raise Unmet(f"{', '.join(missing)} is missing: build it, or set CRMSCOPE_BINARIES")
        print(f"left out: {', '.join(missing)} is missing; build it, or set CRMSCOPE_BINARIES")
        return
    seen, waiting = {}, {}
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        pair = certificate(directory)
        for name, items in objects.items():
            maps = [item for item in items if item["kind"] == "ConfigMap"]
            files = [(item, key, text) for item in maps for key, text in item["data"].items() if key.endswith(".toml")]
            given = settings_of_agents(text for _, _, text in files)
            for item, key, text in files:
                if text not in seen:
                    seen[text] = name
                    place = f"{name}: {item['metadata']['name']}/{key}"
                    if key in given:
                        check_settings(programs["collector"], text, directory, place)
                        continue
                    told = one(programs, key, text, directory, pair, place)
                    if told:
                        waiting.setdefault(told, []).append(f"{name}/{key}")
    for told, places in waiting.items():
        print(f"TLS NOT CHECKED, as the program does not know it yet ({told}); the rest of these was: {', '.join(places)}")
    print(f"{len(seen)} different configurations are taken")


def one(programs, key, text, directory, pair, place):
    """The unknown key, where that is all that was refused."""
    kind = "agent" if key == "agent.toml" else "collector"
    placed = stand_ins(text, directory, pair)
    done = ask(programs[kind], placed, directory, {})
    if done.returncode == 0:
        return None
    unknown = UNKNOWN.search(done.stderr)
    if not unknown:
        raise Unmet(f"{place} is refused:\n{done.stdout}{done.stderr}\n{text}")
    # Of allow_plaintext, only ClickHouse's and Kafka's are new.
    plain = re.sub(r"^(\[(?:clickhouse|kafka)\]\n)allow_plaintext = true\n", r"\1", TLS.sub("", placed + "\n"), flags=re.M)
    done = ask(programs[kind], plain, directory, PLAIN)
    if done.returncode:
        raise Unmet(f"{place}, without TLS, is refused:\n{done.stdout}{done.stderr}\n{plain}")
    return unknown[1]
