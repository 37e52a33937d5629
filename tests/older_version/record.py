"""Record the charts that the app draws at forty addresses: `python -m tests.older_version.record STORE FILE`, on any commit.

Of every chart it writes the rows, columns, texts and sums of each of its layers.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.pages.app import charts, open_page

ST, AT = "digits-small_cnn-st-linf-s1-1f9c037d", "digits-small_cnn-at-linf-s1-24785fd6"
ADDRESSES: list[tuple[str, dict[str, Any]]] = [
    ("findings", {}),
    ("findings", {"split": "test"}),
    ("findings", {"epoch": "1"}),
    ("findings", {"runs": [ST]}),
    ("findings", {"runs": [AT], "epoch": "0"}),
    ("collapse", {}),
    ("collapse", {"split": "test"}),
    ("collapse", {"runs": [ST]}),
    ("collapse", {"runs": [ST, AT], "conditions": ["clean", "targeted"]}),
    ("collapse", {"log": "false"}),
    ("collapse", {"log_epochs": "false"}),
    ("collapse", {"smoothing": "0.5"}),
    ("collapse", {"epoch": "1", "conditions": ["gaussian", "sign_noise"]}),
    ("geometry", {}),
    ("geometry", {"run": "AT"}),
    ("geometry", {"runs": [AT], "condition": "targeted"}),
    ("geometry", {"epoch": "0"}),
    ("geometry", {"split": "test"}),
    ("geometry", {"log_distance": "false"}),
    ("geometry", {"condition": "relabelled", "epoch": "1"}),
    ("projections", {}),
    ("projections", {"method": "UMAP"}),
    ("projections", {"method": "Simplex plane"}),
    ("projections", {"method": "Simplex plane", "vertices": ["0", "3", "7"]}),
    ("projections", {"arrows": "false"}),
    ("projections", {"condition": "targeted"}),
    ("projections", {"split": "test"}),
    ("projections", {"epoch": "0"}),
    ("projections", {"two": "true"}),
    ("projections", {"hover": "false"}),
    ("projections", {"runs": [AT], "condition": "gaussian"}),
    ("layers", {}),
    ("layers", {"log": "false"}),
    ("layers", {"runs": [ST], "epoch": "0"}),
    ("layers", {"split": "test"}),
    ("runs", {}),
    ("runs", {"all_fields": "true"}),
    ("runs", {"config_of": AT}),
    ("attack_lab", {}),
    ("attack_lab", {"runs": [AT], "epoch": "1"}),
]


def drawn(page: str, parameters: dict[str, Any], store: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Open an address of a store, and return the page's title and what its charts are drawn of."""
    monkeypatch.setenv("RNC_GALLERY", "")
    app = open_page(page, store, monkeypatch, **parameters)
    layers = {name: [_summary(frame) for frame in chart["rows"]] for name, chart in charts(app).items()}
    return {"page": page, "parameters": parameters, "title": app.title[0].value, "charts": layers}


def _summary(frame: pd.DataFrame) -> dict[str, Any]:
    sums, texts = {}, {}
    for name, column in frame.items():
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            numbers = column.to_numpy(dtype=float)
            finite = numbers[np.isfinite(numbers)]
            sums[str(name)] = [len(finite), float(finite.sum()), float(np.abs(finite).sum())]
        else:
            texts[str(name)] = sorted({str(text) for text in column})[:40]
    return {"rows": len(frame), "columns": sorted(map(str, frame.columns)), "sums": sums, "texts": texts}


if __name__ == "__main__":
    with pytest.MonkeyPatch.context() as patch:
        found = [drawn(page, parameters, Path(sys.argv[1]), patch) for page, parameters in ADDRESSES]
    Path(sys.argv[2]).write_text(json.dumps(found, sort_keys=True, separators=(",", ":")))
