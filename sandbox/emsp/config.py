"""The settings of one sandbox eMSP."""

from dataclasses import dataclass

from sandbox.emsp.wire import Party


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Say who the eMSP is, where it listens and whom it registers with.

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
    own_token_a: str = ""
    versions_url: str = ""
    token_a: str = ""
    token_a_file: str = ""
    deadline: float = 600.0
    timeout: float = 10.0
    push_tokens: bool = True
    page_size: int = 50

    @property
    def party(self) -> Party:
        """Return the party this eMSP acts as."""
        return Party(country_code=self.country_code, party_id=self.party_id)
