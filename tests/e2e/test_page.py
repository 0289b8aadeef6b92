"""The page in a real browser, over real workers: it shows, it changes, and nothing that somebody wrote runs in it."""

import asyncio
import os
import re
import secrets

import httpx
import orjson
import pytest
import pytest_asyncio
from redis import Redis
from selenium.webdriver.common.keys import Keys as Keyboard

from askonce import Question
from askonce.contract.keys import Keys
from askonce.contract.packed_counters import live_hour
from askonce.operator.access_keys import AccessKeys
from askonce.serve.page.viewers import csrf_of
from support import page_data
from support.asking import client_for, settings_for
from support.browser import CHROMIUM, DRIVER, WIDTHS, browser
from support.front_door import front_door
from support.worker_process import until, workers

pytestmark = pytest.mark.skipif(
    None in (CHROMIUM, DRIVER) and "CI" not in os.environ,
    reason="no chromium here: tests/chromium.sh brings it on Debian",
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(valkey_url, embedded_qdrant_url, llm_process):
    settings = settings_for(valkey_url, embedded_qdrant_url, llm_process, f"test-{secrets.token_hex(4)}")
    settings |= {"ASKONCE_BATCH_WAIT": "0.05", "ASKONCE_BATCH_MARGIN": "2"}
    with Redis.from_url(valkey_url) as redis:
        page_data.counters(redis, Keys(settings["ASKONCE_KEY_PREFIX"]), days=2)
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


@pytest.fixture
def ask(stack):
    settings, _ = stack

    def asked(*texts, namespace="shop", **fields):
        async def each():
            async with client_for(settings, namespace=namespace) as client:
                return [await client.ask(text, timeout=60, **fields) for text in texts]

        return asyncio.run(each())

    return asked


@pytest.fixture
def http(stack):
    with httpx.Client(base_url=stack[1].root, timeout=30) as http:
        yield http


HOSTILE = (
    """<script>document.title = "owned"</script><img src="x" onerror="document.title = 'owned'">' " \u202e {{7*7}}"""
)


@pytest.mark.parametrize("width", WIDTHS)
def test_savings_fit_a_desk_and_a_phone(chromium, width):
    chromium.be(width)
    chromium.open("/ui/")
    assert chromium.one("h1").text == "Savings"
    assert len(chromium.all(".chart canvas")) == 2
    assert "were answered without calling the LLM" in chromium.one(".lead").text
    assert chromium.overflow == 0
    chromium.with_text(".choice label", "30 days").click()
    chromium.wait(lambda: "period=month" in chromium.driver.current_url)
    assert "by the day" in chromium.one("figcaption").text
    assert chromium.overflow == 0


def test_what_others_wrote_runs_nowhere_and_breaks_no_page(chromium, ask, llm_server):
    llm_server.call("POST", "/control", {"chat": {"answer": HOSTILE}})
    ask(f"what is {HOSTILE}? [gh1]", f"please what is {HOSTILE}? [gh1]")
    for width in WIDTHS:
        chromium.be(width)
        assert HOSTILE[:40] in chromium.shown("/ui/matches", ".match", "document.title").text
        chromium.open("/ui/entries?text=OWNED")
        chromium.with_text(".list a", "document.title").click()
        chromium.with_text("h1", "A cached answer")
        assert chromium.text.count('<script>document.title = "owned"</script>') == 2  # the question, and the answer
        for path in ("matches", "entries", "work"):
            chromium.open(f"/ui/{path}")
            assert chromium.driver.title.endswith(" · askonce")
            assert chromium.overflow == 0, (path, width)
    assert chromium.all("main script, main img") == []


def test_a_wrong_match_is_reported_by_a_click_and_not_made_again(chromium, ask, llm_server):
    asked, again = "How do I return a red parcel? [gw1]", "kindly, How do I return a red parcel? [gw1]"
    assert [answer.source for answer in ask(asked, again)] in (["llm", "semantic"], ["llm", "inflight"])
    chromium.be("desk")
    match = chromium.shown("/ui/matches", ".match", again)
    assert "reaches 0.95" in match.text
    assert [mark.text.strip() for mark in match.find_elements("css selector", "mark")] == ["kindly,"]
    match.find_element("css selector", "button[value=wrong]").click()
    assert "never matched again" in chromium.with_text(".match", "marked as wrong").text
    assert ask(again)[0].source == "llm"
    chromium.shown("/ui/matches?show=judged", ".match", again)


def test_labels_are_rows_for_evaluate(http):
    [row] = [orjson.loads(line) for line in http.get("/ui/matches/labels.jsonl").content.splitlines()]
    assert (row["same"], row["by"], row["namespace"]) == (False, "person", "shop")


def test_a_question_is_explained_and_its_answer_seen_refreshed_and_deleted(chromium, ask, llm_server):
    ask("Where is the cellar? [ge1]")
    chromium.be("phone")
    chromium.open("/ui/entries")
    chromium.one("textarea[name=text]").send_keys("so Where is the cellar? [ge1]")
    chromium.one("#why input[name=model]").send_keys("test-model")
    chromium.one("#why input[name=namespace]").send_keys("shop")
    chromium.one("#why button.primary").click()
    assert "hit" in chromium.one(".explained .tag").text
    assert "The answer to another question serves this one" in chromium.text
    assert chromium.overflow == 0
    chromium.with_text(".explained a", "Where is the cellar?").click()
    chromium.with_text("button", "Ask again").click()
    chromium.with_text("[role=status]", "Asked again as job")
    address = chromium.driver.current_url.removesuffix("/refresh")

    async def asked():
        return (await llm_server.stats())["chat"]["calls"] == 2

    asyncio.run(until(asked, what="the second call"))
    chromium.driver.get(address)
    chromium.with_text("button", "Delete").click()
    chromium.wait(lambda: chromium.driver.switch_to.alert, "the question whether").accept()
    chromium.with_text("h2", "In the cache")
    assert ask("Where is the cellar? [ge1]")[0].source == "llm"


def test_work_shows_what_was_given_up_and_an_invalidation_counts_first(chromium, ask, stack, llm_server):
    settings, _ = stack
    keys = Keys(settings["ASKONCE_KEY_PREFIX"])
    with Redis.from_url(settings["ASKONCE_REDIS_URL"]) as redis:
        redis.hset(keys.dead, mapping=page_data.dead_letters())
    chromium.be("desk")
    chromium.open("/ui/work")
    chromium.with_text(".tiles div", "Workers alive")
    letter = chromium.with_text(".list li", "job-2")
    letter.find_element("css selector", "button[value=drop]").click()
    chromium.wait(lambda: "job-2" not in chromium.text and "job-1" in chromium.text)
    chromium.with_text(".list li", "job-1").find_element("css selector", "button[value=replay]").click()
    chromium.wait(lambda: "job-1" not in chromium.text)
    assert ask("Why is it dark?", model="m")[0].source in ("exact", "inflight")  # it is asked again, once
    assert llm_server.call("GET", "/stats", None)["chat"]["texts"]["Why is it dark?"] == 1
    assert ask("Who lives here? [gi1]", namespace="tower")[0].source == "llm"
    chromium.one("form[action$=count] input[name=namespace]").send_keys("tower")
    chromium.with_text("button", "Count them first").click()
    assert "affected: 1 (of" in chromium.with_text("strong", "Entries").text
    chromium.with_text("button", "Invalidate them").click()
    chromium.with_text("h1", "Work")
    assert ask("Who lives here? [gi1]", namespace="tower")[0].source == "llm"


def test_new_matches_announce_themselves_while_a_provider_s_batch_is_cancelled(chromium, ask, stack, llm_server):
    settings, _ = stack
    llm_server.call("POST", "/control", {"batches": {"seconds": 3600}})
    asked, again = "How is the weather at sea? [gn1]", "kindly, How is the weather at sea? [gn1]"

    async def parked():
        async with client_for(settings, namespace="shop") as client:
            return await client.submit(Question("Who can wait? [gp1]", tier="batch"), lane="bulk")

    asyncio.run(parked())
    chromium.be("desk")
    chromium.open("/ui/matches?order=new")
    assert chromium.all(".news a") == []
    assert [answer.source for answer in ask(asked, again)] in (["llm", "semantic"], ["llm", "inflight"])
    with chromium.another_tab():
        button = chromium.shown("/ui/work", "tbody button.danger", "Cancel")
        button.click()
        chromium.wait(lambda: chromium.driver.switch_to.alert, "the question whether").dismiss()
        button.click()
        chromium.wait(lambda: chromium.driver.switch_to.alert, "the question whether").accept()
        row = chromium.shown("/ui/work", "tbody tr", "cancelled")
        assert row.find_elements("css selector", "button") == []
    chromium.with_text(".news a", "new").click()
    assert again in chromium.one(".match").text


def test_savings_are_printed_without_what_is_for_the_screen_alone(chromium):
    chromium.be("desk")
    chromium.open("/ui/")
    chromium.driver.execute_script("window.print = () => { document.body.dataset.printed = 'yes'; }")
    chromium.with_text("[data-print]", "Print").click()
    assert chromium.one("body").get_attribute("data-printed") == "yes"
    for_screen = (".bar", ".filters", ".no-print")
    assert [any(each.is_displayed() for each in chromium.all(css)) for css in for_screen] == [True, True, True]
    with chromium.on_paper():
        assert [any(each.is_displayed() for each in chromium.all(css)) for css in for_screen] == [False, False, False]
        assert [each.is_displayed() for each in chromium.all(".chart canvas")] == [True, True]
        assert chromium.overflow == 0


LABELS = """
window.drawn = [];
const write = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
  drawn.push(text);
  write.call(this, text, ...rest);
};
"""


def test_long_names_and_huge_numbers_fit_a_phone(chromium, stack, ask):
    settings, _ = stack
    namespace, model = "n" * 64, "model-" * 14
    with Redis.from_url(settings["ASKONCE_REDIS_URL"]) as redis:
        bucket = Keys(settings["ASKONCE_KEY_PREFIX"]).stats(live_hour(redis.time()[0] // 3600))
        redis.hincrby(bucket, f"exact|{namespace}|{model}", 11_553_108_990)
    asked, again = "How long is it? [gl1]", "so How long is it? [gl1]"
    ask(asked, again, namespace=namespace, model=model)
    for path, css, text in (
        (f"/ui/savings?namespace={namespace}", ".tiles", "11,553,108,99"),
        ("/ui/matches", ".match", again),
        ("/ui/entries", ".list", asked),
    ):
        for width in ("phone", "small"):
            chromium.be(width)
            chromium.shown(path, css, text)
            assert chromium.overflow == 0, (path, width)
    chromium.shown(f"/ui/savings?namespace={namespace}", ".tiles", "11,553,108,99")
    chromium.driver.execute_script(LABELS)
    chromium.be("desk")  # the charts are drawn again
    labels = chromium.wait(lambda: chromium.driver.execute_script("return drawn"), "labels")
    assert [label for label in labels if len(label) > 7] == []
    assert "10B" in labels


def test_a_text_goes_the_way_its_script_goes(chromium, ask):
    ask("كيف أعيد الطرد؟ [gr1]", "How do I send it back? [gr2]")
    chromium.be("phone")
    begins = {}
    for text in ("[gr1]", "[gr2]"):
        chromium.shown("/ui/entries", ".list a", text).click()
        chromium.with_text("h1", "A cached answer")
        begins[text] = chromium.driver.execute_script(
            "const text = document.querySelector('main .text').firstChild, range = document.createRange();"
            "range.setStart(text, 0); range.setEnd(text, 1); return range.getBoundingClientRect().left"
        )
    assert begins["[gr1]"] > 200 > begins["[gr2]"]


def test_a_change_needs_the_page_s_own_form(http):
    page = http.get("/ui/work")
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert {"HttpOnly", "SameSite=strict"} <= set(page.headers["set-cookie"].split("; "))
    csrf = re.search(r'name="csrf" value="([^"]+)"', page.text)[1]
    refused = [
        http.post("/ui/work/invalidate", data={}),
        http.post("/ui/work/invalidate", data={"csrf": "x"}),
        http.post("/ui/work/invalidate", data={"csrf": csrf}, headers={"sec-fetch-site": "cross-site"}),
        http.get("/ui/work", headers={"host": "evil.example"}),
    ]
    assert [reply.status_code for reply in refused] == [403, 403, 403, 403]
    assert http.post("/ui/work/count", data={"csrf": csrf, "model": "no-such"}).status_code == 200
    assert http.post("/ui/work/invalidate", data={"csrf": csrf, "namespace": "a b"}).status_code == 400
    assert http.get("/ui/nowhere").status_code == 404


def test_who_has_a_key_logs_in_and_sees_and_changes_what_it_allows(chromium, http, stack):
    settings, _ = stack
    ada = "ada-" + 60 * "a"
    keys = AccessKeys(settings["ASKONCE_REDIS_URL"], key_prefix=settings["ASKONCE_KEY_PREFIX"])

    async def added():
        async with keys:
            return await keys.add(ada, namespace="shop", rights=frozenset({"read"}))

    async def removed():
        async with keys:
            await keys.remove(ada)

    token = asyncio.run(added())
    chromium.wait(lambda: chromium.open("/ui/") or "/login" in chromium.driver.current_url, "the need of a key")
    chromium.one("input[name=key]").send_keys("wrong", Keyboard.ENTER)
    chromium.with_text("[role=alert]", "Unknown key")
    assert all("403" in each for each in chromium.complaints())
    chromium.one("input[name=key]").send_keys(token, Keyboard.ENTER)
    chromium.with_text(".who", f"Key {ada}")
    for width in WIDTHS:
        chromium.be(width)
        assert chromium.overflow == 0, width
    namespaces = {each.text for each in chromium.all("select[name=namespace] option")}
    assert namespaces == {"all", "shop"}
    chromium.open("/ui/work")
    assert "read only" in chromium.text
    assert chromium.all("main form") == []
    cookie = chromium.driver.get_cookie("askonce_page")["value"]
    csrf = csrf_of(cookie)
    denied = http.post("/ui/work/invalidate", data={"csrf": csrf}, headers={"cookie": f"askonce_page={cookie}"})
    assert (denied.status_code, "lacks the right operator" in denied.text) == (403, True)
    chromium.with_text("button", "Log out").click()
    chromium.with_text("h1", "Log in")
    assert http.get("/ui/work", headers={"cookie": f"askonce_page={cookie}"}).status_code == 303
    asyncio.run(removed())
