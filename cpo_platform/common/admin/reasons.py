"""Why a value was refused, for staff, in their language.

Shapes and the schemas of OCPI say it in English, to partners as well; the sentences are in
`cpo_platform.common.shapes`, `tariffs.shapes`, `locations.shapes`, pydantic and jsonschema-rs.
"""

from cpo_platform.common.saying import say
from cpo_platform.common.wording import Words, in_words, words_for, words_of

_OWN = words_of(
    say("is required"),
    say("must be an object"),
    say("must not hold line breaks, tabs or control characters"),
    say("must be printable ASCII"),
    say("must be two letters"),
    say("must be three capital letters"),
    say("must be three letters or digits"),
    say("must be a time such as 23:59"),
    say("must be a latitude such as 52.370216"),
    say("must be a longitude such as 4.895168"),
    say("must be a string, an OCPI DateTime such as 2026-01-31T23:59:59Z"),
    say("is not an OCPI DateTime such as 2026-01-31T23:59:59Z (RFC 3339, UTC)"),
    say("is a date without a time; an OCPI DateTime has both"),
    say("is before the year 1 or after the year 9999 in UTC"),
    say("is not an IANA time zone name such as Europe/Amsterdam"),
    say("is not a URL that starts with http:// or https://"),
    say("latitude must be between -90 and 90"),
    say("longitude must be between -180 and 180"),
    say("period_end must be later than period_begin: hours over midnight are two entries"),
    say("period_end must be later than period_begin"),
    say("regular_hours is required when twentyfourseven is false"),
    say("the percentages of energy_sources must add up to 100"),
    say("one of uid, visual_number and group_id is required"),
    say("type is required with uid"),
    say("issuer is required with visual_number"),
    say("publish_allowed_to is only allowed with publish=false"),
    say("%(list)s has two with the %(key)s %(value)s"),
    say("is not a time such as 23:59 (HH:MM; the end of the day is 00:00)"),
    say("is not a time between 00:00 and 23:59"),
    say("is not a date such as 2026-12-31"),
    say("grace_period: only PARKING_TIME has one"),
    say("max_%(name)s must be greater than min_%(name)s"),
    say("end_date must be later than start_date (it is exclusive)"),
    say("start_time and end_time are the same: the element never applies"),
    say("price_components has two prices for one dimension"),
    say("end_date_time must be later than start_date_time"),
    say("min_price is above max_price"),
    say("%(path)s is no field that OCPI lets us leave out"),
)
_PYDANTIC: Words = [
    *words_for(r"should be a valid (?:integer|number|decimal).*", say("must be a number")),
    *words_for(r"should be a finite number", say("must be a number")),
    *words_for(r"should be a valid string.*", say("must be a text")),
    *words_for(r"should be a valid boolean.*", say("must be true or false")),
    *words_for(r"should be a valid (?:list|array|tuple)", say("must be a list")),
    *words_for(
        r"(?:string|value) should have at most (?P<count>\d+) characters?",
        say("must have at most %(count)s characters"),
    ),
    *words_for(
        r"(?:string|value) should have at least (?P<count>\d+) characters?",
        say("must have at least %(count)s characters"),
    ),
    *words_for(
        r"list should have at most (?P<count>\d+) items? after validation.*",
        say("must have at most %(count)s entries"),
    ),
    *words_for(
        r"list should have at least (?P<count>\d+) items? after validation.*",
        say("must have at least %(count)s entries"),
    ),
    *words_for(
        r"should be greater than or equal to (?P<limit>\S+)", say("must be at least %(limit)s")
    ),
    *words_for(r"should be less than or equal to (?P<limit>\S+)", say("must be at most %(limit)s")),
    *words_for(r"should be greater than (?P<limit>\S+)", say("must be more than %(limit)s")),
    *words_for(r"should be less than (?P<limit>\S+)", say("must be less than %(limit)s")),
    *words_for(
        r"decimal (?:input )?should have no more than (?P<count>\d+) digits? in total",
        say("must have at most %(count)s digits"),
    ),
    *words_for(
        r"decimal (?:input )?should have no more than (?P<count>\d+) decimal places?",
        say("must have at most %(count)s digits after the point"),
    ),
    *words_for(
        r"decimal (?:input )?should have no more than (?P<count>\d+) digits? "
        r"before the decimal point",
        say("must have at most %(count)s digits before the point"),
    ),
    *words_for(r"should be (?P<choices>'.+')", say("must be one of these: %(choices)s")),
    *words_for(r"extra inputs are not permitted", say("is not known here")),
]
_SCHEMA: Words = [
    *words_for(r'"(?P<name>\w+)" is a required property', say("%(name)s is missing")),
    *words_for(
        r"(?P<value>.+) is longer than (?P<count>\d+) characters?",
        say("%(value)s has more than %(count)s characters"),
    ),
    *words_for(
        r"(?P<value>.+) does not match \"(?P<pattern>.+)\"",
        say("%(value)s is not of the form %(pattern)s"),
    ),
    *words_for(
        r"(?P<value>.+) is not one of (?P<choices>.+)",
        say("%(value)s is not one of these: %(choices)s"),
    ),
    *words_for(
        r"(?P<value>.+) is not of types? (?P<type>\".+\")",
        say("%(value)s is not of the type %(type)s"),
    ),
    *words_for(
        r"(?P<value>.+) is less than the minimum of (?P<limit>\S+)",
        say("%(value)s is less than %(limit)s"),
    ),
    *words_for(
        r"(?P<value>.+) is greater than the maximum of (?P<limit>\S+)",
        say("%(value)s is more than %(limit)s"),
    ),
    *words_for(r"\[\] has less than 1 items?", say("the list is empty")),
    *words_for(
        r"Additional properties are not allowed \((?P<names>.+) (?:was|were) unexpected\)",
        say("OCPI does not know %(names)s here"),
    ),
]
_WORDS: Words = [*_OWN, *_PYDANTIC, *_SCHEMA]


def reason_in_words(reason: str) -> str:
    """Say in the language of who reads it why a value was refused."""
    return in_words(reason, _WORDS)


def problem_in_words(problem: str) -> str:
    """Say what is wrong and where: `evses[0].uid: is required`, with the reason in words."""
    path, mark, reason = problem.partition(": ")
    return f"{path}{mark}{reason_in_words(reason)}" if mark else reason_in_words(path)
