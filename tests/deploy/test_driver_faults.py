"""What stops a deployment is told with its place and what to do; neither account nor state change by it."""

import fcntl
import hashlib
import json
import re
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.deploy.inventory import standing
from tests.deploy.place import Place, Run, ended
from tests.services.black_hole import black_hole, nobody
from tests.services.terraform import needs_terraform
from tests.simulators.aws.credentials import STRANGER
from tests.simulators.aws.server import Aws, aws_server

from keepstone.ledger.whole import WholeReader

pytestmark = [needs_terraform, pytest.mark.deploy_trial]

DEPLOYMENT = """\
  state: {state}
  variables:
    enable_alerting: false
    enable_budget_monitoring: false
    enable_budget_anomaly_detection: false
    enable_cloudtrail: false
    enable_flow_logs: false
"""
ACCEPTED = ("--accept", "KS-TRL-001", "--reason", "a trial")


def write(place: Place, state: str = "{kind: local}") -> None:
    place.write(DEPLOYMENT.format(state=state))


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with aws_server() as server:
        yield server


@pytest.fixture(scope="module")
def planned(aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A deployment that is planned and not applied; each test has a copy."""
    place = Place(tmp_path_factory.mktemp("planned"), aws)
    write(place)
    assert place.deploy("init")[0] == 0
    status, _, said = place.deploy("plan")
    assert status == 0, said
    return place


@pytest.fixture
def place(planned: Place, tmp_path: Path) -> Place:
    return planned.copy(tmp_path / "place")


def state_of(place: Place) -> str:
    """What Terraform has noted as made."""
    path = place.folder / "deployment" / "terraform.tfstate"
    text = path.read_text() if path.exists() else ""
    found = json.loads(text)["resources"] if text else []
    return json.dumps([each for each in found if each["mode"] == "managed"])


@contextmanager
def nothing_changes(aws: Aws, *places: Place) -> Iterator[None]:
    """Neither in the account nor in the state."""
    before = standing(aws), [state_of(each) for each in places]
    yield
    assert (standing(aws), [state_of(each) for each in places]) == before


def assert_told(run: Run, code: int, *words: str) -> None:
    """The command ended so, with one error and one hint, which have these words."""
    status, out, said = run
    assert status == code, (out, said)
    (error,) = [line for line in said.splitlines() if line.startswith("error: ")]
    (hint,) = [line for line in said.splitlines() if line.startswith("hint: ")]
    assert [each for each in words if each not in f"{error}\n{hint}"] == [], said
    assert "internal fault" not in said


def events(place: Place) -> list[tuple[str, str]]:
    """What the driver has put on record, with the error's code."""
    entries = WholeReader(place.folder / ".keepstone" / "ledger").entries()
    found = [json.loads(data) for _, data in entries]
    return [(each["event"], each["detail"].get("error", "")) for each in found]


@pytest.mark.parametrize("command", [["plan"], ["apply", *ACCEPTED]])
def test_a_wrong_credential(aws: Aws, place: Place, command: list[str]) -> None:
    place.environment["AWS_ACCESS_KEY_ID"] = STRANGER
    with nothing_changes(aws, place):
        run = place.deploy(*command)
    words = ("InvalidClientTokenId", "credentials are not valid", "`aws sts get-caller-identity`")
    assert_told(run, 3, f"terraform {command[0]}: ", *words)
    if command[0] == "apply":
        assert events(place) == [("deploy.apply_begun", ""), ("deploy.apply_failed", "deploy.credentials")]


def test_no_network(aws: Aws, planned: Place, tmp_path: Path) -> None:
    """All at once, for they mostly wait: connections that are refused, and ones that nobody answers."""
    commands = {"plan": ["plan"], "apply": ["apply", *ACCEPTED]}
    with nobody() as refusing, black_hole() as silent:
        whys = {refusing: "cannot be reached: connection refused", silent: "does not answer"}
        places = {}
        for address in whys:
            for name in commands:
                place = places[name, address] = planned.copy(tmp_path / f"{name}-{address}")
                place.environment["AWS_ENDPOINT_URL"] = f"http://{address}"
        with nothing_changes(aws, *places.values()):
            begun = time.monotonic()
            started = {key: each.start(*commands[key[0]]) for key, each in places.items()}
            assert_refuses_a_second(places["plan", silent], started["plan", silent].pid)
            runs = {key: ended(each) for key, each in started.items()}
            assert time.monotonic() - begun < 150
    for (name, address), run in runs.items():
        assert f"s: `{address}` {whys[address]}" in run[2]  # it said so while it waited
        assert_told(run, 3, f"terraform {name}: ", address, "is there a network")
    for name in commands:  # what is refused, Terraform may give up by itself
        assert_told(runs[name, silent], 3, f"`{silent}` does not answer", "nothing was changed")
    for address in whys:
        assert events(places["apply", address])[1] == ("deploy.apply_failed", "deploy.unreachable")


def assert_refuses_a_second(place: Place, pid: int) -> None:
    """While this process works in a folder, no other `keepstone deploy` does."""
    lock = place.folder / "deployment" / ".keepstone.lock"
    deadline = time.monotonic() + 60
    while lock.read_text().strip() != str(pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    told = f"another `keepstone deploy` works in `deployment`, process {pid}"
    for command in ("init", "plan"):
        assert_told(place.deploy(command), 3, told, "wait until it has ended")


def test_a_state_that_somebody_holds(aws: Aws, place: Place) -> None:
    info = {
        "ID": "11111111-2222-3333-4444-555555555555",
        "Operation": "OperationTypeApply",
        "Who": "ann@desk",
    }
    info |= {"Version": "1.11.4", "Created": "2026-11-21T09:00:00Z", "Path": "terraform.tfstate", "Info": ""}
    folder = place.folder / "deployment"
    (folder / ".terraform.tfstate.lock.info").write_text(json.dumps(info))
    with nothing_changes(aws, place), (folder / "terraform.tfstate").open("w") as state:
        fcntl.lockf(state, fcntl.LOCK_EX)
        for command in (["plan"], ["apply", *ACCEPTED]):
            assert_told(
                place.deploy(*command), 3, f"terraform {command[0]}: ", "lock", "ann@desk", info["ID"]
            )


def test_a_state_in_a_bucket_that_somebody_holds(aws: Aws, tmp_path: Path) -> None:
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="acme-state")
    place = Place(tmp_path, aws)
    write(place, "{kind: s3, bucket: acme-state, key: here}")
    assert place.deploy("init")[0] == 0
    info = {
        "ID": "11111111-2222-3333-4444-555555555555",
        "Operation": "OperationTypeApply",
        "Who": "ann@desk",
    }
    info |= {"Version": "1.11.4", "Created": "2026-11-21T09:00:00Z", "Path": "acme-state/here", "Info": ""}
    s3.put_object(Bucket="acme-state", Key="here.tflock", Body=json.dumps(info).encode())
    with nothing_changes(aws):
        words = (
            "state lock",
            "ann@desk",
            info["ID"],
            "somebody else is at it",
            "`terraform force-unlock ID`",
        )
        assert_told(place.deploy("plan"), 3, "terraform plan: ", *words)
    objects = [each["Key"] for each in s3.list_objects_v2(Bucket="acme-state")["Contents"]]
    assert objects == ["here.tflock"]
    s3.delete_object(Bucket="acme-state", Key="here.tflock")
    s3.delete_bucket(Bucket="acme-state")


def cut(plan: Path) -> None:
    plan.write_bytes(plan.read_bytes()[:-200])


def replace_(plan: Path) -> None:
    plan.write_bytes(b"no plan at all")


def made_by_another_terraform(plan: Path) -> None:
    """What another version would write: its own name in the plan."""
    with zipfile.ZipFile(plan) as read:
        parts = {each: read.read(each) for each in read.namelist()}
    version = re.search(rb"1\.\d+\.\d+", parts["tfplan"])
    assert version is not None
    parts["tfplan"] = parts["tfplan"].replace(version[0], b"9" * len(version[0]))
    with zipfile.ZipFile(plan, "w") as written:
        for name, data in parts.items():
            written.writestr(name, data)


@pytest.mark.parametrize("spoil", [cut, replace_, made_by_another_terraform])
def test_a_plan_that_is_not_the_one_that_was_shown(
    aws: Aws, place: Place, spoil: Callable[[Path], None]
) -> None:
    folder = place.folder / "deployment"
    spoil(folder / "plan.tfplan")
    with nothing_changes(aws, place):
        words = (
            "`deployment/plan.tfplan` is damaged, or not the plan that was shown",
            "`keepstone deploy plan`",
        )
        assert_told(place.deploy("apply", *ACCEPTED), 2, *words)
        # As if it had been so when it was noted, then it is Terraform that refuses it.
        mark = json.loads((folder / "keepstone.json").read_text())
        mark["plan"] = hashlib.sha256((folder / "plan.tfplan").read_bytes()).hexdigest()
        (folder / "keepstone.json").write_text(json.dumps(mark))
        assert_told(place.deploy("apply", *ACCEPTED), 3, "terraform show: ", "`keepstone deploy plan`")
    assert not (place.folder / ".keepstone" / "ledger" / "checkpoint").exists()
