"""From the findings page to an answer, in clicks: does AT keep its simplex under PGD, and which class moves most?"""

import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from rnc.class_mean_geometry import centre, cosine_matrix
from rnc.store.reader import StoreReader
from tests.browser.conftest import settle, visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_one_click_leads_to_the_class_that_moves_most(demo_store: Path, demo_address: str, page: Page) -> None:
    """The card C6 says whether AT collapses under PGD, C7 by what angle; its link shows AT under PGD, and says the rest."""
    visit(page, demo_address)
    settle(page)
    cards = page.locator("[data-testid='stLayoutWrapper']")
    card = cards.filter(has=page.get_by_role("heading", name=re.compile("^C7"))).last
    collapses = cards.filter(has=page.get_by_role("heading", name=re.compile("^C6"))).last
    expect(collapses).to_contain_text(re.compile("supported|contradicted"))
    card.get_by_role("link", name="Geometry of the class means").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Geometry of the class means")
    expect(page).to_have_url(re.compile(r"/geometry\?.*run=AT"))
    reader = StoreReader(demo_store)
    run_id = reader.runs.all().set_index("objective").loc["at", "run_id"]
    found = reader.metrics.class_metrics({run_id: 60}, "train")
    angles = found[(found["metric"] == "angle") & (found["shown"] == "perturbed")].set_index("class")["value"]
    told = f"class {angles.idxmax()} of AT rotates most ({np.degrees(angles.max()):.1f}°)"
    expect(page.get_by_text(re.compile(re.escape(told)))).to_be_visible()
    pgd = reader.runs.conditions([run_id]).set_index("shown")["condition"]["perturbed"]
    cosines = cosine_matrix(centre(reader.vectors.class_means(run_id, 60, "train", pgd)[1]))
    off = np.abs(cosines[~np.eye(10, dtype=bool)] + 1 / 9).mean()
    expect(page.get_by_text(re.compile(re.escape(f"{off:.3f} (perturbed)")))).to_be_visible()
