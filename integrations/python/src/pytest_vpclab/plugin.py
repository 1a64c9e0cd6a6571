"""Fixtures ``vpclab``, which asks a topology in a file, and ``lab``, which runs one.

The topology is that of the mark ``vpclab`` of the test, class or module, of the option ``--vpclab-topology``, or of
``vpclab_topology`` in the configuration, in this order; a path of a mark is from the test's own folder. A lab that cannot
start fails its tests: nothing is skipped.
"""

from __future__ import annotations

import pathlib
from typing import Iterator

import pytest

from .network import Lab, Network, VpclabError


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("vpclab")
    group.addoption("--vpclab-topology", metavar="FILE", help="the topology, JSON or YAML")
    group.addoption("--vpclab-binary", metavar="FILE", help="the vpclab binary, where it is not on the PATH")
    parser.addini("vpclab_topology", "the topology, from the folder of the configuration", default="")
    parser.addini("vpclab_binary", "the vpclab binary", default="")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "vpclab(topology): the topology that the fixtures `vpclab` and `lab` are about")


def _topology(request: pytest.FixtureRequest) -> pathlib.Path:
    mark = request.node.get_closest_marker("vpclab")
    if mark is not None and mark.args:
        return pathlib.Path(request.node.path).parent / mark.args[0]
    option = request.config.getoption("--vpclab-topology")
    if option:
        return request.config.invocation_params.dir / option
    ini = request.config.getini("vpclab_topology")
    if ini:
        return request.config.rootpath / ini
    raise pytest.UsageError(
        "no topology is named; give @pytest.mark.vpclab('shop.json'), --vpclab-topology or vpclab_topology in the configuration"
    )


def _binary(request: pytest.FixtureRequest) -> str | None:
    return request.config.getoption("--vpclab-binary") or request.config.getini("vpclab_binary") or None


@pytest.fixture
def vpclab(request: pytest.FixtureRequest) -> Network:
    """Asks the topology in its file, without root."""
    return Network(_topology(request), binary=_binary(request))


@pytest.fixture(scope="module")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """Runs the topology while the tests of a module do. The mark is the module's own: ``pytestmark = pytest.mark.vpclab(…)``."""
    running = Lab(_topology(request), binary=_binary(request))
    try:
        running.start()
    except VpclabError as error:
        pytest.fail(f"the lab cannot start: {error}", pytrace=False)
    try:
        yield running
    finally:
        running.stop()
