"""Choice of the stored network that is attacked, and of its images.

Tested by tests/pages/test_attack_lab.py.
"""

import json

import pandas as pd
import streamlit as st

from rnc.lab.network_and_images import RequestError, Source
from rnc.store.errors import StoreError
from rnc.ui import opened_store
from rnc.ui.errors import show_error
from rnc.ui.markdown import escape_markdown
from rnc.ui.selection import Selection, epoch_not_after
from rnc.vocabulary import Split


def choose_network(run: pd.Series, selection: Selection) -> Source | None:
    """Return the network of a run at the epoch cursor; if the run kept none, say so on the page and return None."""
    checkpoints = opened_store.reader().runs.checkpoints([run.run_id])
    epoch = epoch_not_after(checkpoints, run.run_id, selection.epoch)
    if epoch is None:
        st.info(
            "This run is synthetic: there is no network to attack. Choose a trained run."
            if run.synthetic
            else "This run stored no network up to the selected epoch. Select a later epoch, or train with "
            "--checkpoint-epochs measured."
        )
        return None
    st.caption(
        f"{escape_markdown(run.run_id)} · network of epoch {epoch:d} · {escape_markdown(selection.split.images)}"
    )
    checkpoint = checkpoints[checkpoints["epoch"] == epoch].iloc[0].to_dict()
    return attackable(run, checkpoint, selection.split, "The network that the store names")


def attackable(run: pd.Series, checkpoint: dict, split: Split, what: str) -> Source | None:
    """Return a stored network; if the store's entry is invalid, show the error on the page and return None."""
    try:
        return source_of(run, checkpoint, split)
    except RequestError as error:
        show_error(f"{what} cannot be attacked: {error}.")
        return None


def source_of(run: pd.Series, checkpoint: dict, split: Split) -> Source:
    """Return the lab's source for a run's stored network, given as a row of `reader.runs.checkpoints`.

    Raises RequestError if the row is invalid or its file is not in the store's folder; the file is not opened then.
    """
    try:
        subset = json.loads(run["config"]).get("subset", 0) if split is Split.TRAIN else 0
        data = json.loads(run["data"]) if isinstance(run["data"], str) else {}
        fingerprint = data.get(split, {}).get("fingerprint")
        file, epoch = opened_store.reader().runs.network(checkpoint["path"]), int(checkpoint["epoch"])
        model = f"{run['model']} width {run['width']:g}"
    except StoreError as error:
        raise RequestError(str(error)) from None
    except (TypeError, ValueError, AttributeError, RecursionError) as error:
        raise RequestError(f"its entry in the store is invalid ({error})") from None
    return Source(
        str(file), checkpoint["sha256"], run["run_id"], epoch, run["images_from"], split, subset, fingerprint, model
    )
