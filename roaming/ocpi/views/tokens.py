"""Tokens that partners give us (OCPI, mod_tokens, Receiver interface)."""

from typing import Any

from cpo_platform.common.operations import Outcome
from roaming import visibility
from roaming.ocpi.common.envelope import Request, Response
from roaming.ocpi.common.errors import InvalidParameters, NotFound
from roaming.ocpi.common.shapes import Owner
from roaming.ocpi.views.base import OcpiView
from sessions_app.models import Token
from sessions_app.operations import tokens

UNKNOWN_TOKEN = 2004
DEFAULT_TYPE = "RFID"


class TokenView(OcpiView):
    """GET, PUT and PATCH of one token. `?type=` is part of its identity; it defaults to RFID.

    In 2.1.1 there is no such parameter: the uid alone tells an eMSP's tokens apart.
    """

    def get(
        self, request: Request, country_code: str, party_id: str, token_uid: str, **_kwargs: Any
    ) -> Response:
        self._check_owner(country_code, party_id)
        identity = {"country_code": country_code, "party_id": party_id, "uid": token_uid}
        if self.spec.shapes.token_by_uid:
            token = tokens.find_token(**identity)
        else:
            token = Token.objects.filter(**identity, type=self._type(request)).first()
        if token is None:
            raise NotFound(f"unknown token {token_uid}", status_code=UNKNOWN_TOKEN)
        return self.done(self.spec.shapes.token(token))

    def put(
        self, request: Request, country_code: str, party_id: str, token_uid: str, **_kwargs: Any
    ) -> Response:
        self._check_owner(country_code, party_id)
        by_uid = self.spec.shapes.token_by_uid
        token = self.spec.shapes.read_token(request.data, Owner(country_code, party_id))
        self._check_identity(
            {
                "country_code": (token.country_code, country_code),
                "party_id": (token.party_id, party_id),
                "uid": (token.uid, token_uid),
            },
        )
        if not by_uid and token.type != self._type(request):
            raise InvalidParameters(
                f"type: is {token.type}, but the URL says {self._type(request)}"
            )
        _row, outcome = tokens.put_token(token=token, by_uid=by_uid)
        return self.done(http_status=201 if outcome is Outcome.CREATED else 200)

    def patch(
        self, request: Request, country_code: str, party_id: str, token_uid: str, **_kwargs: Any
    ) -> Response:
        self._check_owner(country_code, party_id)
        by_uid = self.spec.shapes.token_by_uid
        changes = self.spec.shapes.read_token_patch(request.data)
        identity = {"country_code": country_code, "party_id": party_id, "uid": token_uid}
        if not by_uid:
            identity["type"] = self._type(request)
        self._check_identity(
            {
                name: (str(changes[name]), value)
                for name, value in identity.items()
                if name in changes
            },
        )
        try:
            tokens.patch_token(
                country_code=country_code,
                party_id=party_id,
                uid=token_uid,
                type=str(changes.get("type", DEFAULT_TYPE)) if by_uid else self._type(request),
                changes=changes,
                by_uid=by_uid,
            )
        except tokens.UnknownToken as error:
            raise NotFound(str(error), status_code=UNKNOWN_TOKEN) from error
        return self.done()

    def _type(self, request: Request) -> str:
        return request.query_params.get("type") or DEFAULT_TYPE

    def _check_owner(self, country_code: str, party_id: str) -> None:
        if not visibility.is_emsp(self.caller.partner, country_code, party_id):
            raise NotFound(f"{country_code}*{party_id} is not one of your eMSP roles")

    def _check_identity(self, pairs: dict[str, tuple[str, str]]) -> None:
        for name, (body, url) in pairs.items():
            if body.lower() != url.lower():
                raise InvalidParameters(f"{name}: the body says {body}, the URL says {url}")
