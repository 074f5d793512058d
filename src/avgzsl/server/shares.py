"""Places that callers share: so many in all, of which one address may hold a part."""

from collections import Counter
from ipaddress import IPv6Address, ip_address, ip_network

from starlette.types import Scope


class Shares:
    """`most` places, of which an address holds no more than `part` at a time, but always one."""

    def __init__(self, most: int, part: float = 1.0) -> None:
        self.most, self.of_one = most, max(1, int(most * part))
        self._held: Counter[str] = Counter()

    def take(self, address: str) -> bool:
        """Take a place, which is to be given back. False where none is left."""
        if self._held.total() >= self.most or self._held[address] >= self.of_one:
            return False
        self._held[address] += 1
        return True

    def give(self, address: str) -> None:
        """Give a place back."""
        self._held[address] -= 1
        if not self._held[address]:
            del self._held[address]

    def of(self, address: str) -> int:
        """How many places an address holds."""
        return self._held[address]

    def __len__(self) -> int:
        return self._held.total()


def caller(scope: Scope) -> str:
    """The address that a request comes from, as limits count it."""
    client = scope.get("client")
    return neighbourhood(client[0] if client else "")


def neighbourhood(address: str) -> str:
    """An address as limits count it: with IPv6, who has one has the 2^64 beside it."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ip_network((parsed, 64), strict=False))
