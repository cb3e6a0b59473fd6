"""Exports: every record once, in each format; a trail goes on where it stopped, whatever stopped it."""

import gzip
import hashlib
import http.client
import json
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import load_der_public_key
from hypothesis import given, settings
from hypothesis import strategies as st

from keepstone.core.errors import LedgerError, UsageError
from keepstone.ledger import query
from keepstone.ledger.export import cloudtrail, ocsf
from keepstone.ledger.export.columns import schema
from keepstone.ledger.export.digest import SigningKey, Trail
from keepstone.ledger.export.serve import TrailServer
from keepstone.ledger.export.sink import META, FolderSink
from keepstone.ledger.export.source import Source
from keepstone.ledger.export.trail import STATE, TrailExport
from keepstone.ledger.prune import prune
from tests.laws import examples
from tests.unit.ledger.records import START, fill, record_at
from tests.unit.ledger.support import KEY

TRAIL = Trail("keepstone", "123456789012", "eu-central-1")
COUNT = 40


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ledger")
    fill(folder, COUNT)
    return folder


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    return SigningKey.load_or_create(tmp_path_factory.mktemp("keys"))


def events_of(folder):
    found = []
    for path in sorted(Path(folder).rglob("*_CloudTrail_*.json.gz")):
        found += json.loads(gzip.decompress(path.read_bytes()))["Records"]
    return found


def digests_of(folder):
    paths = sorted(Path(folder).rglob("*_CloudTrail-Digest_*.json.gz"))
    return [json.loads(gzip.decompress(path.read_bytes())) for path in paths], paths


# --- events ------------------------------------------------------------------------------------------------


def test_a_cloudtrail_event_says_what_was_called_and_where_it_is_proven(ledger):
    entries = list(Source(ledger).entries("main"))
    allowed, refused = entries[0], entries[4]
    event = cloudtrail.event_of(allowed, account="123456789012", region="eu-central-1")
    assert (event["eventName"], event["eventSource"]) == ("Converse", "bedrock.amazonaws.com")
    assert event["eventTime"] == "2026-03-01T09:59:00Z"
    assert event["requestParameters"] == {"modelId": "anthropic.claude-v2:1"}
    assert event["additionalEventData"]["leafIndex"] == 0
    assert event["additionalEventData"]["record"]["tokens"] == {"input": 100, "output": 10}
    assert "errorCode" not in event
    event = cloudtrail.event_of(refused, account="123456789012", region="eu-central-1")
    assert (event["errorCode"], event["errorMessage"]) == ("no_rule_allows", "because")
    ours = cloudtrail.event_of(entries[10], account="123456789012", region="eu-central-1")
    assert (ours["eventType"], ours["eventName"]) == ("AwsServiceEvent", "policy.loaded")


REQUIRED = [
    "class_uid",
    "category_uid",
    "activity_id",
    "type_uid",
    "time",
    "severity_id",
    "metadata",
    "actor",
    "api",
    "src_endpoint",
]


def test_an_ocsf_event_has_what_its_class_requires(ledger):
    for entry in Source(ledger).entries("main"):
        event = ocsf.event_of(entry)
        assert all(name in event for name in REQUIRED)
        assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]
        assert event["metadata"]["product"]["vendor_name"]
        assert event["status_id"] == (2 if entry.record.outcome == "refuse" else 1)
        assert event["api"]["operation"]


def test_an_entry_has_one_id_in_every_export(ledger):
    once, again = ([each.uid for each in Source(ledger).entries("main")] for _ in range(2))
    assert once == again
    assert len(set(once)) == COUNT


def test_a_span_of_time_is_half_open(ledger):
    since, until = record_at(3).time, record_at(7).time
    assert [each.index for each in Source(ledger).between(since, until)] == [3, 4, 5, 6]


# --- the trail ---------------------------------------------------------------------------------------------


def run(ledger, folder, key, until):
    return TrailExport(Source(ledger), FolderSink(folder, "bucket"), TRAIL, key).run(until)


def test_a_trail_holds_every_record_once_and_its_digests_are_a_signed_chain(ledger, key, tmp_path):
    until = START + timedelta(hours=6)
    written = run(ledger, tmp_path, key, until)
    assert (written.records, written.end) == (COUNT, until)
    events = events_of(tmp_path)
    assert sorted(each["additionalEventData"]["leafIndex"] for each in events) == list(range(COUNT))
    digests, paths = digests_of(tmp_path)
    assert len(digests) == written.digests == 7
    previous = None
    for digest, path in zip(digests, paths, strict=True):
        assert digest["previousDigestHashValue"] == (previous and previous[0])
        signature = json.loads(path.with_name(path.name + META).read_text())["signature"]
        body = gzip.decompress(path.read_bytes())
        found = hashlib.sha256(body).hexdigest()
        before = previous[1] if previous else "null"
        signed = f"{digest['digestEndTime']}\nbucket/{digest['digestS3Object']}\n{found}\n{before}"
        public = load_der_public_key(key.public_der)
        public.verify(bytes.fromhex(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        for log in digest["logFiles"]:
            assert (
                hashlib.sha256(gzip.decompress((tmp_path / log["s3Object"]).read_bytes())).hexdigest()
                == log["hashValue"]
            )
        previous = (found, signature)


@pytest.mark.slow
@settings(max_examples=examples(20), deadline=None)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=5))
def test_any_stops_give_every_record_once(ledger, key, tmp_path_factory, minutes):
    folder = tmp_path_factory.mktemp("trail")
    until = START
    for step in [*minutes, 600]:
        until += timedelta(minutes=step)
        run(ledger, folder, key, until)
    indexes = [each["additionalEventData"]["leafIndex"] for each in events_of(folder)]
    assert sorted(indexes) == list(range(COUNT))


class Dies(FolderSink):
    """A place that takes so many objects and then no more."""

    def __init__(self, folder, takes):
        super().__init__(folder, "bucket")
        self.takes = takes

    def put(self, key, data, metadata):
        if not self.takes:
            raise LedgerError("the disk is full")
        self.takes -= 1
        super().put(key, data, metadata)


@pytest.mark.parametrize("takes", range(12))
def test_an_export_that_died_goes_on(ledger, key, tmp_path, takes):
    until = START + timedelta(hours=6)
    with pytest.raises(LedgerError):
        TrailExport(Source(ledger), Dies(tmp_path, takes), TRAIL, key).run(until)
    run(ledger, tmp_path, key, until)
    digests, _ = digests_of(tmp_path)
    listed = [log["s3Object"] for digest in digests for log in digest["logFiles"]]
    assert len(listed) == len(set(listed))
    indexes = [
        each["additionalEventData"]["leafIndex"]
        for name in listed
        for each in json.loads(gzip.decompress((tmp_path / name).read_bytes()))["Records"]
    ]
    assert sorted(indexes) == list(range(COUNT))


@pytest.mark.parametrize(
    "state",
    [b"{", b'{"trail": "another", "fingerprint": "x"}', None],
    ids=["malformed", "another trail", "another key"],
)
def test_a_place_of_another_trail_is_refused(ledger, key, tmp_path, state):
    if state is None:
        run(ledger, tmp_path, SigningKey.load_or_create(tmp_path / "other"), START + timedelta(hours=1))
    else:
        (tmp_path / STATE).write_bytes(state)
    with pytest.raises(LedgerError):
        run(ledger, tmp_path, key, START + timedelta(hours=2))


def test_a_key_that_is_none_is_told(tmp_path):
    (tmp_path / "cloudtrail.key").write_text("no key")
    with pytest.raises(LedgerError, match="cannot be read as a key"):
        SigningKey.load(tmp_path)


# --- serving ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:80", 200),
        ("localhost:1", 200),
        ("[::1]:1", 200),
        ("attacker.example", 403),
        ("attacker.example:80", 403),
        ("127.0.0.1.attacker.example", 403),
        ("127.0.0.1@attacker.example", 403),
        ("[", 403),
        ("", 403),
        (None, 403),
    ],
)
def test_a_trail_is_served_to_who_asks_for_this_machine(tmp_path, key, host, status):
    """A browser names the site that it believes to talk to (DNS rebinding)."""
    server = TrailServer(("127.0.0.1", 0), tmp_path, "trail", key)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        connection = http.client.HTTPConnection(*server.server_address)
        connection.putrequest("GET", "/trail?location", skip_host=True)
        if host is not None:
            connection.putheader("Host", host)
        connection.endheaders()
        assert connection.getresponse().status == status
        connection.close()
    finally:
        server.shutdown()
        server.server_close()


# --- queries -----------------------------------------------------------------------------------------------


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(query, "CHUNK", 16)


def asked(ledger, folder, sql):
    source = Source(ledger)
    query.refresh(source, folder)
    return query.ask(source, folder, sql).rows


@pytest.mark.slow
@pytest.mark.usefixtures("small_chunks")
def test_a_query_sees_every_record_in_files_and_behind_them(ledger, tmp_path):
    sql = "SELECT count(*), min(index), max(index), sum(input_tokens) FROM records WHERE kind = 'exchange'"
    calls = [number for number in range(COUNT) if number % 11 != 10]
    expected = [(len(calls), 0, COUNT - 1, sum(100 + number for number in calls))]
    assert list(asked(ledger, tmp_path, sql)) == expected
    assert len(list(tmp_path.rglob("*.parquet"))) == 2
    assert list(asked(ledger, tmp_path, sql)) == expected
    found = asked(ledger, tmp_path, "SELECT time, roles, reasons[1].code FROM records WHERE index = 1")
    assert found == ((datetime(2026, 3, 1, 10, 6, tzinfo=UTC), ["engineer"], "allowed"),)


@pytest.mark.usefixtures("small_chunks")
def test_files_of_queries_are_their_owner_s(ledger, tmp_path):
    folder = tmp_path / "query"
    folder.mkdir(mode=0o755)
    asked(ledger, folder, "SELECT 1")
    modes = {path.is_dir(): stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.rglob("*"))}
    assert modes == {True: 0o700, False: 0o600}


@pytest.mark.slow
@pytest.mark.usefixtures("small_chunks")
def test_what_was_pruned_leaves_the_files_too(tmp_path):
    ledger, folder = tmp_path / "ledger", tmp_path / "query"
    fill(ledger, 700)
    assert asked(ledger, folder, "SELECT count(*) FROM records") == ((700,),)
    prune(ledger, KEY, 300)
    assert asked(ledger, folder, "SELECT count(*), min(index) FROM records") == ((700 - 256, 256),)


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "COPY records TO '/tmp/keepstone-escaped.csv'",
        "SET enable_external_access = true",
        "INSTALL httpfs",
        "ATTACH '/tmp/keepstone-escaped.db'",
        "SELECT * FROM elsewhere",
        "SELEC 1",
        "COPY (SELECT 1) TO '/tmp/keepstone-escaped.csv'",
        "SELECT 1; DROP VIEW records",
        "DELETE FROM tail",
    ],
)
def test_a_query_reads_nothing_but_the_record(ledger, tmp_path, sql):
    with pytest.raises(UsageError, match=r"the query failed|a query only reads"):
        asked(ledger, tmp_path, sql)


def test_the_columns_and_the_rows_agree(ledger, tmp_path):
    (row,) = asked(ledger, tmp_path, "SELECT * FROM records WHERE index = 0")
    named = dict(zip(schema().names, row, strict=True))
    assert (named["principal"], named["model"], named["status"]) == ("bob", "anthropic.claude-v2:1", 200)
    assert named["latency_us"] == 1500
    assert named["upstream"] == "signed"
    assert named["response_bytes"] == 300
