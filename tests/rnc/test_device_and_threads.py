"""Device and threads as asked, or a refusal that says what there is."""

from collections.abc import Iterator

import pytest
import torch

from rnc.device_and_threads import exact_float32, pick_device, set_threads


@pytest.fixture(autouse=True)
def _same_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_auto_takes_the_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for there, name in ((True, "cuda:0"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert pick_device() == torch.device(name)
        assert pick_device("cpu") == torch.device("cpu")


def test_under_torchrun_each_process_takes_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert pick_device() == torch.device("cuda:3")


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for name in ("cuda", "cuda:0"):
        with pytest.raises(ValueError, match="finds no GPU; use --device cpu"):
            pick_device(name)
    for name in ("gpu", "tpu9", "cuda:x", ""):
        with pytest.raises(ValueError, match="unknown device"):
            pick_device(name)


def test_small_networks_train_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _process: set(range(3)), raising=False)
    with torch.device("meta"):
        small, large = torch.nn.Linear(998, 1000), torch.nn.Linear(999, 1000)
    assert set_threads(small) == torch.get_num_threads() == 1
    assert set_threads(large) == torch.get_num_threads() == 3
    assert set_threads(small, requested=2) == torch.get_num_threads() == 2


def test_half_precision_is_off() -> None:
    torch.backends.cudnn.allow_tf32 = True
    exact_float32()
    assert not torch.backends.cuda.matmul.allow_tf32 and not torch.backends.cudnn.allow_tf32
