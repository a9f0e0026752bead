"""Each test that asks for `backend` runs on every backend that can show what it needs.

A test says what it needs with `@pytest.mark.needs(Feature.X)`; a backend that lacks it gives no test at all, instead of
one that is skipped every time.
"""

from __future__ import annotations

import pytest

from tests.contract.backends import FEATURES, Backend, FakeBackend, KafkaBackend

_GROUPS = {"apache_kafka": "apache-kafka", "embedded_broker": "embedded", "mock_cluster": "embedded"}


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", "needs(*features): what a backend must be able to show for this test")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each test the backends that can show what it needs."""
    if "backend" in metafunc.fixturenames:
        needed = {feature for marker in metafunc.definition.iter_markers("needs") for feature in marker.args}
        capable = [
            # Known here already, since tests are grouped by the brokers they use before any fixture is made.
            pytest.param(name, marks=() if name == "fake" else pytest.mark.xdist_group(_GROUPS[name]))
            for name, features in FEATURES.items()
            if needed <= features
        ]
        metafunc.parametrize("backend", capable, indirect=True)


@pytest.fixture
def backend(request: pytest.FixtureRequest) -> Backend:
    """The backend of this name."""
    return FakeBackend() if request.param == "fake" else KafkaBackend(request.getfixturevalue(request.param))
