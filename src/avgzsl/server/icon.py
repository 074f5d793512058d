"""The icon of an archive, drawn from its name, so that the tabs of two archives can be told apart."""

from hashlib import sha256
from html import escape

_HUES = 24  # that an eye tells apart, more or less


def icon(name: str) -> str:
    """An SVG: the first letter of a name, on one colour, with sound and picture in another, which the name chooses."""
    letter = escape(next((char.upper()[0] for char in name if char.isalnum()), "a"))
    ground, marks = (byte % _HUES * 360 // _HUES for byte in sha256(name.encode()).digest()[:2])
    colour = f"hsl({marks}, 85%, 72%)"
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
        f'<rect width="32" height="32" rx="7" fill="hsl({ground}, 58%, 30%)"/>'
        f'<path d="M6 27v-2M10 28.500v-5M14 29.500v-7" stroke="{colour}" stroke-width="2.500" stroke-linecap="round"/>'
        f'<path d="M19 22l8 4-8 4z" fill="{colour}"/>'
        '<text x="16" y="19" text-anchor="middle" font-family="system-ui, sans-serif" font-size="20" font-weight="700" '
        f'fill="#fff">{letter}</text></svg>'
    )
