"""How the server is bound and what it allows; every field may come from the environment, as AVGZSL_SERVE_PORT."""

import os
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from avgzsl.archive.index_record import checked_name
from avgzsl.errors import ConfigError
from avgzsl.support.own_folders import folder_at
from avgzsl.support.records import reason

PREFIX = "AVGZSL_SERVE_"
SHORTEST_TOKEN = 16


class Settings(BaseSettings):
    """Limits are per request unless they say otherwise."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True
    )

    host: str = "127.0.0.1"
    """Address to listen on; any but a loopback address needs a token."""
    port: int = Field(default=8000, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""
    token: SecretStr | None = None
    """What callers must present; never given on the command line, where other users could read it."""
    archive_name: Annotated[str | None, AfterValidator(checked_name)] = None
    """What the page calls the archive while it is served so; the name that the index has, if not given."""
    names: tuple[str, ...] = ()
    """Names under which the server is called, besides localhost and addresses (a request for any other is refused)."""
    media: tuple[Path, ...] = ()
    """Folders whose files are shown though this user never indexed them here (an index that others made, or moved)."""
    upload_bytes: int = Field(default=256 << 20, ge=1)
    """Largest clip that may be uploaded."""
    clip_seconds: float = Field(default=600.0, gt=0, allow_inf_nan=False)
    """Longest clip that may be uploaded; where its sound has more than 48,000 samples a second, so much less."""
    decode_seconds: float = Field(default=60.0, gt=0, allow_inf_nan=False)
    """Time that a decoder may take for one clip."""
    decode_megabytes: int = Field(default=2048, ge=64)
    """Memory that a decoder may take for one clip."""
    decoders: int = Field(default=2, ge=1)
    """Clips decoded at a time, in all."""
    answer_seconds: float = Field(default=120.0, gt=0, allow_inf_nan=False)
    """Time until an answer begins, reading the request included."""
    stream_seconds: float = Field(default=3600.0, gt=0, allow_inf_nan=False)
    """Time until an answer has been sent."""
    requests: int = Field(default=128, ge=1)
    """Requests under way at a time, in all; one more is told to come back later."""
    connections: int = Field(default=512, ge=1)
    """Connections open at a time, in all; for one more, the oldest without a request of its own is closed."""
    address_share: float = Field(default=0.5, gt=0, le=1)
    """The part of all connections, requests and places for uploads that one address may hold. Behind a proxy every
    connection comes from one address: set it to 1 there, unless the proxy runs on this machine and says for whom it
    asks (`X-Forwarded-For`), and then raise `connections`."""
    header_seconds: float = Field(default=10.0, gt=0, allow_inf_nan=False)
    """Time that a connection has to send the head of a request, the first as well as each later one."""
    slowest_upload: int = Field(default=8192, ge=1)
    """Bytes a second in which a body must come, on average, once `header_seconds` have passed."""
    open_requests: int = Field(default=64, ge=1)
    """Requests under way at a time for what needs no token, besides those of `requests`; health needs no place."""
    open_seconds: float = Field(default=10.0, gt=0, allow_inf_nan=False)
    """Time that a request for what needs no token may take, until it has come, is answered, and the answer is sent."""
    cut_clips: int = Field(default=100, ge=1)
    """Clips that one export may cut out of their files."""
    cut_seconds: float = Field(default=600.0, gt=0, allow_inf_nan=False)
    """Seconds of all clips together that one export may cut; it has `answer_seconds` to do so, less a quarter."""
    cut_bytes: int = Field(default=1 << 30, ge=1)
    """Bytes of all files together that one export may make."""
    batching: Literal["on", "off"] = "on"
    """Whether searches that wait are answered together; the answers are the same, and come sooner where many ask."""
    kept_bytes: int = Field(default=1 << 30, ge=0)
    """Thumbnails and previews kept on disk while the server runs, in all."""

    @field_validator("media")
    @classmethod
    def _without_links(cls, media: tuple[Path, ...]) -> tuple[Path, ...]:
        folders = []
        for given in media:
            folder = folder_at(given)
            if folder is None:
                raise ValueError(f"{given} is no folder; expected one in which the archive's files lie")
            folders.append(folder)
        return tuple(folders)

    @model_validator(mode="after")
    def _require_safe(self) -> "Settings":
        if self.token is not None and not _is_strong(self.token.get_secret_value()):
            raise ValueError(
                f"the token needs {SHORTEST_TOKEN} or more printable ASCII characters, as `openssl rand -hex 32`"
            )
        if self.token is None and not is_loopback(self.host):
            raise ValueError(
                f"{self.host} can be reached from other machines; set {PREFIX}TOKEN to a secret of "
                f"{SHORTEST_TOKEN} or more characters that callers must present, or listen on 127.0.0.1"
            )
        return self


def variables() -> list[tuple[str, str]]:
    """The variables of the environment, each with what it is for and its default."""
    told = []
    for name, field in Settings.model_fields.items():
        default = "" if field.default in (None, ()) else f"  [default: {field.default}]"
        told.append((f"{PREFIX}{name.upper()}", f"{field.description}{default}"))
    return told


def read_settings(**given: Any) -> Settings:
    """Settings from the environment; those `given` that are not None come first. Raises ConfigError."""
    first = {name: value for name, value in given.items() if value is not None}
    try:
        return Settings(**first)
    except ValidationError as problem:
        wrong = []
        for error in problem.errors(include_input=False, include_context=False):
            field = ".".join(map(str, error["loc"]))
            name = field if field in first else _variable(field)
            wrong.append(f"{name}: {reason(error)}" if field else reason(error))
        raise ConfigError("; ".join(wrong)) from None  # what was given, the token too, hangs on the other error
    except ValueError as problem:  # of pydantic-settings, for a variable that is no JSON
        raise ConfigError(
            f"{problem}; tuples are written as JSON, as in {PREFIX}NAMES='[\"archive.local\"]'"
        ) from problem


def _variable(field: str) -> str:
    """The variable of a setting with its value, but for a secret; the field where it is not set."""
    name = f"{PREFIX}{field.upper()}"
    if name not in os.environ:
        return field
    return name if field == "token" else f"{name}={os.environ[name]}"


def _is_strong(token: str) -> bool:
    return len(token) >= SHORTEST_TOKEN and token.isascii() and token.isprintable()


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
