"""What does vpclab say about this network?

What always holds: an answer that vpclab could not give is an error and never a yes or a no, and a test that could not run
has failed.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import tempfile
from typing import Any, Mapping, Optional, Sequence, Union

Path = Union[str, "os.PathLike[str]"]
Way = Union[str, Sequence[str]]

_counter = itertools.count()


class VpclabError(Exception):
    """The question was wrong, or vpclab could not be asked."""

    def __init__(self, code: str, message: str, mistakes: Sequence[Mapping[str, str]] = ()):
        lines = [
            f"{m.get('resource', '')}.{m.get('attribute', '')}: {m.get('problem', '')}; {m.get('remedy', '')}" for m in mistakes
        ]
        super().__init__("\n".join([f"{message} ({code})", *lines]))
        self.code = code
        self.mistakes = list(mistakes)


class Denied(AssertionError):
    """A test about the network has failed."""


class NotRun(Denied):
    """A test about the network could not run: nothing is known."""


def find_binary(binary: Optional[Path] = None) -> str:
    """The vpclab binary: the one given, that of VPCLAB_BINARY, or the first on the PATH."""
    wanted = os.fspath(binary or os.environ.get("VPCLAB_BINARY") or "vpclab")
    found = shutil.which(wanted)
    if found is None:
        raise VpclabError("NoBinary", f"there is no program {wanted}; put vpclab on the PATH, or name it in VPCLAB_BINARY")
    return found


class _Asked:
    """What can be asked of a network, wherever it is."""

    level = "virtual"

    def __init__(self, binary: Optional[Path] = None):
        self.binary = find_binary(binary)

    def _where(self) -> list[str]:
        """The options that name the network."""
        raise NotImplementedError

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if name != "VPCLAB_LAB"}
        return subprocess.run(
            [self.binary, *arguments], capture_output=True, text=True, env=environment, check=False
        )

    def _json(self, *arguments: str) -> Any:
        done = self._run(*arguments, "--json")
        try:
            told = json.loads(done.stdout)
        except ValueError:
            raise VpclabError("InternalError", done.stderr.strip() or f"vpclab ended with {done.returncode}") from None
        if isinstance(told, dict) and isinstance(told.get("error"), dict):
            error = told["error"]
            raise VpclabError(error.get("code", ""), error.get("message", ""), error.get("mistakes", ()))
        return told

    def explain(
        self,
        source: str,
        destination: str,
        *,
        port: Optional[int] = None,
        protocol: Optional[str] = None,
        source_port: Optional[int] = None,
        family: Optional[int] = None,
    ) -> dict[str, Any]:
        """Why a packet passes or dies: the JSON of ``vpclab explain``. ``reachable`` is None where that is unknown."""
        arguments = ["explain", "--from", source, "--to", destination]
        options = {"--port": port, "--protocol": protocol, "--source-port": source_port, "--family": family}
        for option, value in options.items():
            if value is not None:
                arguments += [option, str(value)]
        return self._json(*arguments, *self._where())

    def run_tests(self, tests: Sequence[Mapping[str, Any]], *, level: Optional[str] = None) -> dict[str, Any]:
        """What tests come to, each as in a file of tests: the JSON of ``vpclab test``."""
        with tempfile.TemporaryDirectory(prefix="pytest-vpclab-") as folder:
            path = os.path.join(folder, "pytest.tests.json")
            with open(path, "w", encoding="utf-8") as file:
                json.dump({"tests": list(tests)}, file)
            report = self._json("test", path, "--level", level or self.level, *self._where())
        for wrong in report.get("errors", ()):
            error = wrong["error"]
            raise VpclabError(error["code"], error["message"], error.get("mistakes", ()))
        return report

    def check_file(self, path: Path, *, level: Optional[str] = None) -> dict[str, Any]:
        """Runs a file of tests on this network, and fails if one of them does."""
        report = self._json("test", os.fspath(path), "--level", level or self.level, *self._where())
        for wrong in report.get("errors", ()):
            error = wrong["error"]
            raise VpclabError(error["code"], error["message"], error.get("mistakes", ()))
        _judge(report)
        return report

    def assert_allowed(self, source: str, destination: str, *, level: Optional[str] = None, **more: Any) -> None:
        """Fails unless ``source`` reaches ``destination`` and the reply returns.

        ``more`` are other keys of a test: ``port``, ``family``, ``source_seen``, ``path``, ``both_directions``, ``when``…
        """
        _judge(self.run_tests([{"from": source, "to": destination, "expect": "allowed", **more}], level=level))

    def assert_denied(self, source: str, destination: str, *, level: Optional[str] = None, **more: Any) -> None:
        """Fails unless the network denies it; ``because={"code": …}`` says for which reason."""
        _judge(self.run_tests([{"from": source, "to": destination, "expect": "denied", **more}], level=level))

    def assert_only(self, destination: str, allowed: Way, *, level: Optional[str] = None, **more: Any) -> None:
        """Fails unless these reach ``destination``, and nobody else does."""
        names = [allowed] if isinstance(allowed, str) else list(allowed)
        _judge(self.run_tests([{"to": destination, "only": names, **more}], level=level))


def _judge(report: Mapping[str, Any]) -> None:
    failed = [test for test in report["tests"] if not test["passed"]]
    if not failed:
        return
    lines = []
    for test in failed:
        outcome = test["outcome"] or "not run"
        lines.append(f"{test['name']}: {outcome} at level {test['level']}")
        lines += [f"  {failure}" for failure in test["failures"]]
    kind = NotRun if any(test["outcome"] is None for test in failed) else Denied
    raise kind("\n".join(lines))


class Network(_Asked):
    """A topology in a file: nothing runs, and no root is needed."""

    def __init__(self, topology: Path, *, binary: Optional[Path] = None):
        super().__init__(binary)
        self.topology = os.fspath(topology)

    def _where(self) -> list[str]:
        return ["-t", self.topology]


class Lab(_Asked):
    """A running lab: its instances are network namespaces, and its packets real. Needs root and /dev/net/tun."""

    level = "live"

    def __init__(self, topology: Path, *, name: Optional[str] = None, binary: Optional[Path] = None):
        super().__init__(binary)
        self.topology = os.fspath(topology)
        self.name = name or f"pytest-{os.getpid()}-{next(_counter)}"
        self.is_running = False

    def _where(self) -> list[str]:
        return ["--lab", self.name]

    def start(self) -> "Lab":
        """Starts it in the background; packets flow when this returns."""
        self._json("up", self.topology, "-d", *self._where())
        self.is_running = True
        return self

    def stop(self) -> None:
        """Stops it; nothing is left behind."""
        if self.is_running:
            self.is_running = False
            self._json("down", *self._where())

    def __enter__(self) -> "Lab":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def exec(
        self, instance: str, *command: str, check: bool = True, timeout: Optional[float] = 60, **more: Any
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command inside an instance; as ``subprocess.run``, with its output as text."""
        arguments = [self.binary, "exec", instance, *self._where(), "--", *command]
        return subprocess.run(arguments, capture_output=True, text=True, check=check, timeout=timeout, **more)

    def apply(self, topology: Path) -> dict[str, Any]:
        """Makes it match another file: one atomic change, which every packet from then on obeys."""
        return self._json("apply", os.fspath(topology), *self._where())
