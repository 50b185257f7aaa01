"""Sentences that were kept or raised in English, said again in the language of who reads them.

What the network, a rule or a worker says is English: for logs, partners, commands and whoever
searches for it. Pages for staff recognise the sentence, and say it in plain words. What nobody has
words for here, as a partner's own text, stays as it is.
"""

import re
from collections.abc import Iterator, Sequence

from cpo_platform.common.saying import Saying, say
from cpo_platform.common.telling import tell

# How a sentence is recognised, and the sentence with its gaps.
Words = Sequence[tuple[re.Pattern[str], Saying]]

LONGEST = 2000
_GAP = re.compile(r"%\((\w+)\)s")


def words_of(*sentences: Saying) -> Words:
    """Return the words for sentences that are recognised by their own text: `say("… %(gap)s")`."""
    return [(re.compile(_pattern(one.text), re.DOTALL), one) for one in sentences]


def words_for(pattern: str, sentence: Saying) -> Words:
    """Return the words for what others say: groups of the pattern are gaps of the sentence."""
    return [(re.compile(pattern, re.DOTALL), sentence)]


def in_words(said: str, known: Words) -> str:
    """Say it in the language that is active; a gap may hold another sentence that is known."""
    found = _recognised(said, known)
    return tell(found) if isinstance(found, Saying) else found


def _recognised(said: str, known: Words) -> Saying | str:
    if len(said) <= LONGEST:
        for pattern, sentence in known:
            if found := pattern.fullmatch(said):
                values = found.groupdict("")
                return sentence.filled(**{gap: _recognised(values[gap], known) for gap in values})
    return said


def _pattern(text: str) -> str:
    return "".join(_pieces(text))


def _pieces(text: str) -> Iterator[str]:
    at, seen = 0, set[str]()
    for gap in _GAP.finditer(text):
        yield re.escape(text[at : gap.start()])
        yield f"(?P={gap[1]})" if gap[1] in seen else f"(?P<{gap[1]}>.+?)"
        seen.add(gap[1])
        at = gap.end()
    yield re.escape(text[at:])


# Before the number of an operating system's error stands its class, or that there are several.
_OF_OS = r"(?:[\w ]+: )?\[Errno "
NETWORK: Words = [
    *words_of(say("no answer in time")),
    *words_for(_OF_OS + r"111\].*", say("the connection was refused: nothing listens there")),
    *words_for(_OF_OS + r"-[25]\].*", say("the name of the host is not known (DNS)")),
    *words_for(_OF_OS + r"-3\].*", say("the name of the host could not be looked up (DNS)")),
    *words_for(_OF_OS + r"1(?:01|13)\].*", say("the network knows no way there")),
    *words_for(
        _OF_OS + r"(?:32|54|103|104)\].*|Connection lost|the connection was closed.*",
        say("the connection was closed before the end of the answer"),
    ),
    *words_for(
        r"(?:\w+: )?\[SSL: CERTIFICATE_VERIFY_FAILED\] certificate verify failed: (?P<why>.+?)"
        r"(?: \(_ssl\.c:\d+\))?",
        say("the certificate is not valid: %(why)s"),
    ),
    *words_for(r"self-signed certificate.*", say("it is signed by itself")),
    *words_for(r"certificate has expired", say("it has expired")),
    *words_for(r"unable to get local issuer certificate", say("its issuer is not known here")),
    *words_for(r"(?:Hostname|IP address) mismatch.*", say("it is for another host")),
    *words_for(
        r"(?:\w+: )?\[SSL(?:: (?P<why>\w+))?\].*",
        say("no encrypted connection was possible (%(why)s)"),
    ),
    *words_for(
        r"the (?:head of the )?answer is larger than (?P<bytes>\d+) bytes",
        say("the answer is larger than %(bytes)s bytes"),
    ),
    *words_for(
        r"the answer (?:is not HTTP|changes the protocol|is not gzip|ends within its gzip"
        r"|has a Content-Encoding).*",
        say("the answer is not HTTP as it should be"),
    ),
    *words_of(
        say("it is not a URL"),
        say("only http:// and https:// URLs with a host are allowed"),
        say("a URL with a user name or a password is not allowed"),
        say("https:// is required; partners on this machine need OUTBOUND_ALLOW_PRIVATE=true"),
        say("%(host)s is neither a host name nor a full address"),
        say(
            "%(address)s is not a public address (OUTBOUND_ALLOW_PRIVATE allows it for development)"
        ),
    ),
]


def failure_in_words(said: str) -> str:
    """Say what went wrong between machines."""
    return in_words(said, NETWORK)
