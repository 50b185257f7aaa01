"""The canonical form of a token on its way in: OCPI 2.3.0 Token, checked."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, StringConstraints

from cpo_platform.common.shapes import (
    CdrToken,
    CountryCode,
    DateTime,
    EnergyContract,
    Language,
    OpenEnum,
    PartyId,
    Shape,
    ci_string,
    string,
)


class TokenShape(Shape):
    """OCPI 2.3.0, mod_tokens, Token; fields that OCPI does not define are kept."""

    model_config = ConfigDict(extra="allow", frozen=True)

    country_code: CountryCode
    party_id: PartyId
    uid: ci_string(36)  # type: ignore[valid-type]
    type: OpenEnum
    contract_id: ci_string(36)  # type: ignore[valid-type]
    visual_number: string(64) | None = None  # type: ignore[valid-type]
    issuer: Annotated[string(64), StringConstraints(min_length=1)]  # type: ignore[valid-type]
    group_id: ci_string(36) | None = None  # type: ignore[valid-type]
    valid: bool
    whitelist: Literal["ALWAYS", "ALLOWED", "ALLOWED_OFFLINE", "NEVER"]
    language: Language | None = None
    default_profile_type: Literal["CHEAP", "FAST", "GREEN", "REGULAR"] | None = None
    energy_contract: EnergyContract | None = None
    last_updated: DateTime

    @property
    def cdr_token(self) -> CdrToken:
        return CdrToken(
            country_code=self.country_code,
            party_id=self.party_id,
            uid=self.uid,
            type=self.type,
            contract_id=self.contract_id,
        )

    @property
    def unknown_fields(self) -> dict[str, Any]:
        return dict(self.__pydantic_extra__ or {})
