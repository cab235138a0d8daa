import pytest

from tests.conftest import write_membranes


@pytest.fixture
def folder(tmp_path):
    return write_membranes(tmp_path / "data", 3, 2)
