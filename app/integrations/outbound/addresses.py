"""Which addresses a customer may have us call. Knows nothing of HTTP, so that the API may ask it."""

import ipaddress
import socket
from typing import Final
from urllib.parse import urlsplit

_MAX_URL: Final = 2_000

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_REFUSED: Final = tuple(
    ipaddress.ip_network(block)
    for block in (
        "2002::/16",  # 6to4: carries an IPv4 address
        "2001::/32",  # Teredo: the same
        "64:ff9b:1::/48",  # NAT64 of somebody's own network
        "::/96",  # IPv4-compatible, deprecated
        "fec0::/10",  # site-local, deprecated
        "192.0.0.0/24",  # special purposes; a cloud's metadata at .192
        "168.63.129.16/32",  # a cloud's own services to its machines
        "192.88.99.0/24",  # relays of 6to4
        "3fff::/20",  # documentation
        "5f00::/16",  # segment routing
    )
)


class Refused(Exception):
    """The address is not one that we connect to. The message says why, in Spanish."""


def is_public(address: str) -> bool:
    """Whether an address is somebody's on the internet; what it carries inside counts as well."""
    try:
        found: _Address = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return is_public(str(found.ipv4_mapped))
        if found in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)))
    if any(found.version == block.version and found in block for block in _REFUSED):
        return False
    return found.is_global and not (found.is_multicast or found.is_reserved or found.is_unspecified)


def check_url(url: str, *, strict: bool) -> str:
    """The address as it will be called. Raises `Refused`; names are not looked up here.

    Not `strict`, as in development: http and addresses of the own machine are fine.
    """
    if len(url) > _MAX_URL or not url.isascii() or any(letter <= " " or letter == "\x7f" for letter in url):
        raise Refused("La dirección debe ser una URL sin espacios ni letras especiales, de hasta 2.000 caracteres.")
    try:
        parsed = urlsplit(url)
        scheme, host, port = parsed.scheme, parsed.hostname or "", parsed.port
    except ValueError as error:
        raise Refused("La dirección no es una URL.") from error
    if scheme != "https" and (strict or scheme != "http"):
        raise Refused("La dirección debe empezar por https://.")
    if not host or "@" in parsed.netloc or "\\" in url or "#" in url:
        raise Refused("La dirección no puede llevar usuario, contraseña ni #.")
    if port == 0:
        raise Refused("El puerto no existe.")
    if strict:
        if is_literal(host):
            if not is_public(host.strip("[]")):
                raise Refused("La dirección es de una red privada o reservada.")
        elif "." not in host.strip(".") or host.rstrip(".").lower().endswith(_LOCAL_NAMES):
            raise Refused("La dirección debe ser un nombre público de internet.")
    return url


_LOCAL_NAMES: Final = (".localhost", ".local", ".internal", ".lan", ".home.arpa", ".onion")


def is_literal(host: str) -> bool:
    bare = host.strip("[]").partition("%")[0]
    try:
        ipaddress.ip_address(bare)
    except ValueError:
        # What the system's own resolver takes for an IPv4 address: 127.1, 0x7f000001, 2130706433.
        try:
            socket.inet_aton(bare)
        except OSError:
            return False
    return True
