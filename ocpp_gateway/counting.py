"""What a gateway counts, for monitoring."""

from cpo_platform.common.figures import Family

MESSAGES = Family(
    "cpo_ocpp_messages",
    "Messages of stations (in) and to them (out), by action and outcome.",
    ("direction", "action", "outcome"),
)
MESSAGE_SECONDS = Family(
    "cpo_ocpp_answer_seconds", "How long answers took.", ("direction",), is_duration=True
)
CONNECTIONS = Family("cpo_ocpp_connections", "Connections by what came of them.", ("outcome",))
FAMILIES = (MESSAGES, MESSAGE_SECONDS, CONNECTIONS)
# The kind of process that a gateway is, where it says that it is alive.
KIND = "gateway"
