"""Fixtures of the test LLM server: one process a test run, without orders and with counters at nought for each test."""

from collections.abc import Iterator

import pytest

from support.llm_server import LLMServer


@pytest.fixture(scope="session")
def llm_process() -> Iterator[LLMServer]:
    with LLMServer() as server:
        yield server


@pytest.fixture
def llm_server(llm_process: LLMServer) -> Iterator[LLMServer]:
    """Reset afterwards too: a fixture of the next module may use the process as it finds it."""
    llm_process.call("POST", "/control", {"reset": True})
    yield llm_process
    llm_process.call("POST", "/control", {"reset": True})


@pytest.fixture
def own_llm_server() -> Iterator[LLMServer]:
    """A server that the test may stop and start."""
    with LLMServer() as server:
        yield server
