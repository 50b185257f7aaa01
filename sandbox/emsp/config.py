"""The settings of one sandbox partner."""

from dataclasses import dataclass

from sandbox.emsp.wire import VERSIONS, Party, version_key

NEWEST = "newest"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Say who the partner is, what it speaks, where it listens and whom it registers with.

    `ocpi_version` is the version to register with, or "newest": the newest that both offer.
    `offers` lists further versions that a CPO finds at our versions URL. `hub_for` (such as
    "NL*EM1,DE*EM2") makes it a hub with these eMSPs behind it; `country_code` and `party_id` are
    its own then.
    `port` 0 takes a free one; `public_url` "" is derived from the bound address; `page_size` is
    the largest page of our token list; `timeout` is the limit of every outgoing call, in seconds.
    """

    host: str = "127.0.0.1"
    port: int = 8100
    database: str = "var/sandbox.sqlite"
    public_url: str = ""
    country_code: str = "NL"
    party_id: str = "EMS"
    name: str = "Sandbox eMSP"
    ocpi_version: str = "2.2.1"
    offers: str = ""
    hub_for: str = ""
    own_token_a: str = ""
    versions_url: str = ""
    token_a: str = ""
    token_a_file: str = ""
    deadline: float = 600.0
    timeout: float = 10.0
    push_tokens: bool = True
    page_size: int = 50

    def __post_init__(self) -> None:
        """Refuse versions that nobody speaks and parties that are none, with a ValueError."""
        if self.ocpi_version != NEWEST and self.ocpi_version not in VERSIONS:
            raise ValueError(f"ocpi_version is {NEWEST} or one of {', '.join(VERSIONS)}")
        if unknown := set(_listed(self.offers)) - set(VERSIONS):
            raise ValueError(f"offers: unknown versions {', '.join(sorted(unknown))}")
        if self.behind and self.ocpi_version == "2.1.1":
            raise ValueError("OCPI 2.1.1 knows no hubs")

    @property
    def party(self) -> Party:
        """Return the party this partner acts as itself: the eMSP, or the hub."""
        return Party(country_code=self.country_code, party_id=self.party_id)

    @property
    def behind(self) -> tuple[Party, ...]:
        """Return the eMSPs behind the hub; none when it is no hub."""
        return tuple(Party.named(name) for name in _listed(self.hub_for))

    @property
    def is_hub(self) -> bool:
        """Answer whether other parties stand behind this one."""
        return bool(self.behind)

    @property
    def emsps(self) -> tuple[Party, ...]:
        """Return the parties that have drivers: ourselves, or those behind the hub."""
        return self.behind or (self.party,)

    @property
    def offered(self) -> tuple[str, ...]:
        """Return the versions that are offered from the start, oldest first."""
        versions = set(_listed(self.offers))
        if self.ocpi_version != NEWEST:
            versions.add(self.ocpi_version)
        elif not versions:
            versions.update(VERSIONS)
        if self.is_hub:
            versions.discard("2.1.1")
        return tuple(sorted(versions, key=version_key))


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
