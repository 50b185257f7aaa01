"""Frames that no charger should send, and some that it may: by kind, and the same for a seed.

Valid payloads are made of the official schemas; most hostile frames are valid ones that were spoilt
in one place. What a station that may have sessions is made to say is here as well: registers that
fall, times from 1970 to 2099.
"""

import json
import random
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any

Json = dict[str, Any]
Frame = str | bytes

_FOLDERS = {"1.6": ("v16", "", "Response"), "2.0.1": ("v201", "Request", "Response")}
# So many transactions a station invents, so that what it says of them meets.
TRANSACTIONS = 60
# Wh. Each station has a range of its own: energy that is found elsewhere is told by it.
REGISTERS = 10_000_000
_HUGE = [
    *("1" * 40, str(2**63), str(-(2**63)), "1e18", "1e19", "1e308", "-1e-308", "9" * 5000, "-0.0"),
]
_WORDS = [
    *("", "x" * 300, "\ud800", "\x00", "é", "';--", "%s%n", "\u202e", "😀" * 9),
    *("\\N", "a\tb\nc\r"),
]
_STATES = ["Charging", "SuspendedEV", "SuspendedEVSE", "EVConnected", "Idle"]
_STATUSES = ["Available", "Preparing", "Charging", "SuspendedEV", "Finishing", "Faulted"]


class Frames:
    """What one station says; `number` tells it from others, `cards` are what it presents."""

    def __init__(
        self, version: str, number: int, cards: list[str], seed: str, most_bytes: int
    ) -> None:
        self._version, self._number, self._cards = version, number, cards
        self._chance = random.Random(seed)
        self._most_bytes = most_bytes
        self._count = 0
        self._valid: list[str] = []
        # Of 1.6: the numbers that we were given.
        self.transactions: list[int] = []
        self._kinds: dict[str, tuple[float, Callable[[], Frame]]] = {
            "valid of any action": (10, self._any_valid),
            "a transaction": (14, self._transaction),
            "mutation": (14, self._mutation),
            "replay": (8, self._replay),
            "wrong type": (8, self._wrong_type),
            "huge number": (6, self._huge_number),
            "malformed": (6, self._malformed),
            "unknown action": (4, self._unknown_action),
            "wrong id": (5, self._wrong_id),
            "result of nothing": (5, self._result),
            "another's transaction": (6, self._others_transaction),
            "NUL, surrogates": (4, self._unstorable),
            "deep nesting": (3, self._deep),
            "NaN": (2, self._nan),
            "duplicate keys": (2, self._duplicate),
            "binary": (2, self._binary),
            "not UTF-8": (0.3, self._not_utf8),
            "oversized": (0.3, self._oversized),
        }

    def next(self) -> tuple[str, Frame]:
        """Return a frame, and its kind."""
        weights = [weight for weight, _ in self._kinds.values()]
        (kind,) = self._chance.choices(list(self._kinds), weights)
        return kind, self._kinds[kind][1]()

    def boot(self) -> str:
        return self._call("BootNotification", minimal(self._version, "BootNotification"))

    # Frames that are right

    def _call(self, action: str, payload: Any, unique_id: str = "") -> str:
        self._count += 1
        return json.dumps([2, unique_id or f"{self._number}-{self._count}", action, payload])

    def _any_valid(self) -> str:
        action = self._chance.choice(actions(self._version))
        frame = self._call(action, self._payload(action))
        self._valid = [*self._valid[-40:], frame]
        return frame

    def _payload(self, action: str) -> Json:
        payload = _value(schema(self._version, action), self._chance)
        assert isinstance(payload, dict)
        if action in {"StartTransaction", "TransactionEvent"}:
            # Else each would be a transaction of its own.
            return self._of_transaction(action)
        return payload

    def _of_transaction(self, action: str) -> Json:
        return self._event() if action == "TransactionEvent" else self._start()

    def _transaction(self) -> str:
        if self._version == "2.0.1":
            frame = self._call("TransactionEvent", self._event())
        else:
            action, make = self._chance.choice(
                [
                    ("StartTransaction", self._start),
                    ("StopTransaction", self._stop),
                    ("MeterValues", self._meter_values),
                    ("StatusNotification", self._status),
                ]
            )
            frame = self._call(action, make())
        self._valid = [*self._valid[-40:], frame]
        return frame

    def _start(self) -> Json:
        # Few different ones: they are told again and again.
        which = self._chance.randrange(TRANSACTIONS)
        return {
            "connectorId": which % 5 and 1,
            "idTag": self._cards[which % len(self._cards)],
            "meterStart": self._number * REGISTERS + which,
            "timestamp": f"2026-11-{which % 28 + 1:02}T10:00:00Z",
        }

    def _stop(self) -> Json:
        return {
            "transactionId": self._own(),
            "meterStop": self._register(),
            "timestamp": self._time(),
        }

    def _meter_values(self) -> Json:
        payload: Json = {"connectorId": 1, "meterValue": [self._meter_value(str)]}
        return payload | ({"transactionId": self._own()} if self._chance.random() < 0.8 else {})

    def _status(self) -> Json:
        status = self._chance.choice(_STATUSES)
        return {"connectorId": 1, "errorCode": "NoError", "status": status}

    def _event(self) -> Json:
        which = self._chance.randrange(TRANSACTIONS)
        kind = self._chance.choices(["Started", "Updated", "Ended"], [3, 6, 2])[0]
        event: Json = {
            "eventType": kind,
            "timestamp": self._time(),
            "triggerReason": "MeterValuePeriodic",
            "seqNo": self._chance.randrange(100),
            "transactionInfo": {
                "transactionId": f"T{which}",
                "chargingState": self._chance.choice(_STATES),
            },
            "evse": {"id": self._chance.choice([1, 1, 1, 2]), "connectorId": 1},
            "meterValue": [self._meter_value(int)],
            "offline": self._chance.random() < 0.3,
        }
        if kind == "Started":
            card = self._cards[which % len(self._cards)]
            event["idToken"] = {"idToken": card, "type": "ISO14443"}
        return event

    def _meter_value(self, number: Any) -> Json:
        return {
            "timestamp": self._time(),
            "sampledValue": [
                {"value": number(self._register()), "measurand": "Energy.Active.Import.Register"}
            ],
        }

    def _own(self) -> int:
        if self.transactions and self._chance.random() < 0.9:
            return self._chance.choice(self.transactions)
        return self._chance.choice([0, -1, 1, 2**31, 2**63])

    def _register(self) -> int:
        """Return a register of our range; or one that is negative, or absurd."""
        if self._chance.random() < 0.1:
            return self._chance.choice([-1, -(10**12), 0, 10**9, 999_999_999_999, 10**12, 10**15])
        return self._number * REGISTERS + self._chance.randrange(REGISTERS)

    def _time(self) -> str:
        chance = self._chance
        if chance.random() < 0.5:
            return f"2026-11-{chance.randrange(20, 28)}T{chance.randrange(24):02}:00:00Z"
        zone = chance.choice(["Z", "", "+14:00", "-12:00", ".123456789Z", "+99:00"])
        year = chance.choice([1, 1900, *range(1970, 2100), 2100, 9999])
        return f"{year:04}-{chance.randrange(1, 14):02}-28T23:59:59{zone}"

    # Frames that are wrong

    def _spoilt(self, change: Callable[[Any], Any]) -> str:
        """Return a valid frame with one of its values changed."""
        action = self._chance.choice(actions(self._version))
        payload = self._payload(action)
        _change_one(payload, self._chance, change)
        return self._call(action, payload)

    def _wrong_type(self) -> str:
        others: list[Any] = [None, True, 1, -1.5, "", "1", [], {}, [[]], {"a": {}}]
        return self._spoilt(lambda _value: self._chance.choice(others))

    def _unstorable(self) -> str:
        return self._spoilt(lambda _value: self._chance.choice(_WORDS))

    def _huge_number(self) -> str:
        mark = "@huge@"
        return self._spoilt(lambda _value: mark).replace(f'"{mark}"', self._chance.choice(_HUGE))

    def _nan(self) -> str:
        return self._spoilt(lambda _value: self._chance.choice([float("nan"), float("-inf")]))

    def _mutation(self) -> str:
        frame = list(self._chance.choice(self._valid) if self._valid else self._any_valid())
        for _ in range(self._chance.choice([1, 1, 2, 8])):
            at = self._chance.randrange(len(frame))
            letter = self._chance.choice('{}[]",:0123456789eE-.\\tfn\x00 ')
            how = self._chance.randrange(3)
            frame[at : at + (how != 0)] = [letter] if how != 2 else []
        return "".join(frame)

    def _malformed(self) -> str:
        frame = self._any_valid()
        return self._chance.choice(
            [
                *("", " ", "null", "2", '"x"', "{}", "[]", "[2]", "[[2]]", '[2,"x"]', "\ufeff[]"),
                *('[2,"x","Heartbeat"]', '[2,"x","Heartbeat",null]', '[2,"x","Heartbeat",[]]'),
                *('[2.0,"x","Heartbeat",{}]', '[true,"x","Heartbeat",{}]', '[9,"x",{}]'),
                *(frame[:-1], frame + "]", frame + frame, frame[1:], frame.replace('"', "'")),
                frame[: self._chance.randrange(len(frame))],
            ]
        )

    def _replay(self) -> str:
        return self._chance.choice(self._valid) if self._valid else self._any_valid()

    def _unknown_action(self) -> str:
        names = ["Nothing", "heartbeat", "../Heartbeat", "x" * 40, "BootNotificationResponse", "é"]
        # What only we may ask is no action of a station.
        return self._call(self._chance.choice([*names, "Reset", "ClearCache"]), {})

    def _wrong_id(self) -> str:
        ids: list[Any] = ["", "x" * 37, 7, None, [], {}, True, "1", "1", "a\nb", "é", "-1"]
        payload = minimal(self._version, "Heartbeat")
        return json.dumps([2, self._chance.choice(ids), "Heartbeat", payload])

    def _result(self) -> str:
        return self._chance.choice(
            [
                *('[3,"1",{}]', '[3,"x",{"status":"Accepted"}]', '[3,"1",null]', "[3,1,{}]"),
                *('[4,"1","InternalError","",{}]', '[4,"1"]', '[4,"-1","GenericError",null,null]'),
                '[4,"1",7,"",{}]',
            ]
        )

    def _others_transaction(self) -> str:
        number = self._chance.randrange(1, 3000)
        if self._version == "2.0.1":
            event = self._event()
            # What others call theirs, and what 1.6 is kept as.
            event["transactionInfo"]["transactionId"] = self._chance.choice(
                [f"#{number}", str(number), f"1|2026-11-01T10:00:00Z|{number}|BENCH"]
            )[:36]
            event.pop("idToken", None)
            return self._call("TransactionEvent", event)
        if self._chance.random() < 0.5:
            return self._call("StopTransaction", self._stop() | {"transactionId": number})
        return self._call("MeterValues", self._meter_values() | {"transactionId": number})

    def _deep(self) -> str:
        depth = self._chance.choice([50, 99, 101, 300, 2000, 100_000])
        opening, closing = self._chance.choice([("[", "]"), ('{"a":', "}")])
        inside = opening * depth + ("1" if opening != "[" else "") + closing * depth
        return f'[2,"deep","DataTransfer",{{"vendorId":"x","data":{inside}}}]'[: self._most_bytes]

    def _duplicate(self) -> str:
        return '[2,"twice","Heartbeat",{"a":1,"a":2}]'

    def _binary(self) -> bytes:
        if self._chance.random() < 0.5:
            return self._any_valid().encode()
        return self._chance.randbytes(self._chance.randrange(1, 400))

    def _not_utf8(self) -> "NotText":
        return NotText(b'[2,"x","Heartbeat",{"a":"\xff\xfe"}]')

    def _oversized(self) -> str:
        return self._call("DataTransfer", {"vendorId": "x", "data": "x" * self._most_bytes})


class NotText(bytes):
    """Bytes that are sent as a text message, which they are not."""


@cache
def actions(version: str) -> list[str]:
    """Return the names of all actions of a version, whoever may ask for them."""
    folder, _suffix, response = _FOLDERS[version]
    names = (one.name for one in (files("ocpp") / folder / "schemas").iterdir())
    end = f"{response}.json"
    return sorted(name.removesuffix(end) for name in names if name.endswith(end))


@cache
def schema(version: str, action: str) -> Json:
    folder, suffix, _response = _FOLDERS[version]
    path = files("ocpp") / folder / "schemas" / f"{action}{suffix}.json"
    return dict(json.loads(path.read_text("utf-8-sig")))


def minimal(version: str, action: str) -> Any:
    """Return a payload with nothing but what is required."""
    return _value(schema(version, action), None)


def _value(one: Json, chance: random.Random | None, definitions: Json | None = None) -> Any:
    definitions = one.get("definitions", {}) if definitions is None else definitions
    if "$ref" in one:
        one = definitions[one["$ref"].rpartition("/")[2]]
    if "enum" in one:
        return chance.choice(one["enum"]) if chance else one["enum"][0]
    kind = one.get("type")
    if kind == "object":
        required = one.get("required", [])
        return {
            name: _value(inner, chance, definitions)
            for name, inner in one.get("properties", {}).items()
            if name in required or (chance is not None and chance.random() < 0.3)
        }
    if kind == "array":
        least = one.get("minItems", 0)
        count = least if chance is None else chance.randint(least, least + 1)
        return [_value(one["items"], chance, definitions) for _ in range(count)]
    if kind == "string":
        return _text(one, chance)
    if kind in {"boolean", None}:
        return bool(chance and chance.random() < 0.5)
    return one.get("minimum", 1) if chance is None else chance.randrange(0, 100)


def _text(one: Json, chance: random.Random | None) -> str:
    if one.get("format") == "date-time":
        return "2026-11-20T10:00:00Z"
    longest = min(one.get("maxLength", 20), 20)
    return "1" if chance is None else "A" * chance.randint(1, longest)


def _change_one(document: Any, chance: random.Random, change: Callable[[Any], Any]) -> None:
    """Change one value of a document in place."""
    places: list[tuple[Any, Any]] = []
    stack = [document]
    while stack:
        one = stack.pop()
        keys = list(one) if isinstance(one, dict) else range(len(one))
        for key in keys:
            places.append((one, key))
            if isinstance(one[key], (dict, list)):
                stack.append(one[key])
    if places:
        container, key = chance.choice(places)
        container[key] = change(container[key])
    elif isinstance(document, dict):
        document["more"] = change(None)
