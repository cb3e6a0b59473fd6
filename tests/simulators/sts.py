"""AWS STS on 127.0.0.1: AssumeRole for callers with a known key pair and the role's external id."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

from tests.simulators.bedrock import KEYS
from tests.simulators.behaviour import Behaviour, Failure
from tests.simulators.server import Simulator
from tests.simulators.sigv4 import Accepted, KeyPair, refusal
from tests.simulators.wire import Answer, Received

ROLE = "arn:aws:iam::123456789012:role/keepstone-bedrock"
EXTERNAL_ID = "keepstone-e2e"
_XMLNS = "https://sts.amazonaws.com/doc/2011-06-15/"


class StsSimulator(Simulator):
    """Issues temporary key pairs; what it has issued is what a Bedrock simulator may accept."""

    def __init__(self, *, pairs: Collection[KeyPair] = (KEYS,), region: str = "us-east-1") -> None:
        super().__init__()
        self.issued: list[KeyPair] = []
        self.asked: list[dict[str, str]] = []
        self.lifetime = timedelta(hours=1)
        self._accepted = Accepted(pairs, (), region, "sts")

    def answer(self, received: Received, behaviour: Behaviour) -> Answer:
        """Credentials, or why not."""
        now = datetime.now(UTC)
        failure = refusal(received, self._accepted, now) or behaviour.failure
        if failure:
            return _failed(failure)
        request = dict(parse_qsl(received.body.decode()))
        self.asked.append(request)
        if request.get("Action") != "AssumeRole" or not request.get("RoleSessionName"):
            return _failed(Failure(400, "ValidationError", "not an AssumeRole request"))
        if request.get("RoleArn") != ROLE or request.get("ExternalId") != EXTERNAL_ID:
            return _failed(Failure(403, "AccessDenied", "not authorized to perform: sts:AssumeRole"))
        return self._granted(request, now)

    def _granted(self, request: dict[str, str], now: datetime) -> Answer:
        number = len(self.issued)
        pair = KeyPair(
            f"ASIAISSUED{number:06d}EXAMPLE", f"issued/secret/{number}/EXAMPLE", f"issued-token-{number}"
        )
        self.issued.append(pair)
        name = request["RoleSessionName"]
        body = (
            f'<AssumeRoleResponse xmlns="{_XMLNS}"><AssumeRoleResult>'
            f"<AssumedRoleUser><AssumedRoleId>AROA:{name}</AssumedRoleId>"
            f"<Arn>arn:aws:sts::123456789012:assumed-role/keepstone-bedrock/{name}</Arn></AssumedRoleUser>"
            f"<Credentials><AccessKeyId>{pair.access_key}</AccessKeyId>"
            f"<SecretAccessKey>{pair.secret_key}</SecretAccessKey><SessionToken>{pair.token}</SessionToken>"
            f"<Expiration>{now + self.lifetime:%Y-%m-%dT%H:%M:%SZ}</Expiration></Credentials>"
            "</AssumeRoleResult><ResponseMetadata><RequestId>simulated</RequestId></ResponseMetadata>"
            "</AssumeRoleResponse>"
        )
        return Answer(200, {"Content-Type": "text/xml"}, (body.encode(),))


def _failed(failure: Failure) -> Answer:
    body = (
        f'<ErrorResponse xmlns="{_XMLNS}"><Error><Type>Sender</Type><Code>{failure.name}</Code>'
        f"<Message>{failure.message}</Message></Error><RequestId>simulated</RequestId></ErrorResponse>"
    )
    return Answer(failure.status, {"Content-Type": "text/xml"}, (body.encode(),))
