"""Writes eleven small random models as people have them, and what the libraries they come from answer.

    .work/convert/bin/python tests/conversion/tiny_originals.py FOLDER

Runs in the conversion environment, which has torch. The encoders and decoders are transformers' own architectures; the
decoders are built so that each token has one likely successor, far enough ahead that no rounding changes an answer.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
import torch
import transformers
from asked import LABELS, NEW_TOKENS, PASSAGES, QUERY, TEXTS
from torch import nn

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,'?-"


def main(folder: Path) -> None:
    torch.manual_seed(7)
    transformers.utils.logging.set_verbosity_error()
    answers = {
        "encoder": encoder(folder / "encoder"),
        "cross-encoder": cross_encoder(folder / "cross-encoder"),
        "classifier": classifier(folder / "classifier"),
        "llama": decoder(folder / "llama", transformers.LlamaConfig, transformers.LlamaForCausalLM),
        "qwen2": decoder(folder / "qwen2", transformers.Qwen2Config, transformers.Qwen2ForCausalLM),
        "mistral": decoder(folder / "mistral", transformers.MistralConfig, transformers.MistralForCausalLM),
        "tagger": tagger(folder / "tagger"),
        "resnet": resnet(folder / "resnet"),
        "yolos": yolos(folder / "yolos"),
        "segformer": segformer(folder / "segformer"),
        "unet": unet(folder / "unet"),
    }
    (folder / "answers.json").write_text(json.dumps(answers))


def encoder(folder: Path) -> Any:
    model = transformers.BertModel(bert_config(), add_pooling_layer=False).eval()
    tokenizer = save(folder, model, word_pieces())
    rows = []
    with torch.inference_mode():
        for text in TEXTS:
            mean = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(dim=0)
            rows.append((mean / mean.norm()).tolist())
    return rows


def cross_encoder(folder: Path) -> Any:
    model = transformers.BertForSequenceClassification(bert_config(num_labels=1)).eval()
    louder(model.classifier)
    tokenizer = save(folder, model, word_pieces())
    with torch.inference_mode():
        return [float(model(**tokenizer(QUERY, passage, return_tensors="pt")).logits[0, 0]) for passage in PASSAGES]


def classifier(folder: Path) -> Any:
    names = dict(enumerate(LABELS))
    config = bert_config(id2label=names, label2id={label: number for number, label in names.items()})
    model = transformers.BertForSequenceClassification(config).eval()
    louder(model.classifier)
    tokenizer = word_pieces()
    with torch.no_grad():
        middle = torch.stack([model(**tokenizer(text, return_tensors="pt")).logits[0] for text in TEXTS]).mean(dim=0)
        model.classifier.bias.sub_(middle)
    tokenizer = save(folder, model, tokenizer)
    with torch.inference_mode():
        logits = [model(**tokenizer(text, return_tensors="pt")).logits[0] for text in TEXTS]
    return [torch.softmax(row, dim=0).tolist() for row in logits]


def tagger(folder: Path) -> Any:
    """A class for each token of each text, and the token ids that a client would send."""
    names = dict(enumerate(LABELS))
    config = bert_config(id2label=names, label2id={label: number for number, label in names.items()})
    model = transformers.BertForTokenClassification(config).eval()
    louder(model.classifier)
    inputs = dict(word_pieces()(TEXTS, padding=True, return_tensors="pt"))
    with torch.no_grad():
        model.classifier.bias.sub_(model(**inputs).logits[inputs["attention_mask"] == 1].mean(dim=0))
    save(folder, model, word_pieces())
    with torch.inference_mode():
        logits = model(**inputs).logits
    return {"inputs": {name: values.tolist() for name, values in inputs.items()}, "logits": logits.tolist()}


def decoder(folder: Path, config_class: Any, model_class: Any) -> Any:
    tokenizer = byte_tokenizer()
    config = config_class(
        vocab_size=len(tokenizer),
        hidden_size=256,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
        tie_word_embeddings=False,
    )
    model = model_class(config).eval()
    with torch.no_grad():
        lead_each_token_to_another(model)
    tokenizer = save(folder, model, tokenizer)
    written = []
    with torch.inference_mode():
        for text in TEXTS:
            ids = tokenizer(text, return_tensors="pt")["input_ids"]
            whole = model.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=NEW_TOKENS, do_sample=False, min_new_tokens=0
            )
            written.append(tokenizer.decode(whole[0, ids.shape[1] :], skip_special_tokens=True))
    return written


def lead_each_token_to_another(model: Any) -> None:
    """Make the layers speak up enough to matter, and each token's state point at one successor."""
    for name, weight in model.named_parameters():
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            weight.mul_(2.0)
    embedding = torch.randn_like(model.model.embed_tokens.weight)
    model.model.embed_tokens.weight.copy_(embedding)
    letters = torch.tensor(letter_tokens())
    following = letters[torch.randperm(len(letters))]
    model.lm_head.weight.zero_()
    model.lm_head.weight[following] = embedding[letters] / embedding[letters].norm(dim=1, keepdim=True)


def letter_tokens() -> list[int]:
    """Tokens of single printable ASCII characters, so that every answer is text."""
    vocabulary = byte_tokenizer().get_vocab()
    return sorted(number for token, number in vocabulary.items() if len(token) == 1 and "!" <= token <= "~")


def resnet(folder: Path) -> Any:
    config = transformers.ResNetConfig(
        embedding_size=16, hidden_sizes=[16, 32], depths=[1, 2], layer_type="basic", num_labels=5
    )
    config.image_size = 32
    model = transformers.ResNetForImageClassification(config).eval()
    louder(model.classifier[1])
    model.save_pretrained(folder)
    images = pictures(3)
    np.save(folder.parent / "pictures.npy", images.numpy())
    with torch.inference_mode():
        return model(images).logits.tolist()


def yolos(folder: Path) -> Any:
    """Ten queries, each with scores for three classes and "nothing here", and a box."""
    config = transformers.YolosConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, image_size=[32, 32],
        patch_size=8, num_detection_tokens=10, id2label=dict(enumerate(LABELS)), initializer_range=0.15,
    )  # fmt: skip
    model = transformers.YolosForObjectDetection(config).eval()
    with torch.no_grad():
        # Without it every query says the same.
        model.vit.embeddings.detection_tokens.normal_(std=1.0)
    louder(model.class_labels_classifier.layers[-1])
    louder(model.bbox_predictor.layers[-1])
    model.save_pretrained(folder)
    with torch.inference_mode():
        answer = model(pictures(3))
    return {"logits": answer.logits.tolist(), "pred_boxes": answer.pred_boxes.tolist()}


def segformer(folder: Path) -> Any:
    config = transformers.SegformerConfig(
        hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1], num_attention_heads=[1, 2, 3, 4], decoder_hidden_size=32,
        sr_ratios=[4, 2, 1, 1], id2label=dict(enumerate(LABELS)), initializer_range=0.15,
    )  # fmt: skip
    config.image_size = 32
    model = transformers.SegformerForSemanticSegmentation(config).eval()
    with torch.no_grad():
        model.decode_head.classifier.weight.mul_(6.0)
    model.save_pretrained(folder)
    with torch.inference_mode():
        return {"logits": model(pictures(3)).logits.tolist()}


def unet(folder: Path) -> Any:
    folder.mkdir()
    model = UNet().eval()
    images = pictures(3)
    batch = torch.export.Dim.DYNAMIC
    torch.onnx.export(
        model, (images[:2],), folder / "unet.onnx", input_names=["image"], output_names=["mask"],
        dynamic_shapes=({0: batch},), dynamo=True, verbose=False,
    )  # fmt: skip
    with torch.inference_mode():
        return model(images).tolist()


class UNet(nn.Module):
    """Two levels down, two up, with the skips across."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.bottom = block(3, 8), block(8, 16), block(16, 32)
        self.pool = nn.MaxPool2d(2)
        self.up_second = nn.ConvTranspose2d(32, 16, 2, stride=2)
        self.up_first = nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.second_again, self.first_again = block(32, 16), block(16, 8)
        self.mask = nn.Conv2d(8, 2, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        first = self.first(image)
        second = self.second(self.pool(first))
        bottom = self.bottom(self.pool(second))
        second = self.second_again(torch.cat((self.up_second(bottom), second), dim=1))
        first = self.first_again(torch.cat((self.up_first(second), first), dim=1))
        return self.mask(first)


def block(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU())


def pictures(count: int) -> torch.Tensor:
    coarse = torch.randn(count, 3, 5, 5, generator=torch.Generator().manual_seed(3))
    return nn.functional.interpolate(coarse, (32, 32), mode="bilinear")


def bert_config(**more: Any) -> Any:
    return transformers.BertConfig(
        vocab_size=len(word_pieces()), hidden_size=64, num_hidden_layers=6, num_attention_heads=4,
        intermediate_size=128, max_position_embeddings=512, initializer_range=0.15, **more,
    )  # fmt: skip


def louder(layer: nn.Linear) -> None:
    """Spread the scores, so that the order of the answers says something."""
    with torch.no_grad():
        layer.weight.mul_(6.0)


def word_pieces() -> Any:
    """Letters, and a few words whole, with BERT's frame around texts and pairs."""
    words = sorted({word for text in TEXTS for word in text.split()})
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *LETTERS, *(f"##{letter}" for letter in LETTERS), *words]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    made = tokenizers.Tokenizer(tokenizers.models.WordPiece(vocabulary, unk_token="[UNK]"))
    made.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])],
    )  # fmt: skip
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]"
    )


def byte_tokenizer() -> Any:
    """One token a byte."""
    letters = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate(["<s>", "</s>", *letters, "th"])}
    made = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocabulary, merges=[("t", "h")]))
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    made.post_processor = tokenizers.processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", eos_token="</s>")


def save(folder: Path, model: Any, tokenizer: Any) -> Any:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return transformers.AutoTokenizer.from_pretrained(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
