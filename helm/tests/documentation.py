"""The README's table, the schema and the dashboards are what values.yaml and deploy/grafana say."""

import json
import re

import yaml

from expectations import Unmet, need

BEGIN, END = "<!-- values: helm/check --update writes this -->\n", "<!-- end of values -->\n"


def check(chart, root, update):
    values = yaml.safe_load((chart / "values.yaml").read_text())
    described = descriptions((chart / "values.yaml").read_text())
    lines = table(values, described)
    readme(chart / "README.md", "".join(lines), update)
    schema(values, json.loads((chart / "values.schema.json").read_text()))
    dashboards(root / "deploy" / "grafana" / "dashboards", chart / "dashboards")
    version(chart, root)
    print(f"{len(lines) - 2} values, each with a line in README.md and a place in the schema")


def descriptions(text):
    """The comment above each key, by its path."""
    found, above, path = {}, [], []
    for line in text.splitlines():
        comment = re.match(r"^ *# (.*)$", line)
        key = re.match(r"^( *)([A-Za-z]\w*):", line)
        if comment:
            above.append(comment[1])
            continue
        if key:
            depth = len(key[1])
            path = [part for part in path if part[0] < depth] + [(depth, key[2])]
            if above:
                found[".".join(name for _, name in path)] = " ".join(above)
        above = []
    return found


def leaves(values, described, path=()):
    """Keys with what is written as one value: what has a comment and no commented keys below it."""
    for key, value in values.items():
        here = ".".join((*path, key))
        below = any(name.startswith(f"{here}.") for name in described)
        if isinstance(value, dict) and below:
            yield from leaves(value, described, (*path, key))
        else:
            yield here, value


def table(values, described):
    lines = ["| Value | Default | What it is |\n", "|---|---|---|\n"]
    for path, value in leaves(values, described):
        need(path in described, f"values.yaml: {path} has no comment")
        default = json.dumps(value, ensure_ascii=False)
        what = described[path].replace("|", "\\|")
        lines.append(f"| `{path}` | `{default}` | {what} |\n")
    return lines


def readme(file, text, update):
    old = file.read_text()
    need(BEGIN in old and END in old, f"{file} has no place for the values")
    head, rest = old.split(BEGIN)
    new = head + BEGIN + text + END + rest.split(END)[1]
    if update:
        file.write_text(new)
    elif new != old:
        raise Unmet(f"{file}: the table is not what values.yaml says: helm/check --update")
    # Files of values that the text names are there, and so are the values that it sets.
    for name in re.findall(r"\(ci/([\w-]+\.yaml)\)", old):
        need((file.parent / "ci" / name).exists(), f"{file} names ci/{name}, which is not there")


def schema(values, given, path=""):
    """The same keys, and nothing else is allowed wherever there are keys."""
    properties = given.get("properties")
    if not isinstance(values, dict) or properties is None:
        return
    optional = not values
    need(given.get("additionalProperties") is False, f"values.schema.json: {path or 'the root'} takes unknown values")
    extra = {"global"} if not path else set()
    need(optional or set(properties) - extra == set(values), f"values.schema.json: {path or 'the root'} differs in {sorted(set(properties) ^ set(values) ^ extra)}")
    for key, value in values.items():
        schema(value, properties[key], f"{path}.{key}".lstrip("."))


def dashboards(source, copies):
    names = {file.name for file in source.glob("*.json")}
    need(names == {file.name for file in copies.iterdir()}, f"{copies} has other files than {source}")
    for name in names:
        need((source / name).read_bytes() == (copies / name).read_bytes(), f"{copies / name} is not {source / name}: copy it")
        need((source / name).stat().st_size < 900_000, f"{name} is too large for a ConfigMap")


def version(chart, root):
    """The chart names the version that the workspace has."""
    told = yaml.safe_load((chart / "Chart.yaml").read_text())["appVersion"]
    package = re.search(r'^\[workspace\.package\][^\[]*?^version = "([^"]+)"', (root / "Cargo.toml").read_text(), re.M | re.S)
    need(package and package[1] == told, f"Chart.yaml has appVersion {told}, Cargo.toml {package and package[1]}")
