"""Do the fixtures find their topology, and does a lab that cannot start fail its tests?"""

import pathlib

import pytest

CONFIGS = pathlib.Path(__file__).resolve().parents[3] / "configs"
PLUGIN = ("-p", "pytest_vpclab.plugin")


@pytest.fixture(autouse=True)
def plugin_is_found(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(pathlib.Path(__file__).resolve().parent.parent / "src"))


def test_the_topology_is_that_of_the_mark_the_option_or_the_configuration(pytester):
    (pytester.path / "marked.json").write_text((CONFIGS / "quickstart.json").read_text())
    pytester.makepyfile(
        test_marked="""
        import pytest

        @pytest.mark.vpclab("marked.json")
        def test_marked(vpclab):
            vpclab.assert_allowed("web-1", "db-1:5432")
            assert vpclab.topology.endswith("marked.json")
        """,
        test_plain="""
        def test_plain(vpclab):
            vpclab.assert_only("db-a:5432", ["app", "db-b"])
        """,
    )
    three_tier = str(CONFIGS / "three-tier.json")
    pytester.runpytest_subprocess(*PLUGIN, "--vpclab-topology", three_tier).assert_outcomes(passed=2)
    pytester.makeini(f"[pytest]\nvpclab_topology = {three_tier}\n")
    pytester.runpytest_subprocess(*PLUGIN).assert_outcomes(passed=2)


def test_without_a_topology_the_test_says_how_to_name_one(pytester):
    pytester.makepyfile("def test_it(vpclab): pass")
    result = pytester.runpytest_subprocess(*PLUGIN)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*no topology is named*"])


def test_a_lab_that_cannot_start_fails_its_tests_and_skips_none(pytester):
    (pytester.path / "wrong.json").write_text('{"vpcs": {"v": {"cidr_blok": "10.0.0.0/16"}}}')
    pytester.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.vpclab("wrong.json")

        def test_it(lab):
            lab.assert_allowed("a", "b:1")
        """
    )
    result = pytester.runpytest_subprocess(*PLUGIN)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*the lab cannot start: *"])
