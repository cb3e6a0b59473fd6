"""Rules of load balancers that moto does not keep: certificates that exist, buckets that take logs."""

from typing import Any

from moto.acm.models import acm_backends
from moto.elbv2.models import elbv2_backends
from moto.s3.models import s3_backends

from tests.simulators.aws.operations import (
    ACCOUNT,
    Asked,
    Extension,
    NotOursError,
    Refused,
    Told,
    answers,
    follows,
)

_SENDER = b"logdelivery.elasticloadbalancing.amazonaws.com"


class LoadBalancers(Extension):
    """Load balancers of one region, kept by moto; requests that AWS refuses are refused."""

    service = "elbv2"

    @follows("CreateLoadBalancer")
    def made(self, asked: Asked) -> None:
        for each in self._balancers:
            if each.name == asked["Name"]:
                each.state = "active"  # moto says so after its second answer, and Terraform asks every 30 s

    @answers("CreateListener")
    def create_listener(self, asked: Asked) -> Told:
        self._check(asked)
        raise NotOursError

    @answers("ModifyListener")
    def modify_listener(self, asked: Asked) -> Told:
        self._check({"Protocol": "HTTP"} | asked)
        raise NotOursError

    @answers("ModifyLoadBalancerAttributes")
    def attributes(self, asked: Asked) -> Told:
        wanted = {each["Key"]: each["Value"] for each in asked["Attributes"]}
        if wanted.get("access_logs.s3.enabled") == "true":
            bucket = wanted.get("access_logs.s3.bucket", "")
            found: Any = s3_backends[ACCOUNT]["aws"].buckets.get(bucket)
            if found is None or _SENDER not in (found.policy or b""):
                message = f"Access Denied for bucket: {bucket}. Please check S3bucket permission"
                raise Refused("InvalidConfigurationRequest", message)
            if found.encryption and b"aws:kms" in str(found.encryption).encode():
                raise Refused("InvalidConfigurationRequest", "Only S3's own key is supported.")
        raise NotOursError

    @answers("DeleteTargetGroup")
    def delete_group(self, asked: Asked) -> Told:
        arn = asked["TargetGroupArn"]
        for balancer in self._balancers:
            for listener in balancer.listeners.values():
                if arn in str(listener.default_actions) + str([r.actions for r in listener.rules.values()]):
                    raise Refused("ResourceInUse", f"Target group '{arn}' is currently in use by a listener")
        raise NotOursError

    @property
    def _balancers(self) -> list[Any]:
        return list(elbv2_backends[ACCOUNT][self.region].load_balancers.values())

    def _check(self, asked: Asked) -> None:
        certificates = [each["CertificateArn"] for each in asked.get("Certificates", [])]
        if asked.get("Protocol") in ("HTTPS", "TLS") and not certificates:
            raise Refused("ValidationError", "A certificate must be specified for HTTPS listeners")
        known: Any = acm_backends[ACCOUNT][self.region]._certificates
        for each in certificates:
            if each not in known:
                raise Refused("CertificateNotFound", f"Certificate ARN '{each}' not found")
