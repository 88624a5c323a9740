"""What the page on order tells people to copy is what the program takes."""

from __future__ import annotations

import re
from pathlib import Path

from safetycase.envelope.beacon import QUICKNET
from safetycase.envelope.dsse import decode_base64
from safetycase.methods.plan_order import MARGIN
from safetycase.record.yaml_text import read_yaml

PAGE = (Path(__file__).parents[2] / "docs/howto/prove-the-order.md").read_text("utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)


def test_the_beacon_is_quicknet() -> None:
    stated = "beacons:" + BLOCKS[2].split("beacons:")[1].split("minimum_tier")[0]
    [beacon] = read_yaml(stated, where="page")["beacons"]
    assert beacon == {
        "name": QUICKNET.name,
        "chain": QUICKNET.chain,
        "public_key": QUICKNET.public_key.hex(),
        "genesis": QUICKNET.genesis,
        "period": QUICKNET.period,
    }
    awaited = read_yaml(BLOCKS[1], where="page")["randomness"]
    assert awaited["chain"] == QUICKNET.chain
    assert PAGE.count(QUICKNET.chain) == 3
    assert f"{QUICKNET.genesis} + {QUICKNET.period} (*R* - 1)" in PAGE


def test_the_key_and_the_margin_are_of_the_size_that_is_asked_for() -> None:
    awaited = read_yaml(BLOCKS[0], where="page")["randomness"]
    assert len(decode_base64(awaited["public"], where="page")) == 32
    assert f"at least {MARGIN.seconds} seconds before the round" in PAGE
