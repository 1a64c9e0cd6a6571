"""Does a lab start, do its packets flow, and is nothing left? Needs root and /dev/net/tun."""

import json
import os
import pathlib
import subprocess

import pytest

from pytest_vpclab import Denied, Lab

CONFIGS = pathlib.Path(__file__).resolve().parents[3] / "configs"

pytestmark = pytest.mark.skipif(
    os.environ.get("VPCLAB_LIVE") != "required" and not (os.geteuid() == 0 and os.path.exists("/dev/net/tun")),
    reason="a lab needs root and /dev/net/tun",
)


def test_a_lab_runs_and_is_gone_afterwards():
    with Lab(CONFIGS / "three-tier.json") as lab:
        assert lab.explain("app-a", "db-a:5432")["reachable"] is True
        lab.assert_allowed("app-a", "db-a:5432")
        lab.assert_denied("web-a", "db-a:5432", because={"code": "ENI_SG_RULES_MISMATCH"})
        lab.assert_denied("app-a", "client:443", family=4, when={"down": "nat-a"}, because={"code": "BAD_STATE_ROUTE"})
        # It has been put back.
        lab.assert_allowed("app-a", "client:443", family=4, source_seen="203.0.113.9")
        with pytest.raises(Denied, match="at level live"):
            lab.assert_allowed("web-a", "db-a:5432")
        addresses = json.loads(lab.exec("app-a", "ip", "-j", "address").stdout)
        assert any(own["local"].startswith("10.0.10.") for link in addresses for own in link["addr_info"])
        with pytest.raises(subprocess.CalledProcessError):
            lab.exec("app-a", "false")
        name = lab.name
    done = subprocess.run([lab.binary, "map", "--lab", name], capture_output=True, text=True, check=False)
    assert done.returncode == 2
