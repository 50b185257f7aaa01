"""What comes back of our commands and charging profiles, and what the CPO tells of profiles."""

from datetime import timedelta

from sandbox.emsp.message import NOT_ALLOWED, Message, Module
from sandbox.emsp.store import object_key
from sandbox.emsp.validation import Problem, check
from sandbox.emsp.wire import Answer, Json, Party, date_time, parse_date_time, utc_now

_RESULT_SHAPES = {
    "get": "ActiveChargingProfileResult",
    "set": "ChargingProfileResult",
    "clear": "ClearProfileResult",
}


class Results(Module):
    """Keep the results beside the requests that they belong to."""

    def commands(self, message: Message) -> Answer:
        """Take the result of a command, or the news that a reservation was canceled."""
        if message.method != "POST" or len(message.path) != 2:
            return NOT_ALLOWED
        command = self._store.get("commands", object_key(message.path[1]))
        if command is None or command["command"] != message.path[0]:
            return self._unknown_object(message, 2001, "command")
        # OCPI 2.1.1, mod_commands: the result has the shape of the answer.
        shape = "CommandResponse" if message.version == "2.1.1" else "CommandResult"
        if answer := self._reject(message, check(message.version, shape, message.body)):
            return answer
        if _is_cancellation(command, message.body):
            command["cancelled_at"] = date_time(utc_now())
            command["cancellation"] = message.body
        else:
            self._reject(message, _result_problems(command) + _addressee(command, message))
            command["result"] = message.body
            command["result_at"] = date_time(utc_now())
        self._store.add_command(command)
        return Answer()

    def charging_profiles(self, message: Message) -> Answer:
        """Take the result of a request, or what the CPO tells by itself."""
        if message.method == "POST" and len(message.path) == 2:
            return self._profile_result(message)
        if message.method == "PUT" and len(message.path) == 1:
            return self._active_profile(message)
        return NOT_ALLOWED

    def _profile_result(self, message: Message) -> Answer:
        request = self._store.get("profiles", object_key(message.path[1]))
        if request is None or message.path[0] != request["kind"]:
            return self._unknown_object(message, 2001, "charging profile request")
        shape = _RESULT_SHAPES[request["kind"]]
        if answer := self._reject(message, check(message.version, shape, message.body)):
            return answer
        problems = _result_problems(request) + _addressee(request, message)
        profile, accepted = message.body.get("profile"), message.body["result"] == "ACCEPTED"
        if profile and not accepted:
            detail = f"a profile with the result {message.body['result']}"
            problems.append(Problem("profile-not-expected", detail, noted=True))
        self._reject(message, problems)
        # First, so that whoever waits for the result finds the profile.
        if profile and accepted:
            self._keep_active(request["session_id"], profile, "result")
        request["result"] = message.body
        request["result_at"] = date_time(utc_now())
        self._store.add_profile_request(request)
        return Answer()

    def _active_profile(self, message: Message) -> Answer:
        """OCPI 2.2.1, mod_charging_profiles: only for sessions where we set a profile."""
        session_id = message.path[0]
        version = message.version
        if answer := self._reject(message, check(version, "ActiveChargingProfile", message.body)):
            return answer
        set_here = any(
            request["kind"] == "set"
            and request["session_id"].lower() == session_id.lower()
            and (request["result"] or {"result": "ACCEPTED"})["result"] == "ACCEPTED"
            for request in self._store.objects("profiles")
        )
        if not set_here:
            detail = "an ActiveChargingProfile though we never set one for this session"
            self._violations.note("profile-not-expected", message.module, session_id, detail)
        self._keep_active(session_id, message.body, "told")
        return Answer()

    def _keep_active(self, session_id: str, profile: Json, how: str) -> None:
        entry = {
            "session_id": session_id,
            "profile": profile,
            "how": how,
            "at": date_time(utc_now()),
        }
        self._store.put("active_profiles", object_key(session_id), entry)


def _is_cancellation(command: Json, body: Json) -> bool:
    """OCPI 2.2.1, mod_commands: a CPO that cancels a reservation says so to its response_url."""
    return (
        command["command"] == "RESERVE_NOW"
        and body["result"] == "CANCELED_RESERVATION"
        and (command.get("result") or {}).get("result") == "ACCEPTED"
        and not command.get("cancellation")
    )


def _addressee(request: Json, message: Message) -> list[Problem]:
    """Check that the result goes to the party that asked."""
    asked = Party.named(request["party"]) if request.get("party") else message.to
    if (
        message.to is None
        or asked is None
        or message.to.matches(asked.country_code, asked.party_id)
    ):
        return []
    return [Problem("routing", f"a result for {asked} was sent to {message.to}", noted=True)]


def _result_problems(command: Json) -> list[Problem]:
    problems = []
    response = command.get("response") or {}
    if command.get("result"):
        problems.append(Problem("duplicate-result", "a second result", noted=True))
    if response.get("result", "ACCEPTED") != "ACCEPTED":
        detail = f"a result although the answer was {response['result']}"
        problems.append(Problem("result-not-expected", detail, noted=True))
    limit = timedelta(seconds=response.get("timeout", 0))
    if limit and utc_now() > parse_date_time(command["sent_at"]) + limit:
        problems.append(Problem("late-result", f"after the timeout of {limit}", noted=True))
    return problems
