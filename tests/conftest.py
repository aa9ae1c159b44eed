"""Fixtures of the black-box tests."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "support"))

from blackbox import Receiver, Tributary  # noqa: E402


@pytest.fixture
def tributary():
    with Tributary() as process:
        yield process


@pytest.fixture
def receiver():
    with Receiver() as server:
        yield server
