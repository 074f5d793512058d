"""A question to a model behind the OpenAI chat protocol, at an address that the user names in the environment."""

import ipaddress
import json
import time
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

from pydantic import SecretStr

from avgzsl.errors import AvgzslError, ConfigError
from avgzsl.support.confidential import Address
from avgzsl.support.trust import parse_json

SECONDS = 60.0  # until a question counts as unanswered
WAITS = (1.0, 4.0)  # seconds before a question is asked again
_LARGEST = 1 << 20  # bytes of an answer
_PASSING = {408, 409, 425, 429, 500, 502, 503, 504}
_SHOWN = 200


class Unanswered(AvgzslError):
    """One question got no answer that can be used; another may."""


@dataclass(frozen=True)
class ChatModel:
    """A model's name, where it is, and the key that is sent along; neither key nor whole address can be shown."""

    name: str
    address: Address
    key: SecretStr

    def __post_init__(self) -> None:
        parts = urlsplit(self.address.whole())
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"{self.address}: expected http:// or https:// and a host, as https://api.openai.com/v1")
        if parts.scheme == "http" and not _is_here(parts.hostname):
            raise ConfigError(f"{self.address}: would send the key readably over the network; give an https address")

    def ask(self, question: str) -> str:
        """The answer. Asked again where that may help; raises Unanswered, and ConfigError where nothing will help."""
        for wait in (*WAITS, None):
            try:
                return self._ask(question)
            except _Passing as problem:
                if wait is None:
                    raise Unanswered(f"{self.address}: {problem}") from problem
                time.sleep(wait)
        raise AssertionError("the last wait is None")

    def _ask(self, question: str) -> str:
        content = {"model": self.name, "messages": [{"role": "user", "content": question}]}
        whole = self.address.whole().rstrip("/")
        url = whole if whole.endswith("/chat/completions") else f"{whole}/chat/completions"
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.key.get_secret_value()}"}
        request = Request(url, json.dumps(content).encode(), headers, method="POST")
        try:
            with _opener(url).open(request, timeout=SECONDS) as response:
                answer = response.read(_LARGEST + 1)
        except HTTPError as problem:
            raise self._refused(problem) from None
        except (OSError, HTTPException, ValueError) as problem:  # their texts may hold the whole address
            raise _Passing(f"cannot be reached ({type(problem).__name__})") from None
        return self._read(answer)

    def _refused(self, problem: HTTPError) -> AvgzslError:
        with problem:
            said = problem.read(_SHOWN * 4).decode(errors="replace").replace(self.key.get_secret_value(), "***")
        told = f"answers {problem.code}: {' '.join(said.split())[:_SHOWN]}"
        if problem.code in _PASSING:
            return _Passing(told)
        if problem.code in (400, 413, 422):
            return Unanswered(f"{self.address}: {told}")
        return ConfigError(f"{self.address} {told}; check address, key and the name of the model, {self.name!r}")

    def _read(self, answer: bytes) -> str:
        try:
            if len(answer) > _LARGEST:
                raise ValueError(f"more than {_LARGEST:,} bytes")
            text = parse_json(answer)["choices"][0]["message"]["content"]
            if not isinstance(text, str):
                raise TypeError("its content is no text")
        except (ValueError, LookupError, TypeError) as problem:
            raise Unanswered(f"{self.address}: its answer is none of the chat protocol ({problem})") from problem
        return text


class _Passing(AvgzslError):
    """What may be over a moment later."""


class _NoRedirect(HTTPRedirectHandler):
    """Another address is not followed: it would be sent the key."""

    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Message, newurl: str) -> Any:
        return None


def _opener(url: str) -> OpenerDirector:
    here = _is_here(urlsplit(url).hostname or "")
    return build_opener(_NoRedirect, ProxyHandler({})) if here else build_opener(_NoRedirect)


def _is_here(host: str) -> bool:
    """Whether it is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
