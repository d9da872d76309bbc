"""A digest of a JSON document inside the document, so that no bit of it changes unnoticed.

A manifest vouches for its artefact; without this nothing would vouch for the manifest, whose labels and preprocessing
decide what an answer means. ``"digest"`` is the last key, and its value the sha256 of all bytes before it. It guards
against damage, not against people: who edits a document on purpose removes the key, which makes it unsealed.
"""

import json
from typing import Any

from ran_deploy.errors import IntegrityError
from ran_deploy.files import sha256_bytes

_KEY = '"digest"'


def sealed_text(document: dict[str, Any]) -> str:
    """Return the JSON text of a document without the key "digest", with that key added."""
    text = json.dumps(document, indent=2).removesuffix("\n}") + ",\n  "
    return f'{text}{_KEY}: "{sha256_bytes(text.encode())}"\n}}\n'


def check_seal(content: bytes, digest: str | None, where: str) -> None:
    """Check a document against its digest.

    Args:
        content: Its bytes.
        digest: The value of its key "digest"; None: it has none, and nothing is checked.
        where: What a message names.

    Raises:
        IntegrityError: The document is not the one that the digest was made of.
    """
    end = content.rfind(_KEY.encode())  # -1: the key is spelled with escapes, which we never write
    if digest is not None and (end < 0 or sha256_bytes(content[:end]) != digest):
        raise IntegrityError(
            f"{where} is not as it was written: its digest is of another content.",
            fix='Restore it or make the artefact again; after an edit on purpose remove the key "digest".',
        )
