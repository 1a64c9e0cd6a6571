"""Are questions asked and answers judged as they should be, without a lab?"""

import pathlib

import pytest

from pytest_vpclab import Denied, Network, NotRun, VpclabError

CONFIGS = pathlib.Path(__file__).resolve().parents[3] / "configs"


@pytest.fixture
def quickstart():
    return Network(CONFIGS / "quickstart.json")


@pytest.fixture
def three_tier():
    return Network(CONFIGS / "three-tier.json")


def test_explain_is_the_json_of_the_command(quickstart):
    yes = quickstart.explain("web-1", "db-1:5432")
    assert (yes["reachable"], yes["level"], yes["to"]["port"]) == (True, "explain", "5432")
    no = quickstart.explain("web-1", "db-1", port=22, protocol="tcp", family=4)
    assert no["reachable"] is False
    assert [blocker["code"] for blocker in no["blockers"]] == ["SUBNET_ACL_RESTRICTION", "ENI_SG_RULES_MISMATCH"]
    assert quickstart.explain("web-1", "169.254.169.254:80")["reachable"] is None


@pytest.mark.parametrize("level", ["explain", "virtual"])
def test_assertions_hold_or_raise_with_the_reason(quickstart, level):
    quickstart.assert_allowed("web-1", "db-1:5432", level=level, source_seen="10.0.1.10")
    quickstart.assert_denied("web-1", "db-1:22", level=level, because={"code": "SUBNET_ACL_RESTRICTION", "rule": 200})
    with pytest.raises(Denied, match=f"dropped at level {level}\n  expected allowed, and it is silently dropped"):
        quickstart.assert_allowed("web-1", "db-1:22", level=level)
    with pytest.raises(Denied, match="expected denied, and it is allowed"):
        quickstart.assert_denied("web-1", "db-1:5432", level=level)
    # Unknown passes for neither.
    for check in (quickstart.assert_allowed, quickstart.assert_denied):
        with pytest.raises(Denied, match="explain cannot tell"):
            check("web-1", "169.254.169.254:80", level="explain")


def test_everything_that_a_file_can_say_can_be_said(three_tier):
    three_tier.assert_only("db-a:5432", ["app", "db-b"])
    with pytest.raises(Denied, match="app-b → db-a: expected denied, and it is allowed"):
        three_tier.assert_only("db-a:5432", "app-a")
    three_tier.assert_allowed("app-a", "client:443", family=4, path=["nat-a", "igw"])
    three_tier.assert_denied("app-a", "client:443", family=4, when={"down": "nat-a"}, because={"code": "BAD_STATE_ROUTE"})
    report = three_tier.check_file(CONFIGS / "three-tier.tests.json")
    assert report["failed"] == 0 and report["passed"] > 10


def test_what_could_not_run_has_not_passed(quickstart):
    with pytest.raises(NotRun, match="guests do not speak protocol 50"):
        quickstart.assert_denied("web-1", "db-1/50")


def test_a_wrong_question_tells_all_its_mistakes(quickstart):
    with pytest.raises(VpclabError, match="did you mean `web-1`") as wrong:
        quickstart.explain("wbe-1", "db-1:22")
    assert wrong.value.code == "InvalidInstanceID.NotFound"
    with pytest.raises(VpclabError) as wrong:
        quickstart.assert_allowed("wbe-1", "dbb-1:22")
    assert [mistake["attribute"] for mistake in wrong.value.mistakes] == ["from", "to"]
    with pytest.raises(VpclabError, match="there is no file"):
        Network("nowhere.json").explain("a", "b:1")


def test_a_binary_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setenv("VPCLAB_BINARY", "/nowhere/vpclab")
    with pytest.raises(VpclabError, match="there is no program /nowhere/vpclab"):
        Network("a.json")
