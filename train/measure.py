"""The command line: `python -m train.measure --checkpoint FILE [FILE ...] --model NAME --data FOLDER_OR_FILE`."""

from rnc.interrupt_while_loading import end_at_once_on_ctrl_c

if __name__ == "__main__":
    end_at_once_on_ctrl_c()

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from rnc import datasets, event_log
from rnc.command_output import fail, print_escaped, run_command
from rnc.datasets import DatasetSpec, allowed_folders, custom
from rnc.datasets.custom import CustomImages
from rnc.device_and_threads import check_threads, exact_float32, pick_device, set_threads
from rnc.models import FeatureClassifier, build
from rnc.models.library_networks import parse_arguments
from rnc.models.weights import CheckpointError, network_metadata
from rnc.models.wrapped import WrappedClassifier, check_normalisation
from rnc.probe.epochs_in_file_names import files_by_epoch
from rnc.probe.execution import Execution, Precision
from rnc.probe.external_measurement_config import ExternalRun, check_folder_name, check_names
from rnc.probe.final_summary_line import summary
from rnc.probe.given_checkpoints import checkpoint_files
from rnc.probe.interruption import StopRun
from rnc.probe.measure_external_run import ExternalNetworks, load_weights, measure_run
from rnc.probe.measured_images import shortages
from rnc.probe.measurement_config import MeasurementConfig
from rnc.probe.store_and_device_options import Options
from rnc.safe_paths import UnsafePathError
from rnc.store.addresses import path_if_store_or_new, store_path
from rnc.store.errors import StoreError, StoreWriteError
from rnc.vocabulary import Split

_PROG = "python -m train.measure"
_REPEATED = (
    "checkpoint",
    "epochs",
    "weights_key",
    "data",
    "test_data",
    "classifier",
    "model_args",
    "stages",
    "mean",
    "std",
    "image_size",
    "channels",
    "classes",
    "name",
)
"""Options that are stored only to repeat the measurement."""


@dataclass(frozen=True)
class MeasureCommand:
    """Measure a network that was trained elsewhere, and store the same results as for a trained run.

    Files of several epochs become curves. Weights are safetensors or a state dict of torch.save; no code in a file is
    run. Images are one of the project's data sets (--dataset) or your own (--data). An interrupted measurement is
    resumed.
    """

    measurement: tyro.conf.OmitArgPrefixes[MeasurementConfig]
    checkpoint: tuple[Path, ...] = ()
    """The weights, one file per epoch; or a folder of them."""
    epochs: tuple[int, ...] = ()
    """The epochs of the files, in their order; the numbers in their names if not given."""
    data: Path | None = None
    """Images of the network's training: a folder with a subfolder per class, Parquet, or npz; each may have a test part."""
    test_data: Path | None = None
    """Images on which it was not trained, if they are not part of --data."""
    weights_key: str = ""
    """The key of the weights inside the files, as model_ema, or model/student; found automatically if not given."""
    classifier: str | None = None
    """The last linear layer's name in the network; found automatically if not given."""
    model_args: tuple[str, ...] = ()
    """Arguments of the network besides the number of classes, as key=value: in_channels=3 depths=[1,1]."""
    stages: tuple[str, ...] | None = None
    """Submodules to measure as stages; chosen automatically if not given."""
    mean: tuple[float, ...] = ()
    """Mean that normalises pixels in [0, 1], one number or one per channel; default: 0, or the data set's own."""
    std: tuple[float, ...] = ()
    """Standard deviation for the same; default: 1, or the data set's own."""
    image_size: int = 0
    """Resize your own images to this many pixels per side; 0 is the size of the first, its shorter side if they differ."""
    channels: int = 0
    """1 for grey, 3 for colour; 0 is 3, or the number in an array."""
    classes: tuple[str, ...] = ()
    """The names of your classes in the order of the labels; the folders' names in alphabetical order if not given."""
    name: str = ""
    """The run's name; data set and model if not given."""
    store: Path | None = None
    """The DuckDB file to write; RNC_STORE, or data/rnc.duckdb, if not given."""
    data_root: Path | None = None
    """The folder of the project's data sets; RNC_DATA, or data/images, if not given."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:0."""
    threads: int = 0
    """CPU threads; 0 takes one for a small network and all cores for others."""
    overwrite: bool = False
    """Measure a stored run again, and replace the stored results."""

    def options(self) -> Options:
        """Return the options on store, data and device."""
        return Options(store_path(self.store), self.data_root, self.device, self.threads, overwrite=self.overwrite)


def main(arguments: list[str]) -> int:
    """Run the command; the exit code is 0, 1 if the measurement failed, 2 if the request or a file was wrong.

    It is 130 after Ctrl-C, and that of `StopRun` if the run was interrupted.
    """
    try:
        command = tyro.cli(
            Annotated[MeasureCommand, tyro.conf.EnumChoicesFromValues],
            prog=_PROG,
            args=arguments,
            default=MeasureCommand(MeasurementConfig()),
            config=(tyro.conf.EnumChoicesFromValues,),
        )
        measure(command)
        return 0
    except BrokenPipeError:  # the reader of the output is gone: `run_command` handles it
        raise
    except (CheckpointError, StoreWriteError) as error:
        return fail(error, 1)
    except (StoreError, UnsafePathError, ValueError, OSError, MemoryError) as error:
        return fail(error, 2)
    except KeyboardInterrupt:
        return fail(
            "stopped; all epochs measured so far are in the store, and the same command resumes the measurement", 130
        )
    except StopRun as stop:
        return fail(stop, stop.exit_code)


def measure(command: MeasureCommand) -> None:
    """Check everything before changing the store, then measure. Raises the errors that `main` handles."""
    options = command.options()
    event_log.set_up(path_if_store_or_new(options.store))
    device = pick_device(options.device)
    check_threads(options.threads)
    checkpoints, skipped = checkpoint_files(command.checkpoint, skip_files_without_epoch=not command.epochs)
    files, source_of_epochs = files_by_epoch(checkpoints, command.epochs)
    _say(*skipped, f"epochs: {source_of_epochs}")
    check_folder_name(command.name)
    images, spec = _images(command)
    check_names(command.name, spec.name, command.measurement.model)
    left_out = [] if images is None else images.describe_unused()
    for sentence in left_out:
        _say(f"left out: {sentence}")
    model = _network(command, spec)
    if isinstance(model, WrappedClassifier):
        _say(model.description)
    image_sets = _load(command, images)
    for epoch, path in files:
        _say(f"epoch {epoch}: {path}", *load_weights(model, path, image_sets[Split.TRAIN], command.weights_key))
    run = _run(command, files, images, spec, model, image_sets)
    exact_float32()
    execution = Execution.choose(device, Precision.FLOAT32, compiled=False, model=model)
    threads = set_threads(model, options.threads)
    execution, warning = execution.place_external(model, spec.image_shape)
    if warning:
        _say(warning)
    for split, part in image_sets.items():
        for shortage in shortages(part, spec.classes, run.measure_subset, run.sample_size):
            _say(f"{split}: {shortage}")
    measure_run(run, ExternalNetworks(model, files, spec, image_sets, command.weights_key), options, execution, threads)
    _say(summary(run, options.store, image_sets, spec.classes, "; ".join(left_out)))


def _images(command: MeasureCommand) -> tuple[CustomImages | None, DatasetSpec]:
    """Return the user's images if --data is given, and the spec of the measured data set, with the requested normalisation."""
    config = command.measurement
    if command.data is None:
        if any((command.test_data, command.image_size, command.channels, command.classes)):
            raise ValueError(
                "--test-data, --image-size, --channels and --classes apply only to your own images: --data"
            )
        if not config.dataset:
            raise ValueError(
                "name the images: --data FOLDER_OR_FILE for your own, or --dataset NAME for a built-in data set"
            )
        images, spec = None, datasets.spec(config.dataset)
    else:
        images = custom.find(
            command.data,
            command.test_data,
            name=config.dataset,
            classes=command.classes,
            side=command.image_size,
            channels=command.channels,
        )
        spec = images.spec
        _allow_app_to_read(images)
    channels = spec.image_shape[0]
    mean, std = (numbers * channels if len(numbers) == 1 else numbers for numbers in (command.mean, command.std))
    spec = replace(spec, mean=mean or spec.mean, std=std or spec.std)
    config.check_fits(spec)
    return images, spec


def _allow_app_to_read(images: CustomImages) -> None:
    """Allow the app of this user account to read the images for the store that will refer to them."""
    try:
        allowed_folders.record_as_allowed(images)
    except OSError as error:
        _say(
            f"the app will not show or attack these images, because their folder could not be recorded ({error}); start it with "
            f"{allowed_folders.FOLDERS_VARIABLE}={images.data.resolve()}"
        )


def _network(command: MeasureCommand, spec: DatasetSpec) -> FeatureClassifier:
    config = command.measurement
    if not config.model:
        raise ValueError(
            "name the network: --model small_cnn, torchvision:resnet18, timm:NAME, hf:TYPE, or module:function"
        )
    check_normalisation(spec.image_shape[0], spec.mean, spec.std)
    model = build(
        config.model,
        spec,
        config.width,
        classifier=command.classifier,
        stages=command.stages,
        arguments=parse_arguments(command.model_args),
        trusted=True,
    )
    if model.weight.shape[0] != spec.num_classes:
        raise ValueError(
            f"{config.model} has {model.weight.shape[0]} outputs, but the images have {spec.num_classes} classes: "
            f"{', '.join(spec.classes[:10])}; network and images must have the same classes"
        )
    return model


def _load(command: MeasureCommand, images: CustomImages | None) -> dict[Split, Any]:
    if images is None:
        return {split: datasets.load(command.measurement.dataset, split, command.data_root) for split in Split}
    return {split: images.load(split) for split in images.splits()}


def _run(
    command: MeasureCommand,
    files: list[tuple[int, Path]],
    images: CustomImages | None,
    spec: DatasetSpec,
    model: FeatureClassifier,
    image_sets: dict[Split, Any],
) -> ExternalRun:
    config = command.measurement
    cli_arguments = {name: getattr(command, name) for name in _REPEATED}
    shared = {name: getattr(config, name) for name in MeasurementConfig.__dataclass_fields__}
    return ExternalRun(
        **shared | {"dataset": spec.name},
        name=command.name,
        epochs=tuple(epoch for epoch, _path in files),
        sha256=tuple(_sha256(path) for _epoch, path in files),
        fingerprints={split: part.fingerprint() for split, part in image_sets.items()},
        network=network_metadata(config.model, spec, config.width, model)
        | ({"weights_key": command.weights_key} if command.weights_key else {}),
        images=None if images is None else images.to_json(),
        cli_arguments={name: _plain(value) for name, value in cli_arguments.items() if value not in (None, (), 0, "")},
    )


def _plain(value: Any) -> Any:
    """Return the value in JSON types."""
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _say(*parts: str) -> None:
    print_escaped("; ".join(parts))


if __name__ == "__main__":
    run_command(main)
