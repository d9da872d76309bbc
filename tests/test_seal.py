import json

import pytest

from ran_deploy.errors import IntegrityError
from ran_deploy.seal import check_seal, sealed_text


def test_a_sealed_document_is_the_document_and_its_digest() -> None:
    document = {"name": 'has a "digest" inside', "digest of": {"digest": 1}, "list": [1, {"a": "\u00fc"}]}
    text = sealed_text(document)
    found = json.loads(text)
    digest = found.pop("digest")
    assert found == document
    check_seal(text.encode(), digest, "it")
    for old, new in (("inside", "insidE"), ("1,", "2,"), ("  ", "\t ")):
        with pytest.raises(IntegrityError, match="it is not as it was written"):
            check_seal(text.replace(old, new, 1).encode(), digest, "it")
    with pytest.raises(IntegrityError):
        check_seal(text.encode(), "0" * 64, "it")
    with pytest.raises(IntegrityError):
        check_seal(text.replace('"digest": "' + digest, '"d\\u0069gest": "' + digest).encode(), digest, "it")
    check_seal(b"{}", None, "it")
