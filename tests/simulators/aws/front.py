"""The door: each request is held against AWS's model; ours are answered and checked, moto has the rest."""

import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from botocore.model import OperationNotFoundError
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from tests.simulators.aws.alarms import CompositeAlarms
from tests.simulators.aws.answers import Noted, untrue
from tests.simulators.aws.budgets import Budgets
from tests.simulators.aws.cache_parameters import CacheParameters
from tests.simulators.aws.cache_users import CacheUsers
from tests.simulators.aws.caches import Caches
from tests.simulators.aws.conformance import faults
from tests.simulators.aws.cost_anomalies import CostAnomalies
from tests.simulators.aws.credentials import refusal
from tests.simulators.aws.databases import Databases
from tests.simulators.aws.ecs_services import EcsServices
from tests.simulators.aws.file_systems import FileSystems
from tests.simulators.aws.firewalls import Firewalls
from tests.simulators.aws.guardrails import Guardrails
from tests.simulators.aws.invocation_logging import InvocationLogging
from tests.simulators.aws.key_rotation import KeyRotation
from tests.simulators.aws.load_balancers import LoadBalancers
from tests.simulators.aws.log_protection import LogProtection
from tests.simulators.aws.operations import Extension, NotOursError, Refused
from tests.simulators.aws.scaling import Scaling
from tests.simulators.aws.trails import Trails

EXTENSIONS: tuple[type[Extension], ...] = (
    Budgets,
    CacheParameters,
    CacheUsers,
    Caches,
    CompositeAlarms,
    CostAnomalies,
    Databases,
    EcsServices,
    FileSystems,
    Firewalls,
    Guardrails,
    InvocationLogging,
    KeyRotation,
    LoadBalancers,
    LogProtection,
    Scaling,
    Trails,
)
_OWN = {
    (kind.service, name): (kind, method) for kind in EXTENSIONS for name, method in kind.operations().items()
}
_AFTER = {
    (kind.service, name): (kind, method)
    for kind in EXTENSIONS
    for name, method in kind.operations("following").items()
}
_SERVICES = {
    "application-autoscaling": "application-autoscaling",
    "bedrock": "bedrock",
    "budgets": "budgets",
    "ce": "ce",
    "cloudtrail": "cloudtrail",
    "config": "config",
    "ec2": "ec2",
    "ecs": "ecs",
    "elasticache": "elasticache",
    "elasticfilesystem": "efs",
    "elasticloadbalancing": "elbv2",
    "events": "events",
    "iam": "iam",
    "kms": "kms",
    "logs": "logs",
    "monitoring": "cloudwatch",
    "rds": "rds",
    "secretsmanager": "secretsmanager",
    "sns": "sns",
    "wafv2": "wafv2",
}
"""What is checked: botocore's name of a service, by the name that its requests are signed for."""
_SCOPE = re.compile(r"Credential=[^/]+/[0-9]{8}/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request")

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


@dataclass(frozen=True)
class _Call:
    """A request as AWS's model reads it."""

    service: str
    region: str
    operation: Any
    asked: dict[str, Any]
    protocol: str

    def response(self, told: Any) -> Response:
        """What was answered or refused, on the wire."""
        sent = get_serializer_class(self.service, self.protocol)(self.operation).serialize(told)
        headers = {name: str(value) for name, value in sent["headers"].items()}
        return Response(sent["body"], sent["status_code"], headers)


class Front:
    """A WSGI application before moto's."""

    def __init__(self, moto: Wsgi) -> None:
        self.bugs: list[str] = []
        self.untrue: set[str] = set()
        self.after: dict[str, Callable[[], None]] = {}
        self.called_by_terraform: set[tuple[str, str]] = set()
        self._moto = moto
        self._extensions: dict[tuple[type[Extension], str], Extension] = {}

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        stranger = refusal(environ.get("HTTP_AUTHORIZATION", ""), environ.get("HTTP_X_AMZ_TARGET", ""))
        if stranger is not None:
            return stranger(environ, start)
        scope = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
        if scope is None or scope[2] not in _SERVICES:
            return self._moto(environ, start)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        call = _call(Request(dict(environ)), _SERVICES[scope[2]], scope[1])
        environ["wsgi.input"] = io.BytesIO(body)
        if call is None:
            return self._moto(environ, start)
        if "Terraform" in environ.get("HTTP_USER_AGENT", ""):
            self.called_by_terraform.add((call.service, call.operation.name))
        response = self._answered(call)
        sent = response(environ, start) if response is not None else self._by_moto(call, environ, start)
        self.after.pop(call.operation.name, _nothing)()
        return sent

    def _by_moto(self, call: "_Call", environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        """Let moto answer, and put into its state what it forgot."""
        noted = Noted(start)
        sent = noted.whole(self._moto(environ, noted))
        if noted.status // 100 != 2:
            return sent
        wrong = untrue(call.operation, call.protocol, noted.status, noted.headers, noted.body)
        self.untrue |= {f"{call.service} {call.operation.name}: {each}" for each in wrong}
        kind, method = _AFTER.get((call.service, call.operation.name), (None, ""))
        if kind is not None:
            getattr(self._extension(kind, call.region), method)(call.asked)
        return sent

    def _extension(self, kind: type[Extension], region: str) -> Extension:
        return self._extensions.setdefault((kind, region), kind(region))

    def _answered(self, call: _Call) -> Response | None:
        """The answer of an extension, or why the request is refused; none where moto answers."""
        wrong = list(faults(call.operation.input_shape, call.asked))
        if wrong:
            message = f"{len(wrong)} validation errors detected: {'; '.join(wrong)}"
            return call.response(Refused("ValidationException", message))
        kind, method = _OWN.get((call.service, call.operation.name), (None, ""))
        if kind is None:
            return None
        try:
            told = getattr(self._extension(kind, call.region), method)(call.asked)
        except NotOursError:
            return None
        except Refused as refused:
            return call.response(refused)
        except Exception as error:
            self.bugs.append(f"{call.operation.name}: {error!r}")
            raise
        lies = faults(call.operation.output_shape, told)
        self.bugs += [f"{call.operation.name} answers what AWS would not: {each}" for each in lies]
        return call.response(told)


def _call(request: Request, service: str, region: str) -> _Call | None:
    model = get_service_model(service)
    target = request.headers.get("X-Amz-Target", "")
    labels: dict[str, Any] = {}
    try:
        if target:  # SDKs differ in what stands before the operation's name
            operation = model.operation_model(target.rpartition(".")[2])
        else:
            operation, labels = get_service_router(service).match(request)
    except (NotFound, OperationNotFoundError):
        return None
    protocol = determine_request_protocol(model, request.content_type)
    asked = PROTOCOL_PARSERS[protocol](operation).parse(
        {
            "method": request.method,
            "values": request.values,
            "headers": request.headers,
            "body": request.data,
            "url_path": request.path,
            "url_params": labels,
        }
    )
    return _Call(service, region, operation, asked, protocol)


def _nothing() -> None:
    """What follows most answers."""
