"""`keepstone policy test`: a table of cases against the policy, through a gateway's own stages."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import click

from keepstone.cli.output import emit, safe, talk
from keepstone.core.errors import KeepstoneError
from keepstone.core.settings import from_environment
from keepstone.policy.cases import Case, load_cases
from keepstone.policy.compile import CompiledPolicy, compile_policy
from keepstone.policy.load import load

DEFAULT_FILE = Path("policy-tests.yaml")


@dataclass(frozen=True, slots=True)
class Tested:
    """One case and how it went; `differences` is empty when it went as expected."""

    position: str
    name: str
    passed: bool
    outcome: str
    reason: str
    rule: str
    message: str
    data_class: str
    class_from: str
    upstreams: tuple[str, ...]
    differences: tuple[str, ...]


@click.command(epilog="Example: keepstone policy test policy-tests.yaml --format junit > results.xml")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--policy", "policy", type=click.Path(path_type=Path), help="Default: keepstone.yaml.")
@click.option("--env", "environment", default=None, help="Lay keepstone.<env>.yaml over the policy.")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["table", "json", "junit"]),
    default="table",
    show_default=True,
    help="How to print the result.",
)
@click.pass_context
def test(
    ctx: click.Context,
    *,
    files: tuple[Path, ...],
    policy: Path | None,
    environment: str | None,
    output_format: str,
) -> None:
    """Decide the cases of FILES, by default policy-tests.yaml, and compare with what they expect.

    Content is inspected by the policy's guardrails, here, offline. Exits 1 when a case went otherwise, 3 when
    one could not be decided.
    """
    cases = [(path, line, case) for path in files or (DEFAULT_FILE,) for line, case in load_cases(path)]
    settings = from_environment()
    env = settings.environment if environment is None else environment
    results = list(_run(compile_policy(load(policy or settings.policy, env)), cases))
    match output_format:
        case "junit":
            click.echo(_junit(results))
        case "json":
            emit({"passed": all(each.passed for each in results), "cases": results}, "json")
        case _:
            _tell(results)
    undecided = any(not each.outcome for each in results)
    failed = any(each.outcome and not each.passed for each in results)
    ctx.exit(1 if failed else 3 if undecided else 0)


def _run(policy: CompiledPolicy, cases: list[tuple[Path, int, Case]]) -> Iterator[Tested]:
    from keepstone.wiring.active import rehearsal

    stage = rehearsal(policy)
    for path, line, case in cases:
        position = f"{path}:{line}"
        try:
            found = stage.run(case)
        except KeepstoneError as error:
            message = f"could not be decided: {error.message}"
            yield Tested(position, case.name, False, "", "", "", message, "", "", (), (message,))
            continue
        reason = found.decision.reason
        tested = Tested(
            position,
            case.name,
            True,
            found.decision.outcome.value,
            reason.code.value,
            reason.path,
            reason.message,
            found.data_class.label,
            found.class_from,
            found.upstreams,
            (),
        )
        yield _compared(case, tested)


def _compared(case: Case, got: Tested) -> Tested:
    wanted = case.expect
    rows: list[tuple[str, object, object]] = [("outcome", wanted.outcome, got.outcome)]
    rows += [("reason", wanted.reason, got.reason)] if wanted.reason else []
    rows += [("rule", wanted.rule, got.rule)] if wanted.rule else []
    rows += [("data_class", wanted.data_class, got.data_class)] if wanted.data_class else []
    if wanted.upstreams:
        rows.append(("upstreams", list(wanted.upstreams), list(got.upstreams)))
    differences = tuple(
        f"{name}: expected `{expected}`, got `{found}`" for name, expected, found in rows if expected != found
    )
    return replace(got, passed=not differences, differences=differences)


def _tell(results: list[Tested]) -> None:
    rows = [
        {
            "": "ok" if each.passed else "FAIL",
            "case": each.name,
            "outcome": each.outcome or "not decided",
            "reason": each.reason,
            "data class": each.data_class,
        }
        for each in results
    ]
    emit(rows)
    failures = [each for each in results if not each.passed]
    for each in failures:
        talk(f"\n{each.position}: {each.name}")
        for difference in each.differences:
            talk(f"  {difference}")
        if each.outcome:
            talk(f"  because: {each.message}{f' (at `{each.rule}`)' if each.rule else ''}")
    click.echo(safe(f"\n{len(results) - len(failures)} of {len(results)} as expected"))


def _junit(results: list[Tested]) -> str:
    from xml.etree import ElementTree

    failures = sum(bool(each.outcome) and not each.passed for each in results)
    errors = sum(not each.outcome for each in results)
    suite = ElementTree.Element(
        "testsuite",
        name="keepstone policy",
        tests=str(len(results)),
        failures=str(failures),
        errors=str(errors),
    )
    for each in results:
        file, _, line = each.position.rpartition(":")
        node = ElementTree.SubElement(
            suite, "testcase", classname=safe(file), name=safe(each.name), line=line
        )
        if not each.passed:
            kind = "failure" if each.outcome else "error"
            message = safe("; ".join(each.differences))
            ElementTree.SubElement(node, kind, message=message).text = safe(each.message)
    ElementTree.indent(suite)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(suite, encoding="unicode")
