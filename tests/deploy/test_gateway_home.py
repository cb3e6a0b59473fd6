"""The gateway's home on ECS, as Terraform itself reads it; its Valkey user's rights, on a real Valkey."""

import json
import re
import shutil
from pathlib import Path

import pytest
from tests.deploy.test_module import MODULE, passed, prepared
from tests.services.rates.stores import admitted, connected, demand, rule_of, run
from tests.services.terraform import Terraform, needs_terraform
from tests.services.valkey import valkey
from tests.simulators.aws.server import aws_server
from tests.unit.deploy.documents import policy

from keepstone.cli.main import main
from keepstone.core.settings import from_environment
from keepstone.deploy.documents import Place
from keepstone.deploy.permissions import gateway
from keepstone.policy.limits import Unit

HOME = MODULE / "modules" / "gateway"
CALL = (1, 0, 0, 0, 0, 0, 1)
STREAM = (1, 0, 0, 0, 0, 1, 1)


@needs_terraform
@pytest.mark.parametrize(("test", "runs"), [("gateway", 6), ("gateway_input", 5)])
def test_the_home_plans_as_it_says(tmp_path, test, runs) -> None:
    folder = tmp_path / "home"
    shutil.copytree(HOME, folder)
    terraform = prepared(folder, tmp_path, test)
    done = terraform.run("test")
    assert passed(done.output) == runs, done.output
    assert terraform.run("validate").code == 0


def test_every_variable_is_refused_in_a_test_or_needs_no_refusal() -> None:
    texts = "\n".join(each.read_text() for each in HOME.glob("variables*.tf"))
    checked = {
        name
        for name, body in re.findall(r'^variable "(\w+)" \{\n(.*?)^\}$', texts, re.MULTILINE | re.DOTALL)
        if "validation {" in body
    }
    tests = (Path(__file__).parent / "tftest" / "gateway_input.tftest.hcl").read_text()
    assert checked == set(re.findall(r"var\.(\w+),?$", tests, re.MULTILINE))


def test_the_role_bears_the_name_that_may_call_models() -> None:
    roles = (HOME / "roles.tf").read_text()
    locals_ = (HOME / "main.tf").read_text()
    assert 'name   = "${local.prefix}-gateway"' in locals_
    assert re.search(r'resource "aws_iam_role" "gateway" \{\n  name +=  ?local\.name\n', roles)
    assert "production-bedrock-gateway" in f"{Place('production', 'us-east-1').prefix}-gateway"
    document = gateway(Place("production", "us-east-1", "123456789012"), policy())
    actions = {action for each in document["Statement"] for action in each["Action"]}
    assert not [each for each in actions if each.endswith("*")], (
        "the variable `gateway_policy` would refuse it"
    )
    assert json.dumps(document)


def test_its_environment_is_what_the_gateway_reads() -> None:
    task = (HOME / "task.tf").read_text()
    named = set(re.findall(r"^ +(KEEPSTONE_\w+) +=", task, re.MULTILINE))
    values = {
        "KEEPSTONE_DRAIN": "20",
        "KEEPSTONE_FIRST_KEY": "off",
        "KEEPSTONE_KEEP_ALIVE": "615",
        "KEEPSTONE_PORT": "8443",
        "KEEPSTONE_WORKERS": "2",
    }
    settings = from_environment(values)
    assert (settings.drain, settings.keep_alive, settings.port, settings.workers) == (20, 615, 8443, 2)
    known = set(re.findall(r"KEEPSTONE_\w+", (MODULE.parents[1] / "core" / "settings.py").read_text()))
    assert named <= known


def test_its_valkey_user_may_do_what_the_gateway_does_and_no_more(tmp_path) -> None:
    words = re.search(r'access_string = "(.+)"', (HOME / "limits.tf").read_text())[1]
    options = ["--user", "keepstone", ">secretpassword", *words.split()]
    with valkey(tmp_path, options) as server:
        server.url = f"valkey://keepstone:secretpassword@127.0.0.1:{server.port}/0"

        async def spend():
            store = await connected(server)
            try:
                rules = [rule_of((Unit.REQUESTS, 2)), rule_of((Unit.STREAMS, 5), name="streams")]
                taken = [await store.take(demand(rules, STREAM)) for _ in range(3)]
                store.settle(taken[0], CALL)
                return [admitted(each) for each in taken]
            finally:
                await store.close()

        assert run(spend()) == [True, True, False]
        assert b"ERR" not in server.command("ACL", "DRYRUN", "keepstone", "EVALSHA", "x", "1", "keepstone:x")
        for forbidden in (
            ("FLUSHALL",),
            ("KEYS", "*"),
            ("GET", "other:x"),
            ("CONFIG", "GET", "*"),
            ("CLIENT", "LIST"),
        ):
            answer = server.command("ACL", "DRYRUN", "keepstone", *forbidden)
            assert b"has no permissions" in answer, (forbidden, answer)


BY_DESIGN = {
    "KS-IAM-003",  # the gateway inspects itself, so it calls without Bedrock's guardrail
    "KS-BKT-002",  # load balancers write their access logs with S3's own key only
    "KS-IAM-008",  # nobody but the user has a permissions boundary
    "KS-SEC-003",  # a new password takes a new deployment, so rotating is the user's
}
ROOT = """
module "gateway" {
  source = "./gateway"

  environment     = "production"
  vpc_id          = "vpc-0a1b2c3d4e5f60718"
  subnet_ids      = ["subnet-0a1b2c3d4e5f60718", "subnet-0b1b2c3d4e5f60718"]
  client_cidrs    = ["10.30.0.0/16"]
  egress_cidrs    = ["10.0.0.0/16"]
  certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-4000-8000-000000000000"
  image           = "keepstone@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  rates_password  = "0123456789abcdefghijABCDEFGHIJ01"
  gateway_policy  = file("policy.json")

  alert_topic_arns = ["arn:aws:sns:us-east-1:123456789012:production-bedrock-critical"]
}
"""


@needs_terraform
@pytest.mark.slow
def test_the_real_provider_plans_it_and_our_checks_find_only_what_is_meant(tmp_path, capsys) -> None:
    root = tmp_path / "root"
    shutil.copytree(HOME, root / "gateway")
    shutil.copy(MODULE / "versions.tf", root)
    (root / "main.tf").write_text(ROOT)
    (root / "policy.json").write_text(
        json.dumps(gateway(Place("production", "us-east-1", "123456789012"), policy()))
    )
    terraform = Terraform(root, tmp_path / "home")
    with aws_server() as aws:
        terraform.environment |= aws.environment
        assert terraform.run("init", "-input=false").code == 0
        path = tmp_path / "plan.json"
        path.write_text(json.dumps(terraform.plan()))
    main(["deploy", "check", str(path), "--format", "json"])
    rows = json.loads(capsys.readouterr().out)["findings"]
    assert {each["check"] for each in rows if each["verdict"] == "FAIL"} == BY_DESIGN
    assert len([each for each in rows if each["verdict"] == "PASS"]) > 50
