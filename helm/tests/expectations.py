"""What holds in every render, whatever the values: parts that refer to each other do meet."""

import base64
import gzip
import json
import re

import tomllib

SECRETS = "/etc/crmscope/secrets/"
# Helm keeps a release in a Secret of at most this.
RELEASE_MAX_BYTES = 1 << 20


class Unmet(Exception):
    """An expectation that does not hold."""


def need(holds, text):
    if not holds:
        raise Unmet(text)


def of_kind(items, *kinds):
    return [item for item in items if item["kind"] in kinds]


def pods(items):
    """Name, labels and spec of each kind of pod."""
    found = []
    for item in of_kind(items, "Deployment", "StatefulSet", "DaemonSet", "Job"):
        template = item["spec"]["template"]
        claims = [{"name": claim["metadata"]["name"]} for claim in item["spec"].get("volumeClaimTemplates", [])]
        spec = {**template["spec"], "volumes": template["spec"]["volumes"] + claims}
        found.append((f"{item['kind']} {item['metadata']['name']}", template["metadata"]["labels"], spec))
    for item in of_kind(items, "Pod"):
        found.append((f"Pod {item['metadata']['name']}", item["metadata"]["labels"], item["spec"]))
    return found


def selects(selector, labels):
    return all(labels.get(key) == value for key, value in selector.items())


def check(items, name):
    """All of one render."""
    names(items, name)
    found = pods(items)
    for who, labels, spec in found:
        volumes(items, spec, f"{name}, {who}")
        confined(spec, labels, f"{name}, {who}")
    selectors(items, found, name)
    secrets(items, name)
    hooks(items, name)
    replicas(items, name)


def names(items, name):
    seen = set()
    for item in items:
        meta = item["metadata"]
        identity = (item["kind"], meta.get("namespace"), meta["name"])
        need(identity not in seen, f"{name}: {identity} is there twice")
        seen.add(identity)
        need(len(meta["name"]) <= 63, f"{name}: the name {meta['name']} is too long")
        for value in meta.get("labels", {}).values():
            need(len(value) <= 63, f"{name}: the label {value} is too long")


def volumes(items, spec, who):
    """Mounts have volumes, ConfigMaps their keys, and each file that a configuration names is mounted."""
    made = {volume["name"]: volume for volume in spec["volumes"]}
    files = {
        SECRETS + entry["path"]
        for source in made.get("secrets", {}).get("projected", {}).get("sources", [])
        for entry in source["secret"]["items"]
    }
    paths = [entry["path"] for source in made.get("secrets", {}).get("projected", {}).get("sources", []) for entry in source["secret"]["items"]]
    need(len(paths) == len(set(paths)), f"{who}: two secrets have one path: {paths}")
    config = made.get("config", {}).get("configMap")
    named = set()
    if config:
        data = next(i["data"] for i in of_kind(items, "ConfigMap") if i["metadata"]["name"] == config["name"])
        for key in [entry["key"] for entry in config.get("items", [])] or list(data):
            need(key in data, f"{who}: ConfigMap {config['name']} has no {key}")
            tomllib.loads(data[key])
            named |= set(re.findall(rf'"({SECRETS}[^"]+)"', data[key]))
    for container in spec["containers"]:
        mounts = [mount["name"] for mount in container.get("volumeMounts", [])]
        need(set(mounts) <= set(made), f"{who}: {mounts} without a volume, of {sorted(made)}")
        named |= set(re.findall(rf"{SECRETS}[\w.-]+", " ".join(container.get("args", []))))
    need(named == files, f"{who}: the configuration names {sorted(named)}, mounted are {sorted(files)}")


def confined(spec, labels, who):
    """Security contexts, and nothing secret in the environment."""
    is_agent = labels["app.kubernetes.io/component"] == "agent"
    need(spec["automountServiceAccountToken"] is False, f"{who} has a token of the API")
    context = spec["securityContext"]
    need(context["seccompProfile"]["type"] == "RuntimeDefault", f"{who}: seccomp")
    need(is_agent or (context["runAsNonRoot"] and context["runAsUser"] > 10000), f"{who} may be root")
    need(is_agent or not any("hostPath" in volume for volume in spec["volumes"]), f"{who} has files of the node")
    for container in spec["containers"]:
        own = container["securityContext"]
        need(own["capabilities"] == {"drop": ["ALL"]}, f"{who}: capabilities")
        need(own["readOnlyRootFilesystem"] and not own["allowPrivilegeEscalation"], f"{who}: not confined")
        need("memory" in container["resources"]["limits"], f"{who}: no limit of memory")
        for variable in container.get("env", []):
            need("secretKeyRef" not in json.dumps(variable), f"{who}: a secret in the environment")


def selectors(items, found, name):
    """Whatever selects pods finds some, and a Service finds a port that they have."""
    for item in items:
        spec = item.get("spec", {})
        selector = {
            "Service": lambda: spec["selector"],
            "PodDisruptionBudget": lambda: spec["selector"]["matchLabels"],
            "NetworkPolicy": lambda: spec["podSelector"]["matchLabels"],
            "Deployment": lambda: spec["selector"]["matchLabels"],
        }.get(item["kind"])
        if not selector:
            continue
        who = f"{name}, {item['kind']} {item['metadata']['name']}"
        chosen = [pod for pod in found if selects(selector(), pod[1])]
        need(chosen, f"{who} selects no pod")
        if item["kind"] == "Service":
            for port in spec["ports"]:
                for pod, _, inner in chosen:
                    ports = [p["name"] for c in inner["containers"] for p in c.get("ports", [])]
                    need(port["targetPort"] in ports, f"{who}: {pod} has no port {port['targetPort']}")
        if item["kind"] == "NetworkPolicy":
            need(spec["policyTypes"] == ["Ingress", "Egress"], f"{who} does not limit both ways")
    if of_kind(items, "NetworkPolicy"):
        for who, labels, spec in found:
            covered = any(selects(i["spec"]["podSelector"]["matchLabels"], labels) for i in of_kind(items, "NetworkPolicy"))
            need(covered or spec.get("hostNetwork"), f"{name}: no network policy for {who}")


def secrets(items, name):
    """The chart makes no Secret, and none stands in a ConfigMap."""
    need(not of_kind(items, "Secret"), f"{name}: a Secret is made")
    for item in of_kind(items, "ConfigMap"):
        for key, text in item["data"].items():
            if key.endswith(".toml"):
                found = re.search(r'^(\w*(password|token|secret))\s*=\s*".+"', text, re.M)
                need(not found, f"{name}: {item['metadata']['name']}/{key} has {found and found[1]}")


def hooks(items, name):
    """What a Job before the installation needs comes before it."""

    def weight(item):
        notes = item["metadata"].get("annotations", {})
        return int(notes["helm.sh/hook-weight"]) if notes.get("helm.sh/hook", "").startswith("pre-install") else None

    for job in of_kind(items, "Job"):
        spec = job["spec"]["template"]["spec"]
        wanted = [("ConfigMap", v["configMap"]["name"]) for v in spec["volumes"] if v["name"] == "config"]
        if of_kind(items, "ServiceAccount"):
            wanted.append(("ServiceAccount", spec["serviceAccountName"]))
        for kind, called in wanted:
            there = [i for i in of_kind(items, kind) if i["metadata"]["name"] == called]
            need(there and weight(there[0]) is not None and weight(there[0]) < weight(job), f"{name}: {kind} {called} is not there before {job['metadata']['name']}")


def replicas(items, name):
    """Every collector knows how many there may be, and without Kafka there is one, which goes before the next comes."""
    scaled = {}
    for item in of_kind(items, "HorizontalPodAutoscaler", "ScaledObject"):
        spec = item["spec"]
        scaled[spec["scaleTargetRef"]["name"]] = spec.get("maxReplicas", spec.get("maxReplicaCount"))
    collectors = [d for d in of_kind(items, "Deployment") if d["spec"]["template"]["metadata"]["labels"].get("crmscope.io/collector")]
    total = sum(scaled.get(d["metadata"]["name"], d["spec"].get("replicas", 0)) for d in collectors)
    main = next(i for i in of_kind(items, "ConfigMap") if i["metadata"]["labels"]["app.kubernetes.io/component"] == "collector" and "tools.toml" in i["data"])
    for key, text in main["data"].items():
        config = tomllib.loads(text)
        if key != "tools.toml":
            need(config["roles"]["replicas"] == total, f"{name}: {key} has {config['roles']['replicas']} replicas of {total}")
        has_kafka = bool(config.get("kafka", {}).get("brokers"))
        need(has_kafka or total == 1, f"{name}: {total} collectors without Kafka")
    for deployment in collectors:
        strategy = deployment["spec"]["strategy"]["type"]
        need(strategy == ("RollingUpdate" if has_kafka else "Recreate"), f"{name}: {strategy}")
        need(("replicas" in deployment["spec"]) != (deployment["metadata"]["name"] in scaled), f"{name}: replicas are set beside an autoscaler")


def registered(root):
    """Metrics that the collector's code registers, with the kind of each."""
    found = {}
    for file in (root / "collector" / "src").rglob("*.rs"):
        text = file.read_text()
        if "register" not in text:
            continue
        for name, field in re.findall(r'"([a-z][a-z0-9_]+)",\s*"[A-Z0-9][^"]*",\s*&?(?:\w+\.)*?(\w+)(?:\.clone\(\))?[,)\s]', text):
            kind = re.search(rf"\b{field}: [^;\n]*?(Counter|Gauge|Histogram)", text)
            need(kind, f"{file}: of what kind is the metric {name}?")
            found[name] = kind[1]
    need(len(found) > 50, f"only {len(found)} metrics were found in the collector's code")
    return found


def alerts(items, root):
    """Each alert asks for metrics that there are, by the name that their kind has."""
    known = {"up"}
    for name, kind in registered(root).items():
        endings = {"Counter": ["_total"], "Gauge": [""], "Histogram": ["_bucket", "_sum", "_count"]}[kind]
        known |= {f"crmscope_collector_{name}{ending}" for ending in endings}
    rules = [r for i in of_kind(items, "PrometheusRule") for g in i["spec"]["groups"] for r in g["rules"]]
    asked = {m for r in rules for m in re.findall(r"\b(?:crmscope_collector_\w+|up)\b", r["expr"])}
    need(asked <= known, f"alerts ask for metrics that the collector does not have: {sorted(asked - known)}")
    called = [rule["alert"] for rule in rules if "alert" in rule]
    need(len(called) == len(set(called)) and len(called) >= 15, f"alerts: {called}")
    need("CrmscopeInsertsSlow" not in called, "an alert that is disabled is there")
    for rule in (rule for rule in rules if "alert" in rule):
        need({"summary", "description"} <= set(rule["annotations"]), f"{rule['alert']} explains nothing")
        need(rule["labels"].get("team") == "crm", f"{rule['alert']} lacks the labels of all")
        need('namespace="crm",service="crm-crmscope-metrics"' in rule["expr"], f"{rule['alert']} is not of this release alone")
    print(f"{len(called)} alerts, {len(asked)} metrics of {len(known)}")


def size(chart, renders):
    """A release, with all dashboards in chart and manifest, must fit where Helm keeps it."""
    files = {str(p): base64.b64encode(p.read_bytes()).decode() for p in chart.rglob("*") if p.is_file() and not {"ci", "golden"} & set(p.parts)}
    whole = json.dumps({"chart": files, "manifest": renders["dashboards"] + renders["strimzi-split-keda"]})
    bytes_kept = len(base64.b64encode(gzip.compress(whole.encode())))
    need(bytes_kept < 0.9 * RELEASE_MAX_BYTES, f"a release takes {bytes_kept} bytes of {RELEASE_MAX_BYTES}")
    print(f"a release with everything on takes {bytes_kept} bytes of the {RELEASE_MAX_BYTES} of a Secret")
