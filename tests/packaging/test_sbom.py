import json

from ran_deploy.packaging.sbom import Library, Model, sbom_text

NUMPY = Library(name="NumPy", version="2.4.6")
ENGINE = Model(name="engines/a.onnx", sha256="ab" * 32, facts=(("made from onnx b.onnx", "cd" * 32),))


def test_what_a_bill_says() -> None:
    bill = json.loads(sbom_text("service", "1.0", [NUMPY, Library(name="onnx", constraint=">=1.17")], [ENGINE]))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    numpy, onnx, engine = bill["components"]
    assert (numpy["purl"], numpy["version"]) == ("pkg:pypi/numpy@2.4.6", "2.4.6")
    assert "version" not in onnx
    assert engine["type"] == "machine-learning-model"
    assert engine["hashes"][0]["content"] == "ab" * 32
    assert engine["properties"] == [{"name": "ran-deploy:made from onnx b.onnx", "value": "cd" * 32}]
    (root,) = bill["dependencies"]
    assert root["ref"] == bill["metadata"]["component"]["bom-ref"]
    assert root["dependsOn"] == [part["bom-ref"] for part in bill["components"]]


def test_the_same_content_gives_the_same_bytes_and_other_content_another_serial_number() -> None:
    first = sbom_text("service", "1.0", [NUMPY], [ENGINE])
    assert sbom_text("service", "1.0", [NUMPY], [ENGINE]) == first
    other = sbom_text("service", "1.0", [], [ENGINE])
    assert json.loads(first)["serialNumber"] != json.loads(other)["serialNumber"]
