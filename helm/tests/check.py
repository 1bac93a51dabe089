"""Checks the chart, called by helm/check, which has the tools.

Every step prints what it does; the first that fails ends with 1. What is looked for in renders is in
expectations.py, what must be refused in cases.yaml.
"""

import argparse
import copy
import difflib
import functools
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import kubernetes_validate
import kubernetes_validate.utils
import yaml

import configurations
import documentation
import expectations
from expectations import Unmet

HELM = Path(__file__).resolve().parent.parent
CHART = HELM / "crmscope"
KUBERNETES = ["1.35", "1.36", "1.37"]
RELEASE = ["crm", "--namespace", "crm", "--kube-version", f"{KUBERNETES[-1]}.0"]
# Groups that Kubernetes itself has; objects of operators have no schema here.
OWN_GROUP = re.compile(r"^(v1|(apps|batch|policy|autoscaling|networking\.k8s\.io)/v\d)$")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
STARTED = time.monotonic()


def parsed(text):
    return [item for item in yaml.load_all(text, Loader=LOADER) if item]


def step(text):
    print(f"\n=== {text} ({time.monotonic() - STARTED:.0f} s)", flush=True)


def fail(text):
    print(f"helm/check: {text}", file=sys.stderr)
    sys.exit(1)


def run(command, **more):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **more)


def template(helm, chart, files, release=RELEASE):
    command = [helm, "template", *release[:1], chart, *release[1:]]
    for file in files:
        command += ["--values", file]
    done = run(command)
    # Helm 4 leaves an empty line behind each object.
    done.stdout = re.sub(r"\n{2,}(---\n|$)", r"\n\1", done.stdout)
    return done


def merged(base, over):
    """As Helm puts values over others: maps are merged. A null takes a key away, here or of the chart's."""
    result = copy.deepcopy(base)
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        elif value is None and key in result:
            del result[key]
        else:
            result[key] = copy.deepcopy(value)
    return result


def without_dashboards(text):
    """A golden file has the digest of a dashboard, whose text is in dashboards/."""

    def digest(match):
        data = json.loads(match[2]).encode()
        return f"{match[1]}sha256 {hashlib.sha256(data).hexdigest()}, {len(data)} bytes"

    return re.sub(r'^(  crmscope-[a-z]+\.json: )(".*")$', digest, text, flags=re.M)


def at_once(function, items):
    """As many at a time as there are processors: Helm is another process."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(function, items))


def lint_and_render(helms, files):
    """Renders of the first Helm, by name; the others must give the same."""

    def one(pair):
        helm, file = pair
        linted = run([helm, "lint", "--strict", CHART, "--values", file, *RELEASE[3:]])
        if linted.returncode:
            raise Unmet(f"{helm.name} lint {file.name}:\n{linted.stdout}{linted.stderr}")
        rendered = template(helm, CHART, [file])
        if rendered.returncode or rendered.stderr:
            raise Unmet(f"{helm.name} template {file.name}:\n{rendered.stderr}")
        return rendered.stdout

    renders = {}
    for helm in helms:
        step(f"{helm.name}: lint --strict and template, {len(files)} files of values")
        for file, text in zip(files, at_once(one, [(helm, file) for file in files])):
            name = file.name.removesuffix("-values.yaml")
            if renders.setdefault(name, text) != text:
                fail(f"{helm.name} renders {file.name} unlike {helms[0].name}:\n" + difference(renders[name], text))
    return renders


def difference(old, new):
    return "".join(difflib.unified_diff(old.splitlines(True), new.splitlines(True), "golden", "render"))


def golden(renders, update):
    step("golden files" + (", written anew" if update else ""))
    folder = CHART / "golden"
    folder.mkdir(exist_ok=True)
    for stale in folder.glob("*.yaml"):
        if stale.stem not in renders:
            if not update:
                fail(f"{stale} belongs to no file of values: helm/check --update")
            stale.unlink()
    for name, text in renders.items():
        text = without_dashboards(text)
        file = folder / f"{name}.yaml"
        if update:
            file.write_text(text)
        elif not file.exists() or file.read_text() != text:
            old = file.read_text() if file.exists() else ""
            fail(f"{file.name} is not what the chart renders; if that is right: helm/check --update\n" + difference(old, text))


def distinct(objects):
    """Objects of Kubernetes itself, each once, with the render that has it first."""
    found = {}
    for name, items in objects.items():
        for item in items:
            if OWN_GROUP.match(item["apiVersion"]):
                found.setdefault(json.dumps(item, sort_keys=True), (name, item))
    return list(found.values())


def validate(objects, own):
    step(f"kubernetes-validate --strict, Kubernetes {', '.join(KUBERNETES)}")
    # It reads the definitions of a version anew for every object.
    kubernetes_validate.utils.schema_contents = functools.cache(kubernetes_validate.utils.schema_contents)
    for version in KUBERNETES:
        for name, item in own:
            try:
                # Where it has no schemas of a version it takes those before, and tells.
                used = kubernetes_validate.validate(item, version, strict=True)
                if used != version:
                    fail(f"kubernetes-validate has no schemas of {version}: it took {used}")
            except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
                fail(f"{name}, {item['kind']} {item['metadata']['name']}, Kubernetes {version}: {error}")
    others = sorted({f"{i['apiVersion']} {i['kind']}" for items in objects.values() for i in items if not OWN_GROUP.match(i["apiVersion"])})
    print(f"{len(own)} different objects, each good in {len(KUBERNETES)} versions; without a schema here: {', '.join(others)}")


def checkov(python, own):
    step("checkov")
    with tempfile.TemporaryDirectory() as scratch:
        by_name = {}
        for name, item in own:
            if not item["metadata"]["name"].endswith("-dashboard"):
                by_name.setdefault(name, []).append(item)
        for name, items in by_name.items():
            (Path(scratch) / f"{name}.yaml").write_text(yaml.safe_dump_all(items))
        command = [python, "-P", "-m", "checkov.main", "--directory", scratch, "--config-file", CHART / ".checkov.yaml", "--output", "json"]
        done = run(command)
    try:
        report = json.loads(done.stdout)
    except ValueError:
        fail(f"checkov told nothing:\n{done.stdout}{done.stderr}")
    failed = report["results"]["failed_checks"]
    for finding in failed:
        print(f"{finding['check_id']} {finding['check_name']}: {finding['file_path']} {finding['resource']}")
    if failed or done.returncode:
        fail("checkov found what is above: mend it, or give a reason in .checkov.yaml or in an annotation")
    summary = report["summary"]
    print(f"{summary['passed']} passed, {summary['skipped']} left out with a reason, in {summary['resource_count']} objects")


def refusals(helms):
    cases = yaml.safe_load((HELM / "tests" / "cases.yaml").read_text())
    step(f"what is refused: {len(cases['contradictions'])} contradictions, {len(cases['schema'])} by the schema")
    told = {"contradictions": "these values cannot be used", "schema": "don't meet the specifications of the schema"}
    asked = []
    for kind, key in (("contradictions", "message"), ("schema", "at")):
        for number, case in enumerate(cases[kind]):
            # Contradictions by each Helm in turn, as the chart tells them; Helm itself reads the schema.
            for helm in helms if kind == "schema" else [helms[number % len(helms)]]:
                asked.append((helm, case, (told[kind], case[key])))

    def one(question):
        helm, case, wants = question
        base = CHART / "ci" / f"{case.get('base', 'external')}-values.yaml"
        values = merged(yaml.safe_load(base.read_text()), case["values"])
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(yaml.safe_dump(values))
            file.flush()
            done = template(helm, CHART, [file.name])
        if not done.returncode or not all(want in done.stderr for want in wants):
            raise Unmet(f"{helm.name}: {case['values']} must be refused with {wants}, and was told:\n{done.stderr or 'nothing'}")

    at_once(one, asked)


def examples(helm):
    """Values of the README render, over the least that has to be set; so does nothing with nothing set."""
    step("values of the README")
    base = yaml.safe_load((CHART / "ci" / "external-values.yaml").read_text())
    blocks = re.findall(r"```yaml\n(.*?)```", (CHART / "README.md").read_text(), re.S)
    values = [block for block in blocks if "apiVersion:" not in block]
    for block in values:
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(yaml.safe_dump(merged(base, yaml.safe_load(block))))
            file.flush()
            done = template(helm, CHART, [file.name])
        if done.returncode:
            fail(f"README.md has values that do not render:\n{block}{done.stderr}")
    bare = template(helm, CHART, [])
    for wants in ("clickhouse.url is empty", "there is no certificate", "nobody could sign in"):
        if wants not in bare.stderr:
            fail(f"with nothing set {wants!r} must be told, and this was:\n{bare.stderr}")
    print(f"{len(values)} of {len(blocks)} blocks are values, and render")


def package(helm, renders):
    step("package, and the chart below another")
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        done = run([helm, "package", CHART, "--destination", scratch])
        if done.returncode:
            fail(done.stderr)
        archive = next(scratch.glob("crmscope-*.tgz"))
        names = run(["tar", "tzf", archive]).stdout.split()
        for name in names:
            if re.search(r"/(ci|golden)/|checkov", name):
                fail(f"{name} is in the package: see .helmignore")
        parent = scratch / "parent"
        (parent / "charts").mkdir(parents=True)
        shutil.move(archive, parent / "charts")
        (parent / "Chart.yaml").write_text("apiVersion: v2\nname: parent\nversion: 1.0.0\ndependencies: [{name: crmscope, version: '*', condition: crmscope.enabled}]\n")
        values = yaml.safe_load((CHART / "ci" / "external-values.yaml").read_text())
        (parent / "values.yaml").write_text(yaml.safe_dump({"crmscope": values, "global": {"region": "emea"}}))
        done = template(helm, parent, [])
        ours = [parsed(text) for text in (done.stdout, renders["external"])]
        if done.returncode or ours[0] != ours[1]:
            fail(f"below another chart it renders otherwise:\n{done.stderr}")
        long = template(helm, CHART, [CHART / "ci" / "strimzi-split-keda-values.yaml"], ["r" * 53, *RELEASE[1:]])
        expectations.names(parsed(long.stdout), "a release with a long name")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--tools", type=Path, required=True)
    arguments.add_argument("--helm", action="append", required=True)
    arguments.add_argument("--brief", action="store_true", help="without checkov")
    arguments.add_argument("--binaries", type=Path, required=True)
    arguments.add_argument("--update", action="store_true")
    given = arguments.parse_args()
    helms = [given.tools / "bin" / f"helm-{version}" for version in given.helm]
    files = sorted((CHART / "ci").glob("*-values.yaml"))

    step("documentation, schema, dashboards and metrics")
    documentation.check(CHART, HELM.parent, given.update)
    renders = lint_and_render(helms, files)
    golden(renders, given.update)
    objects = {name: parsed(text) for name, text in renders.items()}
    step("what must hold in every render")
    for name, items in objects.items():
        expectations.check(items, name)
    expectations.alerts(objects["monitoring"], HELM.parent)
    expectations.size(CHART, renders)
    step("configurations, by the programs themselves")
    configurations.check(objects, given.binaries)
    refusals(helms)
    examples(helms[-1])
    package(helms[-1], renders)
    own = distinct(objects)
    validate(objects, own)
    if not given.brief:
        checkov(given.tools / "python" / "bin" / "python", own)
    step("done")


try:
    main()
except Unmet as unmet:
    fail(str(unmet))
