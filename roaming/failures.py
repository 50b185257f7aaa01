"""What went wrong with a partner, as it is kept, and as staff read it in their own language.

What is kept is English, with all details: it is in logs and commands as well.
"""

from cpo_platform.common import wording
from cpo_platform.common.saying import Saying, say
from cpo_platform.common.text import storable
from cpo_platform.common.wording import NETWORK, Words, words_for, words_of

FOUND_THERE = say("Delivered, though the first answer was lost: it was found there.")
NOT_COMPARED = say(
    "Delivered, though the first answer was lost: %(reason)s. It could not be compared: the "
    "partner does not show it."
)
MAY_HAVE_IT = say("The first answer was lost, so the partner may have it. It says now: %(reason)s")
NO_PLACE = say("The partner did not say where it keeps the CDR (no Location header).")
ANOTHER_CDR = say("The partner has another CDR under this id, at %(url)s.")
WAITS = say("It waits for the CDR before it.")
COMMAND_TOO_LATE = say("too late: the command's timeout had passed")
REQUEST_TOO_LATE = say("too late: the request's timeout had passed")
NO_ENVELOPE = say("HTTP %(status)s without an OCPI answer: %(why)s")
NO_CODE = say("status_code is missing or none")
INTERNAL = say("internal error: %(error)s")
PAGE_FAILED = say("GET %(module)s, page %(number)s (%(url)s): %(reason)s")
NOT_A_LIST = say("data is not a list")
SAME_PAGE = say("%(module)s: page %(number)s was there before (%(url)s)")
MANY_PAGES = say("%(module)s: more than %(count)s pages")
TOKEN_A_REFUSED = say(
    "The partner refuses token A, plain and in Base64 (%(reason)s): it is mistyped, was used "
    "already, or has ended. Ask the partner for a new one."
)
THEIR_TOKEN_REFUSED = say(
    "The partner refuses the token of its own credentials, plain and in Base64 (%(reason)s): it "
    "has to let us in with it before it sends them."
)
NO_VERSIONS = say(
    "There is nothing at this URL (%(reason)s): it is mistyped, or not the versions URL. Ask the "
    "partner for that; it usually ends in /versions."
)

_WORDS: Words = [
    *words_of(
        *(FOUND_THERE, NOT_COMPARED, MAY_HAVE_IT, NO_PLACE, ANOTHER_CDR, WAITS),
        *(COMMAND_TOO_LATE, REQUEST_TOO_LATE, NO_ENVELOPE, NO_CODE, INTERNAL),
        *(PAGE_FAILED, NOT_A_LIST, SAME_PAGE, MANY_PAGES),
        *(TOKEN_A_REFUSED, THEIR_TOKEN_REFUSED, NO_VERSIONS),
    ),
    *words_for(r".+: line \d+ column \d+ \(char \d+\)", say("it is not JSON")),
    *NETWORK,
]


def internal(error: Exception) -> Saying:
    """Return what is kept of an error of our own."""
    return INTERNAL.filled(error=f"{type(error).__name__}: {storable(str(error))}")


def in_words(said: str) -> str:
    """Say a failure that was kept in the language of who reads it."""
    return wording.in_words(said, _WORDS)
