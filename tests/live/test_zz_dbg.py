from tests.live.test_browser import *
from tests.live.conftest import *
def test_dbg(open_tab, context, make_robot, organization_a):
    context.on("console", lambda m: print("CONSOLE", m.text))
    context.on("response", lambda r: print("RESP", r.status, r.url, r.all_headers()))
    context.on("requestfailed", lambda r: print("FAILED", r.url, r.failure))
    page = open_tab()
    page.wait_for_timeout(3000)
    print(page.evaluate("[events, navigator.locks === undefined, isSecureContext]"))
    print(page.evaluate("navigator.locks.query()"))
    print(open_tab.streams())
    assert 0
