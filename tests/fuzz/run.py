"""`make fuzz`: atheris on every codec, each for a bounded time; guided by coverage of our own code.

python -m tests.fuzz.run 20           every codec, 20 seconds each
python -m tests.fuzz.run 20 converse  one of them
"""

import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> int:
    """Fuzz one codec in this process, or each in a process of its own."""
    seconds, *names = sys.argv[1:] or ["20"]
    if len(names) == 1:
        _fuzz(names[0], seconds)
    from tests.fuzz.codecs import CODECS  # noqa: PLC0415 - after instrumentation in the process that fuzzes

    failed = []
    for name in names or CODECS:
        command = [sys.executable, "-m", "tests.fuzz.run", seconds, name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        print(f"{'ok    ' if done.returncode == 0 else 'FAILED'}  {name}", flush=True)
        if done.returncode:
            failed.append(name)
            print(done.stderr[-4000:])
    return 1 if failed else 0


def _fuzz(name: str, seconds: str) -> None:
    import atheris  # noqa: PLC0415 - a native library that only this process needs

    with atheris.instrument_imports(include=["keepstone.gateway.wire", "keepstone.gateway.dialects"]):
        from tests.fuzz.codecs import CODECS, HEAD, holds  # noqa: PLC0415
    codec = CODECS[name]
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate((*HEAD.values(), b"messageStart {}\ncontentBlockDelta {}")):
            (Path(corpus) / str(number)).write_bytes(seed)
        options = [f"-max_total_time={seconds}", "-max_len=2048", "-rss_limit_mb=2048", "-verbosity=0"]
        options += [f"-artifact_prefix={corpus}/", "-timeout=10"]
        atheris.Setup([sys.argv[0], *options, corpus], lambda data: holds(codec, data))
        atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
