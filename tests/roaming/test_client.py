"""What a partner's answer means, whatever module it belongs to (OCPI transport, status codes)."""

import pytest

from roaming.client import Reply, Request, Verdict

REQUEST = Request("PUT", "https://emsp.example/locations")


@pytest.mark.rule("TR-31", "TR-32")
@pytest.mark.parametrize(
    ("http_status", "status_code", "verdict"),
    [
        (200, 1000, Verdict.DONE),
        (201, 1999, Verdict.DONE),
        (200, None, Verdict.TROUBLE),
        (200, 2000, Verdict.REFUSED),
        (200, 2003, Verdict.UNKNOWN_OBJECT),
        (200, 3000, Verdict.TROUBLE),
        (302, 1000, Verdict.TROUBLE),
        (400, 2001, Verdict.REFUSED),
        (404, None, Verdict.UNKNOWN_OBJECT),
        (404, 1000, Verdict.UNKNOWN_OBJECT),
        (500, 1000, Verdict.TROUBLE),
        (None, None, Verdict.TROUBLE),
        # 4xxx is the hub's own trouble: the receiver behind it has said nothing.
        (200, 4000, Verdict.TROUBLE),
        (404, 4001, Verdict.TROUBLE),
        (400, 4003, Verdict.TROUBLE),
    ],
)
def test_only_http_2xx_with_1xxx_is_success_and_a_hubs_trouble_is_not_the_receivers(
    http_status: int | None, status_code: int | None, verdict: Verdict
) -> None:
    reply = Reply(REQUEST, http_status, status_code=status_code)

    assert reply.verdict is verdict
    assert reply.ok is (verdict is Verdict.DONE)
