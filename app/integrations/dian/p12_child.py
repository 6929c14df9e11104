"""A .p12 opened in a process of its own, which may be killed: `python -m app.integrations.dian.p12_child`.

Opening derives keys as often as the file says, deep inside OpenSSL and with the interpreter's lock held, and part of what
it says can only be read with the password. Standard input: the password of the file, that of the answer, each after its
length (4 bytes), and the file. Standard output: the same contents sealed anew with few rounds. The exit code says what
was wrong.
"""

import resource
import sys
from typing import Final

CPU_SECONDS: Final = 3
MEMORY: Final = 1 << 30
ROUNDS: Final = 2_048
"""Of the file that comes back: it is kept sealed under keys of the installation anyway."""
LENGTH: Final = 4
WRONG_PASSWORD: Final = 3
NOTHING_INSIDE: Final = 4


def packed(*texts: bytes) -> bytes:
    """Texts of known length, one after the other."""
    return b"".join(len(text).to_bytes(LENGTH, "big") + text for text in texts)


def main() -> int:
    """Answer the exit code."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    from cryptography.hazmat.primitives.serialization import PrivateFormat
    from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12, serialize_key_and_certificates

    password, kept_password, file = _taken(sys.stdin.buffer.read())
    try:
        found = load_pkcs12(file, password)
    except ValueError:
        return WRONG_PASSWORD
    if found.key is None or found.cert is None:
        return NOTHING_INSIDE
    light = serialize_key_and_certificates(
        None,
        found.key,  # type: ignore[arg-type]
        found.cert.certificate,
        [each.certificate for each in found.additional_certs],
        PrivateFormat.PKCS12.encryption_builder().kdf_rounds(ROUNDS).build(kept_password),
    )
    sys.stdout.buffer.write(light)
    return 0


def _taken(given: bytes) -> tuple[bytes, bytes, bytes]:
    one = LENGTH + int.from_bytes(given[:LENGTH], "big")
    two = one + LENGTH + int.from_bytes(given[one : one + LENGTH], "big")
    return given[LENGTH:one], given[one + LENGTH : two], given[two:]


if __name__ == "__main__":
    sys.exit(main())
