"""AWS on 127.0.0.1, for the real Terraform provider, boto3 and the AWS CLI alike.

    with aws_server() as aws:
        aws.client("bedrock").create_guardrail(...)
        environment |= aws.environment

moto keeps the state of most services; the extensions of this room answer what moto lacks: guardrails,
composite alarms, data-protection policies of logs, budgets, anomaly monitors, the period of a key's rotation,
the destinations of invocation logging, trails by ARN; services of ECS, caches of Valkey with their users,
what Aurora, load balancers, firewalls, file systems and scaling have beside what moto tells.

What is true: the shape of every answer of the extensions is held against AWS's own service model, and so is
every request to Bedrock, CloudWatch, Logs, IAM, KMS, EC2 and the rest (S3 and STS excepted), with choices,
lengths and patterns. An answer that AWS could not give fails the `with` block; those of moto are read as an
SDK reads them and held against the same model, and `untrue` tells what is wrong with them.
What is not: nothing evaluates IAM or key policies (any credentials but those of `STRANGER` do anything), and
of bucket policies moto reads every Deny on objects without its conditions; no metric flows, no alarm goes
off, nothing is delivered, masked or spent; what is created is ready at once. The answers of moto are moto's.
Refusals have AWS's codes; their wording is ours.

moto keeps its state for the whole process: one server at a time, and each begins empty.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Thread
from typing import Any
from unittest.mock import patch

import boto3
from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

from tests.simulators.aws.front import Front
from tests.simulators.aws.operations import ACCOUNT

REGION = "us-east-1"


class Aws:
    """Where AWS listens, and ways to it."""

    def __init__(self, url: str, front: Front) -> None:
        self.url = url
        self.region = REGION
        self.account = ACCOUNT
        self._front = front

    @property
    def environment(self) -> dict[str, str]:
        """What leads a program that uses an AWS SDK here; it tries twice where AWS is at fault."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": self.region,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "2",
        }

    def client(self, service: str) -> Any:
        """A boto3 client of a service."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=self.region,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    def network(self, vpc: str = "", subnets: Sequence[str] = ()) -> tuple[str, list[str]]:
        """Make a VPC with two subnets; with ids of one's own, which may be such as AWS never gives."""
        ec2 = self.client("ec2")
        with _given("vpcs.random_vpc_id", vpc):
            made: str = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        zones = [each["ZoneName"] for each in ec2.describe_availability_zones()["AvailabilityZones"]]
        ids = []
        for position, wanted in enumerate(subnets or ("", "")):
            place = {"CidrBlock": f"10.0.{position}.0/24", "AvailabilityZone": zones[position]}
            with _given("subnets.random_subnet_id", wanted):
                ids.append(ec2.create_subnet(VpcId=made, **place)["Subnet"]["SubnetId"])
        return made, ids

    @property
    def called_by_terraform(self) -> set[tuple[str, str]]:
        """Service and operation of every request of Terraform's so far, S3 and STS excepted."""
        return set(self._front.called_by_terraform)

    @property
    def untrue(self) -> set[str]:
        """What moto answered so far and AWS would not, by operation; S3 and STS excepted."""
        return set(self._front.untrue)

    def after(self, operation: str, then: Callable[[], None]) -> None:
        """Do something once, when an operation was carried out and before its caller hears of it."""
        self._front.after[operation] = then


def _given(function: str, identifier: str) -> AbstractContextManager[object]:
    """Have moto give this id to what it makes next, rather than one of its own."""
    if not identifier:
        return nullcontext()
    return patch(f"moto.ec2.models.{function}", return_value=identifier)


class _Silent(MotoRequestHandler):
    def log(self, kind: str, message: str, *args: Any) -> None:
        """Say nothing of requests."""


def _names_of_an_endpoint(service: str, endpoint: str) -> dict[str, str]:
    """The name by which AWS lets an interface endpoint be reached; moto has the parts in another order."""
    _, _, region, *name = service.split(".")
    host = f"{endpoint}-{endpoint[-8:]}.{'.'.join(name)}.{region}.vpce.amazonaws.com"
    return {"dns_name": host, "hosted_zone_id": "Z7HUB22UULQXV"}


@contextmanager
def aws_server() -> Iterator[Aws]:
    """Run an empty AWS; raise at the end if an extension answered what AWS would not."""
    moto_api_backend.reset()
    front = Front(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, front, threaded=True, request_handler=_Silent)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        with patch("moto.ec2.models.vpcs.create_dns_entries", _names_of_an_endpoint):
            yield Aws(f"http://127.0.0.1:{server.server_port}", front)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        moto_api_backend.reset()
    if front.bugs:
        raise AssertionError("\n".join(front.bugs))
