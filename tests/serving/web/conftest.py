"""One web part before a scripted gateway for all tests of REST."""

import pytest

from tests.serving.web.running import WebThread


@pytest.fixture(scope="module")
def web_thread():
    made = WebThread()
    yield made
    made.close()


@pytest.fixture
def web(web_thread):
    web_thread.gateway.reset()
    return web_thread


@pytest.fixture
def gateway(web):
    return web.gateway
