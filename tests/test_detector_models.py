"""Detectors from transformers and from ONNX files, with small random weights, in every shape that is supported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from reward.detection import Located
from reward.detector_transformers import around, build_detector, spelled
from reward.rules_geneval import COLOURS

transformers = pytest.importorskip("transformers")
PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8))
LABELS = {0: "person", 1: "mouse", 2: "dog"}


def save(folder: Path, *parts: Any) -> str:
    for part in parts:
        part.save_pretrained(folder)
    return str(folder)


@pytest.fixture
def words(tmp_path: Path) -> Any:
    """A tokenizer of CLIP's kind that knows its letters."""
    letters = [chr(one) for one in range(97, 123)]
    vocabulary = {word: place for place, word in enumerate(
        [*letters, *(one + "</w>" for one in letters), "<|startoftext|>", "<|endoftext|>"])}  # fmt: skip
    return transformers.CLIPTokenizer(vocabulary, [], model_max_length=32)


def test_instance_segmentation_gives_masks_and_the_boxes_around_them(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = transformers.Mask2FormerConfig(
        backbone_config=transformers.SwinConfig(
            image_size=64, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1], window_size=2,
            out_features=["stage1", "stage2", "stage3", "stage4"]),
        feature_size=32, mask_feature_size=32, hidden_dim=32, encoder_feedforward_dim=8, dim_feedforward=8,
        encoder_layers=1, decoder_layers=2, num_attention_heads=2, num_queries=4, id2label=LABELS)  # fmt: skip
    processor = transformers.Mask2FormerImageProcessorPil(size={"height": 64, "width": 64})
    where = save(tmp_path, transformers.Mask2FormerForUniversalSegmentation(config), processor)
    detector = build_detector(where, None, "cpu", 0.05)
    assert detector.stand_in == ""
    (found,) = detector.detect([PICTURE], ["computer mouse"])
    assert found
    for one in found:
        assert one.class_name in ("person", "computer mouse", "dog")
        assert one.mask is not None
        assert one.mask.shape == (48, 64)
        assert around(one.mask) == one.box
    with pytest.raises(ValueError, match=r"no class of mask2former:.* named 'zebra'"):
        detector.detect([PICTURE], ["zebra"])


def test_boxes_of_fixed_classes_are_a_stand_in(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = transformers.YolosConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, image_size=[32, 32],
        patch_size=16, num_detection_tokens=4, id2label=LABELS)  # fmt: skip
    processor = transformers.YolosImageProcessorPil(size={"height": 32, "width": 32})
    detector = build_detector(
        save(tmp_path, transformers.YolosForObjectDetection(config), processor), None, "cpu", 0.05
    )
    assert detector.stand_in == "yolos"
    (found,) = detector.detect([PICTURE], ["dog"])
    assert found
    assert all(one.mask is None and one.score > 0.05 for one in found)


def test_classes_in_words_are_found_one_pass_a_class(tmp_path: Path, words: Any) -> None:
    torch.manual_seed(0)
    config = transformers.Owlv2Config(
        text_config={"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
                     "vocab_size": 54, "max_position_embeddings": 32, "eos_token_id": 53, "pad_token_id": 53},
        vision_config={"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
                       "image_size": 32, "patch_size": 16}, projection_dim=8)  # fmt: skip
    processor = transformers.Owlv2Processor(
        transformers.Owlv2ImageProcessorPil(size={"height": 32, "width": 32}), words
    )
    detector = build_detector(save(tmp_path, transformers.Owlv2ForObjectDetection(config), processor), None, "cpu", 0.0)
    assert detector.stand_in == "owlv2"
    (found,) = detector.detect([PICTURE], ["red dog", "cat"])
    assert [one.class_name for one in found] == ["red dog"] * 4 + ["cat"] * 4


def test_detr_finds_boxes_inside_the_picture_and_is_a_stand_in(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = transformers.DetrConfig(
        use_timm_backbone=False, use_pretrained_backbone=False, backbone=None, num_queries=5, d_model=16,
        backbone_config=transformers.ResNetConfig(
            embedding_size=8, hidden_sizes=[8, 8, 8, 8], depths=[1, 1, 1, 1], out_features=["stage4"]),
        encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=8,
        decoder_ffn_dim=8, id2label=LABELS)  # fmt: skip
    processor = transformers.DetrImageProcessorPil(size={"height": 64, "width": 64})
    where = save(tmp_path, transformers.DetrForObjectDetection(config), processor)
    detector = build_detector(where, None, "cpu", 0.05)
    assert detector.stand_in == "detr"
    assert detector.id.startswith("detr:")
    (found,) = detector.detect([PICTURE], ["person", "computer mouse"])
    assert found
    for one in found:
        left, top, right, bottom = one.box
        assert one.class_name in ("person", "computer mouse", "dog")
        assert -64 < left < right < 128
        assert -48 < top < bottom < 96
    again = detector.detect([PICTURE, PICTURE.rotate(90)], ["dog"])
    assert again[0] == found


def test_grounding_dino_hears_bare_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    known = [f"[unused{number}]" for number in range(1030)]
    for number, word in ((0, "[PAD]"), (100, "[UNK]"), (101, "[CLS]"), (102, "[SEP]"), (103, "[MASK]"), (200, "red"),
                         (201, "dog"), (202, "cat"), (1012, "."), (1029, "?")):  # fmt: skip
        known[number] = word
    tokenizer = transformers.BertTokenizer({word: number for number, word in enumerate(known)})
    config = transformers.GroundingDinoConfig(
        backbone_config=transformers.SwinConfig(
            image_size=64, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1], window_size=2,
            out_features=["stage2", "stage3", "stage4"]),
        text_config=transformers.BertConfig(
            vocab_size=1030, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16),
        d_model=32, encoder_layers=1, decoder_layers=2, num_queries=4, encoder_ffn_dim=16, decoder_ffn_dim=16,
        encoder_attention_heads=2, decoder_attention_heads=2, num_feature_levels=3)  # fmt: skip
    eyes = transformers.GroundingDinoImageProcessorPil(size={"height": 64, "width": 64})
    processor = transformers.GroundingDinoProcessor(eyes, tokenizer)
    where = save(tmp_path, transformers.GroundingDinoForObjectDetection(config), processor)
    detector = build_detector(where, None, "cpu", 0.0)
    assert detector.stand_in == "grounding-dino"
    said: list[Any] = []
    hear = transformers.GroundingDinoProcessor._preprocess_input_text
    monkeypatch.setattr(transformers.GroundingDinoProcessor, "_preprocess_input_text",
                        lambda self, text: said.append(hear(self, text)) or said[-1])  # fmt: skip
    (found,) = detector.detect([PICTURE], ["red dog", "cat"])
    assert said == [["red dog."], ["cat."]]
    assert [one.class_name for one in found] == ["red dog"] * 4 + ["cat"] * 4
    assert len({one.box for one in found}) > 4


def test_a_checkpoint_that_is_no_detector_is_named(tmp_path: Path) -> None:
    transformers.BertConfig().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="no family of detectors named 'bert'"):
        build_detector(str(tmp_path), None, "cpu", 0.3)


def test_other_spellings_of_the_classes_are_genevals() -> None:
    assert [spelled(one) for one in ("Mouse", "remote", "sofa", "dog")] == [
        "computer mouse",
        "tv remote",
        "couch",
        "dog",
    ]


def test_colours_are_read_from_the_object_on_grey_ground(tmp_path: Path, words: Any) -> None:
    from reward.colour_clip import GROUND, ClipColours, crop

    torch.manual_seed(0)
    config = transformers.CLIPConfig(
        text_config={"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
                     "vocab_size": 54, "max_position_embeddings": 48, "eos_token_id": 53, "pad_token_id": 53},
        vision_config={"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
                       "image_size": 32, "patch_size": 16}, projection_dim=8)  # fmt: skip
    where = save(tmp_path, transformers.CLIPModel(config), words, transformers.CLIPImageProcessorPil(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}))  # fmt: skip
    mask = np.zeros((48, 64), dtype=bool)
    mask[10:20, 10:30] = True
    mask[10, 10] = False
    cut = crop(PICTURE, Located("dog", around(mask), 0.9, mask))
    assert cut.size == (20, 10)
    assert cut.getpixel((0, 0)) == GROUND
    assert cut.getpixel((5, 5)) == PICTURE.getpixel((15, 15))
    named = ClipColours(where, None, "cpu").colours(
        PICTURE, [Located("dog", (0, 0, 40, 40), 0.9), Located("cup", (1, 1, 9, 9), 0.9)]
    )
    assert len(named) == 2

    assert set(named) <= set(COLOURS)


def fixed(folder: Path, told: str, **values: Any) -> Any:
    """A detector in an ONNX file of 32 x 32 pixels that always gives these outputs; those named `_` are left to it."""
    onnx = pytest.importorskip("onnx")
    from reward.detector_onnx import OnnxDetector

    nodes = [
        onnx.helper.make_node("Constant", [], [name], value=onnx.numpy_helper.from_array(np.asarray(value)))
        for name, value in values.items()
    ]
    outputs = [
        onnx.helper.make_tensor_value_info(
            name, onnx.helper.np_dtype_to_tensor_dtype(np.asarray(value).dtype), np.asarray(value).shape
        )
        for name, value in values.items()
    ]
    inputs = [onnx.helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, [1, 3, 32, 32])]
    graph = onnx.helper.make_graph(nodes, "g", inputs, outputs)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "m.onnx")
    (folder / "m.yaml").write_text(f"model: m.onnx\nclasses: [cat, dog]\nsize: [32, 32]\n{told}\n")
    return OnnxDetector(folder / "m.yaml", 0.3)


def test_an_onnx_file_is_a_detector_by_its_description(tmp_path: Path) -> None:
    detector = fixed(
        tmp_path, "first_label: 1\noutputs: {boxes: boxes, scores: scores, labels: labels}",
        boxes=np.asarray([[0, 0, 16, 16], [8, 8, 32, 32]], np.float32), scores=np.asarray([0.9, 0.2], np.float32),
        labels=np.asarray([2, 1], np.int64),
    )  # fmt: skip
    (found,) = detector.detect([PICTURE], ["dog"])
    assert [(one.class_name, one.box) for one in found] == [("dog", (0.0, 0.0, 32.0, 24.0))]
    assert detector.stand_in == "m"
    with pytest.raises(ValueError, match=r"no class of m.onnx named 'zebra'"):
        detector.detect([PICTURE], ["zebra"])


@pytest.mark.parametrize(("where", "shape"), [("picture", (1, 2, 1, 32, 32)), ("box", (2, 1, 8, 8))])
def test_masks_of_mask_r_cnn_lie_over_the_picture_or_in_their_boxes(
    tmp_path: Path, where: str, shape: tuple[int, ...]
) -> None:
    """The upper half of the second object, in either way of writing it, on a picture twice as wide as what goes in."""
    masks = np.zeros(shape, np.float32)
    masks.reshape(2, *shape[-2:])[1, : 16 if where == "picture" else 4, :] = 0.9
    if where == "picture":
        masks[..., :, :8] = masks[..., :, 24:] = 0.0
    detector = fixed(
        tmp_path, f"masks: {where}\noutputs: {{boxes: boxes, scores: scores, labels: labels, masks: masks}}",
        boxes=np.asarray([[[0, 0, 4, 4], [8, 8, 24, 24]]], np.float32), scores=np.asarray([0.1, 0.9], np.float32),
        labels=np.asarray([0, 1], np.int64), masks=masks,
    )  # fmt: skip
    (found,) = detector.detect([PICTURE], ["dog"])
    assert [(one.class_name, one.box) for one in found] == [("dog", (16.0, 12.0, 48.0, 36.0))]
    mask = found[0].mask
    assert mask is not None
    assert mask.shape == (48, 64)
    bottom = 24 if where == "picture" else 12 + 12
    assert mask[16:bottom, 18:46].all()
    assert not mask[bottom + 1 :].any()
    assert not mask[:, :15].any()
    assert not mask[:, 49:].any()


def test_scores_of_every_class_become_one_label(tmp_path: Path) -> None:
    """DETR's export: logits of two classes and of nothing, boxes as shares around their middles."""
    detector = fixed(
        tmp_path, "boxes: share\ncorners: cxcywh\nactivation: softmax\noutputs: {boxes: boxes, classes: logits}",
        boxes=np.asarray([[[0.5, 0.5, 0.5, 0.5], [0.25, 0.25, 0.5, 0.5], [0.5, 0.5, 1, 1]]], np.float32),
        logits=np.asarray([[[0, 3, 0], [2, 0, 0], [0, 0, 9]]], np.float32),
    )  # fmt: skip
    (found,) = detector.detect([PICTURE], ["dog"])
    assert [(one.class_name, one.box) for one in found] == [("dog", (16, 12, 48, 36)), ("cat", (0, 0, 32, 24))]
    assert found[0].score == pytest.approx(np.exp(3) / (np.exp(3) + 2))


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("outputs: {boxes: b, scores: s}", "need 'labels'"),
        ("outputs: {boxes: b, classes: c}\nactivation: relu", "no activation in m.yaml named 'relu'"),
        ("outputs: {boxes: b, classes: c}\nmasks: somewhere", "no masks in m.yaml named 'somewhere'"),
        ("outputs: {boxes: b, classes: c, mask: m}", "no output in m.yaml named 'mask'; did you mean 'masks'"),
        ("outputs: {boxes: other, classes: c}", "m.onnx has no output named 'other'"),
        ("outputs: [boxes]", "outputs in .* is a mapping"),
        ("outputs: {boxes: b, classes: c}\ninput: pixels", "m.onnx has no input named 'pixels'"),
        ("outputs: {boxes: b, classes: c}\nsha256: abc", "has the SHA-256"),
    ],
)
def test_a_description_that_does_not_fit_is_named(tmp_path: Path, told: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        fixed(tmp_path, told, b=np.zeros((1, 4), np.float32), c=np.zeros((1, 3), np.float32))
