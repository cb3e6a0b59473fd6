"""Containers on ECS: what they run, as whom, what they may touch, what they leave behind."""

import re
from collections.abc import Callable

from keepstone.posture.kinds import Kind
from keepstone.posture.reading import Reading
from keepstone.posture.registry import check
from keepstone.posture.values import Value, known, some
from keepstone.posture.verdict import Opinion, failed, not_evaluated, passed, require

_PINNED = re.compile(r"@sha256:[0-9a-f]{64}$")
_ROOT = re.compile(r"(root|0+)(:.*)?")
_SECRET = re.compile(
    r"(PASSWORD|PASSWD|SECRET|TOKEN|PRIVATE_KEY|API_?KEY|ACCESS_KEY|CREDENTIALS?|AUTH_DATA)(_|$)"
)
_REVISION = re.compile(r"task-definition/(.+):\d+$")


def _offending(task: Reading, holds: Callable[[Value], bool]) -> str:
    """Return the name of a container of which something holds, or nothing."""
    found: list[str] = []

    def note(container: Value) -> bool:
        held = holds(container)
        if held:
            found.append(known(container["name"]))
        return held

    some(task["containers"], note)
    return found[0] if found else ""


@check("KS-TSK-001", of=Kind.TASK)
def containers_log(task: Reading) -> Opinion:
    """What each container says goes somewhere."""
    found = _offending(task, lambda each: not each["log"] or each["log"] == "none")
    return require(not found, f"what container `{found}` says goes nowhere")


@check("KS-TSK-002", of=Kind.TASK)
def containers_are_not_root(task: Reading) -> Opinion:
    """Each container runs as a named user that is not root."""
    found = _offending(
        task, lambda each: each["user"] is None or bool(_ROOT.fullmatch(str(known(each["user"]))))
    )
    return require(not found, f"container `{found}` runs as root, or as whoever its image says")


@check("KS-TSK-003", of=Kind.TASK)
def containers_cannot_write_to_their_image(task: Reading) -> Opinion:
    """The root file system of each container is read-only."""
    found = _offending(task, lambda each: not each["read_only"])
    return require(not found, f"container `{found}` can write to its root file system")


@check("KS-TSK-004", of=Kind.TASK)
def containers_have_nothing_of_their_host(task: Reading) -> Opinion:
    """No container is privileged, or shares its host's processes or network."""
    if task["network_mode"] == "host" or task["pid_mode"] == "host":
        return failed("the task shares its host's network or processes")
    found = _offending(task, lambda each: bool(each["privileged"]))
    return require(not found, f"container `{found}` is privileged")


@check("KS-TSK-005", of=Kind.TASK)
def images_are_pinned(task: Reading) -> Opinion:
    """Each image is named by its digest."""
    found = _offending(task, lambda each: _PINNED.search(known(each["image"])) is None)
    return require(not found, f"the image of container `{found}` is not named by digest")


@check("KS-TSK-006", of=Kind.TASK)
def environment_holds_no_secrets(task: Reading) -> Opinion:
    """No environment variable that is written into the task bears a secret's name."""
    found = _offending(
        task, lambda each: some(each["spoken"], lambda name: bool(_SECRET.search(known(name).upper())))
    )
    return require(not found, f"an environment variable of container `{found}` has a secret's name")


@check("KS-TSK-007", of=Kind.TASK)
def volumes_are_mounted_by_tls_and_role(task: Reading) -> Opinion:
    """Each file system is mounted by TLS, by who may by IAM."""
    loose = some(task["volumes"], lambda each: each["tls"] != "ENABLED" or each["iam"] != "ENABLED")
    return require(not loose, "a file system is mounted in clear, or by anybody")


@check("KS-SVC-001", of=Kind.SERVICE)
def service_has_no_public_address(service: Reading) -> Opinion:
    """Tasks of the service have private addresses only."""
    return require(service["public_ip"] is not True, "its tasks get public addresses")


@check("KS-SVC-002", of=Kind.SERVICE)
def nobody_gets_into_tasks(service: Reading) -> Opinion:
    """No command can be run in the service's tasks from outside."""
    return require(service["shell"] is not True, "commands can be run in its tasks")


@check("KS-SVC-003", of=Kind.SERVICE)
def service_runs_what_is_described(service: Reading) -> Opinion:
    """The service runs a task definition that stands here, and no other revision of its family."""
    value = service.raw("task")
    if service.account.snapshot.candidates(Kind.TASK, value):
        return passed()  # whichever it is, it stands here
    family = _REVISION.search(service["task"])
    if family is not None and some(service.account.all(Kind.TASK), lambda each: each["family"] == family[1]):
        return failed(f"it runs `{value}`, a revision that nobody described")
    return not_evaluated(f"it runs `{value}`, which is not of this source")
