"""The chart: Helm's linter and renderer, the API's schemas of what comes out, and what must hold of it."""

import json
import re
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from keepstone.cli.up import up
from keepstone.core.settings import from_environment
from keepstone.policy.load import load_texts

helm = pytest.importorskip("helm_python.chart", reason="Helm's library comes for Linux on x86-64 only")
HelmError = pytest.importorskip("helm_python.errors").HelmError
CHART = Path(__file__).parents[2] / "src" / "keepstone" / "deploy" / "chart"
KUBERNETES = "1.31"
POLICY = """\
version: 1
organisation: {name: Chart}
identities: {roles: {application: {allow: [{models: ["*"]}]}}}
upstreams: {dev: {kind: dev}}
models: [{id: "keepstone.*", upstreams: [dev]}]
"""
VALUES = {
    "image": {"repository": "registry.example/keepstone", "digest": "sha256:" + "0" * 64},
    "policy": POLICY,
    "tls": {"secretName": "gateway-tls"},
    "secretName": "gateway",
    "ledger": {"size": "10Gi", "copy": {"bucket": "acme-ledger", "prefix": "prod", "region": "eu-central-1"}},
    "network": {
        "callers": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "apps"}}}],
        "upstreams": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/16"}}], "ports": [{"port": 443}]}],
    },
}
SCALED = VALUES | {"autoscaling": {"enabled": True, "most": 4}, "serviceMonitor": {"enabled": True}}
MESH = VALUES | {"tls": {"secretName": ""}, "mesh": {"enabled": True}}


def rendered(values, name="gw"):
    texts = helm.Chart.load(CHART).render(values, name=name, namespace="ai")
    documents = [
        each
        for path, text in texts.items()
        if not path.endswith(".txt")
        for each in yaml.safe_load_all(text)
        if each
    ]
    return {f"{each['kind']} {each['metadata']['name']}": each for each in documents}


def validated_and_rendered(values):
    helm.Chart.load(CHART).validate_schema(values)
    return rendered(values)


@pytest.mark.parametrize("values", [VALUES, SCALED, MESH])
def test_helm_lint_finds_nothing(values) -> None:
    report = helm.lint(CHART, values, strict=True)
    assert report["total_charts_linted"] == 1
    assert [each for each in report["messages"] if each["severity"] > 1] == []
    assert report["errors"] == []


@pytest.mark.parametrize("values", [VALUES, SCALED, MESH])
def test_what_is_rendered_is_what_the_api_takes(values) -> None:
    documents = rendered(values)
    for each in documents.values():
        if each["kind"] != "ServiceMonitor":  # of an operator, not of Kubernetes
            kubernetes_validate.validate(each, KUBERNETES, strict=True)
    assert {each["kind"] for each in documents.values()} >= {
        "ConfigMap",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Service",
        "ServiceAccount",
        "StatefulSet",
    }
    assert ("HorizontalPodAutoscaler gw-keepstone" in documents) == (values is SCALED)


def test_each_pod_has_a_ledger_of_its_own_and_may_do_nothing_on_its_host() -> None:
    stateful = rendered(VALUES)["StatefulSet gw-keepstone"]["spec"]
    claim = stateful["volumeClaimTemplates"][0]["spec"]
    assert claim["accessModes"] == ["ReadWriteOncePod"]
    assert stateful["persistentVolumeClaimRetentionPolicy"] == {
        "whenDeleted": "Retain",
        "whenScaled": "Retain",
    }
    pod = stateful["template"]["spec"]
    container = pod["containers"][0]
    assert container["image"].endswith("@" + VALUES["image"]["digest"])
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not pod["automountServiceAccountToken"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {each["name"] for each in container["volumeMounts"]} == {"ledger", "policy", "tls"}


@pytest.mark.parametrize("values", [VALUES, MESH])
def test_pods_start_a_command_of_ours_and_end_before_they_are_killed(values) -> None:
    pod = rendered(values)["StatefulSet gw-keepstone"]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    command, *options = container["args"]
    given = up.make_context(command, options).params
    assert given["plain_http"] == (values is MESH)
    settings = from_environment({each["name"]: each.get("value", "pod") for each in container["env"]})
    assert settings.port == container["ports"][0]["containerPort"] == 8443
    assert settings.drain + 30 + 30 <= pod["terminationGracePeriodSeconds"]
    ready = container["readinessProbe"]
    assert ready["httpGet"]["path"] == "/health/ready"
    assert ready["httpGet"]["scheme"] == ("HTTP" if values is MESH else "HTTPS")
    assert ready["periodSeconds"] * ready["failureThreshold"] < settings.drain


@pytest.mark.parametrize("name", ["gw", "a-release-with-a-name-that-is-long"])
def test_each_pod_copies_its_ledger_to_a_place_of_its_own(name) -> None:
    documents = rendered(SCALED, name)
    files = next(each for each in documents.values() if each["kind"] == "ConfigMap")["data"]
    stateful = next(each for each in documents.values() if each["kind"] == "StatefulSet")
    pods = [f"{stateful['metadata']['name']}-{number}" for number in range(4)]
    base = files.pop("keepstone.yaml").encode()
    assert sorted(files) == [f"keepstone.{pod}.yaml" for pod in pods]
    for pod in pods:
        overlay = files[f"keepstone.{pod}.yaml"].encode()
        document, warnings = load_texts([("keepstone.yaml", base), ("overlay", overlay)])
        assert document.record.store.prefix == f"prod/{pod}"
        assert len(pod) <= 32, "the name of an overlay"
        assert warnings is not None


def test_nobody_calls_who_is_not_named() -> None:
    closed = rendered(VALUES | {"network": {}})["NetworkPolicy gw-keepstone"]["spec"]
    assert closed["ingress"] == []
    assert [port["port"] for rule in closed["egress"] for port in rule["ports"]] == [53, 53]
    named = rendered(VALUES)["NetworkPolicy gw-keepstone"]["spec"]
    assert named["ingress"][0]["from"] == VALUES["network"]["callers"]
    assert VALUES["network"]["upstreams"][0] in named["egress"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tls": {"secretName": ""}}, "nothing ends TLS"),
        ({"mesh": {"enabled": True}}, "one of them ends TLS"),
        ({"autoscaling": {"enabled": True, "most": 2}, "replicas": 3}, "below `replicas`"),
        ({"replicas": 1}, "replicas"),
        ({"policy": ""}, "policy"),
        ({"image": {"repository": "keepstone", "digest": "latest"}}, "digest"),
        ({"ledger": {"size": "10 GB"}}, "size"),
        ({"tls": {"secretName": "t", "least": "1.1"}}, "least"),
        ({"privileged": True}, "privileged"),
        ({"network": {"callers": [{}]}}, "callers"),
    ],
)
def test_what_is_wrong_is_refused(change, words) -> None:
    with pytest.raises(HelmError, match=words):
        validated_and_rendered(VALUES | change)


def test_the_values_of_the_guide_are_values_of_the_chart() -> None:
    guide = (CHART.parents[3] / "docs" / "deploy-gateway.md").read_text()
    values, mesh = (
        yaml.safe_load(each)
        for each in re.findall(r"^```yaml\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)[:2]
    )
    digest = {"image": values["image"] | VALUES["image"], "policy": POLICY}
    documents = validated_and_rendered(values | digest)
    policy = documents["NetworkPolicy gw-keepstone"]["spec"]
    assert policy["ingress"][0]["from"] == [*values["network"]["callers"], *values["network"]["monitoring"]]
    assert {each["port"] for each in policy["egress"][-1]["ports"]} == {443, 5432, 6379}
    assert validated_and_rendered(values | digest | mesh | {"tls": {"secretName": ""}})


def test_the_chart_is_of_this_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert chart["appVersion"] == "0.1.0"
    assert set(values) == set(schema["properties"]) - {"global"}
