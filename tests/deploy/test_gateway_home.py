"""The gateway's home on ECS, as Terraform itself reads it; its Valkey user's rights, on a real Valkey."""

import json
import re
import shutil
from pathlib import Path

import pytest
from tests.deploy.test_module import MODULE, passed, prepared
from tests.services.rates.stores import admitted, connected, demand, rule_of, run
from tests.services.terraform import needs_terraform
from tests.services.valkey import valkey
from tests.unit.deploy.documents import policy

from keepstone.core.settings import from_environment
from keepstone.deploy.permissions import Place, gateway
from keepstone.policy.limits import Unit

HOME = MODULE / "modules" / "gateway"
CALL = (1, 0, 0, 0, 0, 0, 1)
STREAM = (1, 0, 0, 0, 0, 1, 1)


@needs_terraform
@pytest.mark.parametrize(("test", "runs"), [("gateway", 5), ("gateway_input", 5)])
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
        for forbidden in (("FLUSHALL",), ("KEYS", "*"), ("GET", "other:x"), ("CONFIG", "GET", "*")):
            answer = server.command("ACL", "DRYRUN", "keepstone", *forbidden)
            assert b"has no permissions" in answer, (forbidden, answer)
