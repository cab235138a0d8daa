"""The table of networks as backbones: none wrong, and some as they say."""

import sys

import pytest

from tests.test_readme import ROOT

pytestmark = pytest.mark.once

# Exact, approximate and refused ones of each package.
ROWS = (
    "applications MobileNet",
    "hub MobileNet",
    "zeromodels ConvNeXt V2",
    "zeromodels RegNetX",
    "zeromodels PiT",
)


@pytest.fixture(scope="module")
def table():
    pytest.importorskip("keras_hub", exc_type=ImportError)
    pytest.importorskip("zeromodels")
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import backbones
    finally:
        sys.path.pop(0)
    return backbones


def kind(cell):
    return cell.split(":")[0]


def test_no_cell_is_wrong(table):
    rows = table.read()
    assert len(rows) >= 60 and rows.keys() <= table.NETWORKS.keys()
    cells = [
        row[key]
        for row in rows.values()
        for key in ("head", "pyramid", "stride")
    ]
    kinds = {"exact", "approximate", "refused", "not built"}
    assert set(map(kind, cells)) <= kinds
    page = (table.HERE / "backbones.md").read_text()
    assert page == table.text(rows.values())


@pytest.mark.parametrize("name", ROWS)
def test_rows_are_as_measured(table, name):
    row = table.read()[name]
    for key, cell in table.measure(table.NETWORKS[name]).items():
        assert kind(cell) == kind(row[key])
