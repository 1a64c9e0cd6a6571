"""The measurements of scripts/bench: run that, not this."""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

RELEASE = pathlib.Path(sys.argv[1])
VPCLAB = str(RELEASE / "vpclab")
COPYLOOP = str(RELEASE / "examples" / "copyloop")
LAB = "bench"
ROUNDS = 5
SECONDS = 3
MTU = "9001"


def run(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


class EngineArm:
    """Two instances of configs/benchmark.json."""

    name = "vpclab"

    def __init__(self):
        run(VPCLAB, "up", "configs/benchmark.json", "--lab", LAB, "-d")
        self.client, self.server = f"vpclab-{LAB}-client", f"vpclab-{LAB}-server"
        self.address = "10.0.2.10"

    def close(self):
        run(VPCLAB, "down", "--lab", LAB)


class CopyArm:
    """The bare loop: every frame copied as it is."""

    name = "copy loop"

    def __init__(self):
        self.client, self.server = "vpclab-copy-a", "vpclab-copy-b"
        self.address = "10.9.0.2"
        self.loop = subprocess.Popen(
            [COPYLOOP, self.client, "tap0", "10.9.0.1/24", self.server, "tap0", "10.9.0.2/24", "600", MTU],
            stdout=subprocess.DEVNULL,
        )
        time.sleep(1)

    def close(self):
        self.loop.terminate()
        self.loop.wait(10)


def inside(netns, *command, **options):
    return run("ip", "netns", "exec", netns, *command, **options)


def iperf(arm, *options):
    """Received bits per second."""
    server = subprocess.Popen(
        ["ip", "netns", "exec", arm.server, "iperf3", "-s", "-1", "-J"], stdout=subprocess.DEVNULL
    )
    time.sleep(0.3)
    out = inside(arm.client, "iperf3", "-c", arm.address, "-t", str(SECONDS), "-J", *options)
    server.wait(10)
    end = json.loads(out)["end"]
    return end.get("sum_received", end.get("sum"))["bits_per_second"]


def ping(arm):
    """Mean round trip in microseconds."""
    out = inside(arm.client, "ping", "-q", "-c", "500", "-i", "0.002", arm.address)
    return float(out.rsplit("=", 1)[1].split("/")[1]) * 1000


def compare(label, unit, measure, arms):
    """Both arms in turn, A B B A and so on: medians, and the median of the ratios pair by pair."""
    figures = {arm.name: [] for arm in arms}
    for turn in range(ROUNDS):
        for arm in arms if turn % 2 == 0 else reversed(arms):
            figures[arm.name].append(measure(arm))
    ours, theirs = (figures[arm.name] for arm in arms)
    ratio = statistics.median(a / b for a, b in zip(ours, theirs))
    medians = ", ".join(f"{name} {statistics.median(values):.2f}" for name, values in figures.items())
    print(f"{label:<28} {medians} {unit}; ratio {ratio:.2f}", flush=True)


def start_up():
    """Time to ready and resident memory with the quickstart."""
    ready, memory = [], []
    for _ in range(ROUNDS):
        run(VPCLAB, "up", "configs/quickstart.json", "--lab", LAB, "-d")
        health = json.loads(
            run("curl", "-s", "--unix-socket", f"/run/vpclab/{LAB}/control.sock", "http://localhost/v1/health")
        )
        ready.append(health["ready_after_ms"])
        status = pathlib.Path(f"/proc/{health['pid']}/status").read_text()
        memory.append(int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]))
        run(VPCLAB, "down", "--lab", LAB)
    print(f"{'time to ready':<28} {statistics.median(ready):.0f} ms (from {min(ready)} to {max(ready)})")
    print(f"{'resident memory':<28} {statistics.median(memory) / 1024:.1f} MiB", flush=True)


def main():
    print(f"{time.strftime('%Y-%m-%d')}, Linux {os.uname().release}, {os.cpu_count()} processors")
    start_up()
    arms = [EngineArm(), CopyArm()]
    try:
        gigabits = 1e9
        compare("TCP, 1 stream", "Gb/s", lambda arm: iperf(arm) / gigabits, arms)
        compare("TCP, 4 streams", "Gb/s", lambda arm: iperf(arm, "-P", "4") / gigabits, arms)
        compare(
            "UDP, 64 bytes, delivered",
            "kpps",
            lambda arm: iperf(arm, "-u", "-b", "0", "-l", "64") / (64 * 8) / 1000,
            arms,
        )
        compare("ping round trip", "us", ping, arms)
    finally:
        for arm in arms:
            arm.close()
    print("engine in memory:", flush=True)
    subprocess.run(["cargo", "bench", "--locked", "-q", "-p", "vpclab-engine", "--bench", "packet"], check=True)


main()
