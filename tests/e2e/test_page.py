"""The page in a real browser, over real workers: it shows, it changes, and nothing that somebody wrote runs in it."""

import os
import secrets

import pytest
import pytest_asyncio
from redis import Redis

from askonce.contract.keys import Keys
from support import page_data
from support.asking import settings_for
from support.browser import CHROMIUM, DRIVER, WIDTHS, browser
from support.front_door import front_door
from support.worker_process import workers

pytestmark = pytest.mark.skipif(
    None in (CHROMIUM, DRIVER) and "CI" not in os.environ,
    reason="no chromium here: tests/chromium.sh brings it on Debian",
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(valkey_url, embedded_qdrant_url, llm_process):
    settings = settings_for(valkey_url, embedded_qdrant_url, llm_process, f"test-{secrets.token_hex(4)}")
    with Redis.from_url(valkey_url) as redis:
        page_data.counters(redis, Keys(settings["ASKONCE_KEY_PREFIX"]))
    async with workers(1, settings), front_door(settings) as door:
        yield settings, door


@pytest.fixture(scope="module")
def chromium(stack):
    with browser(stack[1].root) as found:
        yield found


@pytest.fixture(autouse=True)
def nothing_leaves_the_machine(chromium):
    yield
    assert {url for url in chromium.requested() if not url.startswith(chromium.root + "/ui")} == set()
    assert chromium.complaints() == []


@pytest.mark.parametrize("width", WIDTHS)
def test_savings_fit_a_desk_and_a_phone(chromium, width):
    chromium.be(width)
    chromium.open("/ui/")
    assert chromium.one("h1").text == "Savings"
    assert len(chromium.all(".chart canvas")) == 2
    assert "were answered without asking the LLM" in chromium.one(".lead").text
    assert chromium.overflow == 0
    chromium.with_text(".choice label", "30 days").click()
    chromium.wait(lambda: "period=month" in chromium.driver.current_url)
    assert "by the day" in chromium.one("figcaption").text
    assert chromium.overflow == 0
