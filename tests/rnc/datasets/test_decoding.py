"""Decoding gives the stored bytes, resizes as torchvision does, and names the image that is damaged or strange."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import EpsImagePlugin, Image
from torchvision import transforms

from rnc import datasets
from rnc.datasets import DatasetError
from rnc.datasets.decoding import EncodedImage, decode, decode_image
from rnc.vocabulary import Split
from tests.examples import examples

GREY, RGB, ANY_SIZE = datasets.spec("mnist"), datasets.spec("cifar10"), datasets.spec("imagenette")
TINY = replace(ANY_SIZE, image_shape=(3, 8, 8))


def random_image(width: int, height: int, mode: str = "RGB", seed: int = 0) -> Image.Image:
    depth = {"L": (), "RGB": (3,), "RGBA": (4,)}[mode]
    return Image.fromarray(np.random.default_rng(seed).integers(256, size=(height, width, *depth), dtype=np.uint8))


def content(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def encoded(data: bytes, label: int = 0) -> EncodedImage:
    return EncodedImage(data, label, "here, row 7")


class Listed:
    """A source of given images."""

    folder, files = Path(), ()

    def __init__(self, images: list[EncodedImage], said: int | None = None) -> None:
        self.images, self.said = images, said

    def __str__(self) -> str:
        return "a list"

    def __len__(self) -> int:
        return len(self.images) if self.said is None else self.said

    def __iter__(self) -> Iterator[EncodedImage]:
        return iter(self.images)


def one_of_each(spec: datasets.DatasetSpec) -> list[EncodedImage]:
    mode, size = ("L" if spec.image_shape[0] == 1 else "RGB"), spec.image_shape[1]
    return [encoded(content(random_image(size, size, mode, c)), c) for c in range(spec.num_classes)]


@pytest.mark.parametrize("kind", [("PNG", {}), ("WEBP", {"lossless": True})])
def test_lossless_images_come_out_as_they_went_in(kind: tuple[str, dict]) -> None:
    image = random_image(32, 32)
    found = decode_image(RGB, encoded(content(image, kind[0], **kind[1])))
    assert found.dtype == np.uint8 and found.shape == (3, 32, 32)
    assert all(tuple(found[:, y, x]) == image.getpixel((x, y)) for y in range(32) for x in range(32))


def test_grey_images_come_out_as_they_went_in() -> None:
    image = random_image(28, 28, "L")
    found = decode_image(GREY, encoded(content(image)))
    assert found.shape == (1, 28, 28)
    assert all(found[0, y, x] == image.getpixel((x, y)) for y in range(28) for x in range(28))


def test_a_jpeg_is_what_pillow_makes_of_it() -> None:
    data = content(random_image(32, 32), "JPEG", quality=80)
    assert np.array_equal(decode_image(RGB, encoded(data)).transpose(1, 2, 0), np.asarray(Image.open(io.BytesIO(data))))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_other_modes_become_rgb_or_grey(mode: str) -> None:
    image = random_image(32, 32).convert(mode)
    data = content(image, "TIFF" if mode == "CMYK" else "PNG")
    assert np.array_equal(decode_image(RGB, encoded(data)).transpose(1, 2, 0), np.asarray(image.convert("RGB")))
    grey = replace(GREY, image_shape=(1, 32, 32))
    assert np.array_equal(decode_image(grey, encoded(data))[0], np.asarray(image.convert("L")))


@examples(100)
@given(st.integers(1, 40), st.integers(1, 40))
def test_any_size_is_resized_and_cropped_as_torchvision_does(width: int, height: int) -> None:
    image = random_image(width, height)
    oracle = transforms.Compose([transforms.Resize(8), transforms.CenterCrop(8)])
    found = decode_image(TINY, encoded(content(image)))
    assert np.array_equal(found.transpose(1, 2, 0), np.asarray(oracle(image)))


@pytest.mark.parametrize("size", [(160, 160), (213, 160), (160, 301), (500, 375)])
def test_imagenette_is_the_shorter_side_at_160_and_the_centre(size: tuple[int, int]) -> None:
    data = content(random_image(*size), "JPEG")
    oracle = transforms.Compose([transforms.Resize(160), transforms.CenterCrop(160)])
    expected = np.asarray(oracle(Image.open(io.BytesIO(data))))
    assert np.array_equal(decode_image(ANY_SIZE, encoded(data)).transpose(1, 2, 0), expected)


@pytest.mark.parametrize("size", [(32, 28), (64, 64), (1, 1)])
def test_a_wrong_size_is_an_error_where_all_images_have_one(size: tuple[int, int]) -> None:
    message = (
        rf"here, row 7: the image is {size[0]}x{size[1]}, but cifar10 has 32x32; check that it belongs to this data set"
    )
    with pytest.raises(DatasetError, match=message):
        decode_image(RGB, encoded(content(random_image(*size))))


@pytest.mark.parametrize(("dtype", "mode"), [(np.uint16, "I;16"), (np.int32, "I"), (np.float32, "F")])
def test_more_than_8_bits_are_refused_and_not_clipped(dtype: type, mode: str) -> None:
    image = Image.fromarray(np.full((28, 28), 1000, dtype))
    assert image.mode == mode
    with pytest.raises(DatasetError, match=rf"here, row 7: .*more than 8 bits.*{mode}.*save it as 8-bit"):
        decode_image(GREY, encoded(content(image, "TIFF")))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_truncated_image_is_an_error(kind: str) -> None:
    data = content(random_image(32, 32), kind)
    for length in [0, 1, 10, *range(20, len(data) - 20, 50)]:
        with pytest.raises(DatasetError, match=r"here, row 7: not a readable image.*copy or download it again"):
            decode_image(RGB, encoded(data[:length]))


def test_a_flipped_bit_in_a_png_is_an_error() -> None:
    """A PNG's chunks have checksums; JPEG and WebP have none, so that nothing could tell there."""
    data = content(random_image(32, 32))
    start = data.index(b"IDAT")
    for place in range(start + 4, len(data) - 16, 97):
        damaged = bytearray(data)
        damaged[place] ^= 4
        with pytest.raises(DatasetError, match="not a readable image"):
            decode_image(RGB, encoded(bytes(damaged)))


def test_a_file_that_is_not_an_image_is_an_error() -> None:
    with pytest.raises(DatasetError, match=r"here, row 7: not a readable image"):
        decode_image(RGB, encoded(b"<html>404</html>"))


def test_no_image_starts_a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow would hand an EPS to Ghostscript, which runs what stands in it."""
    (tmp_path / "gs").write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    (tmp_path / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 32\n%%EndComments\nshowpage\n"
    with pytest.raises(DatasetError, match="not a readable image"):
        decode_image(RGB, encoded(postscript))
    assert not (tmp_path / "started").exists()


def test_an_image_of_too_many_pixels_is_not_decoded() -> None:
    with pytest.raises(DatasetError, match=r"here, row 7: the image is 9000x9000 pixels large.*make it smaller"):
        decode_image(TINY, encoded(content(Image.new("1", (9000, 9000)))))


def test_a_source_is_decoded_in_its_order_with_a_progress_bar(capsys: pytest.CaptureFixture[str]) -> None:
    given_images = one_of_each(RGB)[::-1]
    images, labels = decode(RGB, Split.TRAIN, Listed(given_images))
    assert images.shape == (10, 3, 32, 32) and images.dtype == np.uint8 and labels.dtype == np.int64
    assert labels.tolist() == list(range(9, -1, -1))
    for found, image in zip(images, given_images, strict=True):
        assert np.array_equal(found, decode_image(RGB, image))
    assert "decoding cifar10 train: 100%" in capsys.readouterr().err


@pytest.mark.parametrize("label", [-1, 10, 2**40])
def test_a_label_outside_the_classes_is_an_error(label: int) -> None:
    images = [*one_of_each(RGB), one_of_each(RGB)[0]._replace(label=label)]
    with pytest.raises(DatasetError, match=rf"here, row 7: label {label} is not one of the 10 classes of cifar10"):
        decode(RGB, Split.TRAIN, Listed(images))


@pytest.mark.parametrize("said", [9, 11])
def test_more_or_fewer_images_than_announced_are_an_error(said: int) -> None:
    with pytest.raises(DatasetError, match=rf"a list: there are not {said} images, as announced; copy the files again"):
        decode(RGB, Split.TRAIN, Listed(one_of_each(RGB), said))


def test_a_class_without_images_is_an_error() -> None:
    with pytest.raises(
        DatasetError, match=r"a list: there are no images of automobile, frog; check that this is all of cifar10 test"
    ):
        decode(RGB, Split.TEST, Listed([image for image in one_of_each(RGB) if image.label not in (1, 6)]))
