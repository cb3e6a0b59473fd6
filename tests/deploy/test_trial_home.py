"""The gateway's home for real, beside the environment: built, started, tampered with, taken away."""

import datetime
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from tests.deploy.inventory import standing
from tests.deploy.inventory_home import housed
from tests.deploy.place import Place
from tests.deploy.rights import granted, needed
from tests.deploy.tampering_home import NAME, TAMPERED
from tests.services.terraform import Terraform, needs_terraform
from tests.simulators.aws.server import Aws, aws_server

pytestmark = [needs_terraform, pytest.mark.deploy_trial]

DEPLOYMENT = """\
  variables:
    enable_alerting: false
    enable_budget_monitoring: false
    enable_cloudtrail: false
    enable_flow_logs: false
"""
HOME = """\
module "gateway" {{
  source = "./module/modules/gateway"

  environment     = "production"
  vpc_id          = "{vpc}"
  subnet_ids      = {subnets}
  client_cidrs    = ["10.30.0.0/16"]
  egress_cidrs    = ["10.0.0.0/16"]
  certificate_arn = "{certificate}"
  image           = "123456789012.dkr.ecr.us-east-1.amazonaws.com/keepstone@sha256:{digest}"
  repository_arns = ["arn:aws:ecr:us-east-1:123456789012:repository/keepstone"]
  rates_password  = "0123456789abcdefghijABCDEFGHIJ01"
  gateway_policy  = file("gateway-policy.json")
  {more}
}}
"""


def certificate(aws: Aws) -> str:
    """Put a certificate into ACM, and return its ARN."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gateway.example")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=30))
        .sign(key, hashes.SHA256())
    )
    told: str = aws.client("acm").import_certificate(
        Certificate=made.public_bytes(Encoding.PEM),
        PrivateKey=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )["CertificateArn"]
    return told


class Home:
    """A deployment's folder with the environment and, in a file beside it, the gateway's home."""

    def __init__(self, folder: Path, aws: Aws) -> None:
        self.place = Place(folder, aws)
        vpc, subnets = self.place.network
        self.place.write(DEPLOYMENT)
        self._values = {
            "vpc": vpc,
            "subnets": json.dumps(subnets),
            "certificate": certificate(aws),
            "digest": "0123456789abcdef" * 4,
        }
        self.folder = folder / "deployment"
        assert self.place.deploy("init")[0] == 0
        status, policy, _ = self.place.deploy("iam-policy", "gateway", "--account", aws.account)
        assert status == 0
        (self.folder / "gateway-policy.json").write_text(policy)
        self.terraform = Terraform(self.folder, folder / "home")
        self.terraform.environment |= aws.environment
        self.write("started = false")
        self.run("init")

    def write(self, more: str = "") -> None:
        """Say what the home is like from now on."""
        (self.folder / "gateway.tf").write_text(HOME.format(**self._values, more=more))

    def run(self, *command: str) -> None:
        done = self.terraform.run(*command)
        assert done.code == 0, done.output

    def drift(self) -> tuple[int, dict[str, tuple[str, tuple[str, ...]]]]:
        """What `keepstone deploy drift` says: exit code; action and checks by address."""
        status, printed, said = self.place.deploy("drift", "--format", "json")
        assert status in (0, 1), said
        return status, {
            each["resource"].removeprefix("module.gateway."): (each["action"], tuple(each["checks"]))
            for each in json.loads(printed)["changes"]
        }

    def rights(self) -> set[str]:
        """What `keepstone deploy iam-policy deployer --with-home` grants."""
        status, printed, said = self.place.deploy("iam-policy", "deployer", "--with-home")
        assert status == 0, said
        return granted(json.loads(printed))

    def state(self) -> dict[str, dict[str, Any]]:
        """What Terraform knows of what stands directly in the home, by address."""
        root = json.loads(self.terraform.run("show", "-json").output)["values"]["root_module"]
        (home,) = [each for each in root["child_modules"] if each["address"] == "module.gateway"]
        return {each["address"].removeprefix("module.gateway."): each["values"] for each in home["resources"]}


def test_life_of_the_home(tmp_path: Path) -> None:
    with aws_server() as aws:
        before = standing(aws) | housed(aws)
        home = Home(tmp_path, aws)
        home.run("apply", "-auto-approve")
        services = aws.client("ecs").describe_services(cluster=NAME, services=[f"{NAME}-a", f"{NAME}-c"])
        assert [each["runningCount"] for each in services["services"]] == [0, 0]
        values = {"database_password": "of-the-database", "rates_url": "valkeys://of-valkey"}
        aws.client("secretsmanager").put_secret_value(SecretId=NAME, SecretString=json.dumps(values))
        home.write()
        home.run("apply", "-auto-approve")
        services = aws.client("ecs").describe_services(cluster=NAME, services=[f"{NAME}-a", f"{NAME}-b"])
        assert [each["runningCount"] for each in services["services"]] == [1, 1]
        assert home.drift() == (0, {})

        state = home.state()
        assert not any(value in json.dumps(state) for value in values.values())
        for each in TAMPERED.values():
            each.act(aws, state)
        status, told = home.drift()
        expected = {address: said for each in TAMPERED.values() for address, said in each.told.items()}
        amiss = {
            address: (told.get(address), expected.get(address))
            for address in {*told, *expected}
            if told.get(address) != expected.get(address)
        }
        assert (status, amiss) == (1, {})

        home.write("deletion_protection = false")
        home.run("apply", "-auto-approve")
        refused = home.terraform.run("destroy", "-auto-approve", "-refresh=false")
        assert (refused.code, "Instance cannot be destroyed" in refused.output) == (1, True)
        kept = ["module.gateway.aws_efs_file_system.ledgers", "module.gateway.aws_kms_key.this"]
        home.run("state", "rm", *kept)
        home.run("destroy", "-auto-approve", "-refresh=false")
        left = standing(aws) | housed(aws)
        assert ("ecs", "CreateService") in aws.called_by_terraform
        assert sorted(needed(aws.called_by_terraform) - home.rights()) == []
        assert before == {}
        # AWS's model of EC2 spells the states of endpoints otherwise than EC2 does.
        assert {each for each in aws.untrue if "VpcEndpoint" not in each} == set()
        assert left == {
            "database snapshots": [f"{NAME}-final"],
            "file systems": [NAME],
            "keys": [state["aws_kms_key.this"]["key_id"]],
        }
