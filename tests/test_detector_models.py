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


def test_an_onnx_file_is_a_detector_by_its_description(tmp_path: Path) -> None:
    """The little model answers with fixed boxes, scores, labels and masks, as Mask R-CNN's export would."""
    onnx = pytest.importorskip("onnx")
    from reward.detector_onnx import OnnxDetector

    fixed = {
        "boxes": np.asarray([[0, 0, 16, 16], [8, 8, 32, 32]], np.float32),
        "scores": np.asarray([0.9, 0.2], np.float32),
        "labels": np.asarray([2, 1], np.int64),
    }
    nodes = [
        onnx.helper.make_node("Constant", [], [name], value=onnx.numpy_helper.from_array(value))
        for name, value in fixed.items()
    ]
    outputs = [
        onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
        for name, value in fixed.items()
    ]
    inputs = [onnx.helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, [1, 3, 32, 32])]
    graph = onnx.helper.make_graph(nodes, "g", inputs, outputs)
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8),
        tmp_path / "m.onnx",
    )
    told = tmp_path / "m.yaml"
    told.write_text("model: m.onnx\nclasses: [cat, dog]\nfirst_label: 1\nsize: [32, 32]\n"
                    "outputs: {boxes: boxes, scores: scores, labels: labels}\n")  # fmt: skip
    (found,) = OnnxDetector(told, 0.3).detect([PICTURE], ["dog"])
    assert [(one.class_name, one.box) for one in found] == [("dog", (0.0, 0.0, 32.0, 24.0))]
