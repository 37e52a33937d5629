"""Preparation of a server for its first visitor: libraries are loaded, and the store is asked what the first pages ask."""

import gc
import importlib
import logging
import pkgutil
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import rnc.ui
from rnc import event_log

_FILM_LATER_SECONDS = 5.0
_FIRST_VISIT_SECONDS = 3.0
_DRAWING_SECONDS = 3.0
"""Seconds for which a browser on the same machine draws the first page, and needs the processor."""
first_page_drawn = threading.Event()
"""Set when the first page was drawn."""


def declare_pages(navigation: Callable[[], object]) -> None:
    """Call the function that declares the pages (`st.navigation`) before anybody visits.

    Until it is called once, Streamlit makes a menu of the file names in the folder pages/, and runs the requested file alone.
    """
    missing_visitor = logging.getLogger("streamlit.runtime.scriptrunner_utils.script_run_context")
    missing_visitor.disabled = True
    try:
        navigation()
    finally:
        missing_visitor.disabled = False


@asynccontextmanager
async def warm_up(_app: object) -> AsyncIterator[None]:
    """Prepare in the background while the server starts; a lifespan of `st.App`."""
    threading.Thread(target=_prepare_server, name="warm-up", daemon=True).start()
    yield


def _prepare_server() -> None:
    """Prepare, and leave what was loaded out of all later garbage collections.

    Streamlit collects after each run of a script, which took 0.07 s with the objects of the libraries, half of a warm page.
    What every page needs comes first. The rest waits for the page of a first visitor who is there already, and needs the
    processor. The film is made last: it takes longer than all the rest, and the browser of a visitor who sees it asks for it.
    """
    prepare_shared_page_parts()
    if first_page_drawn.wait(_FIRST_VISIT_SECONDS):
        time.sleep(_DRAWING_SECONDS)
    prepare_other_pages()
    gc.collect()
    gc.freeze()
    time.sleep(_FILM_LATER_SECONDS)
    prepare_films()


def prepare_shared_page_parts() -> None:
    """Load what all pages load, and read which runs are selected at first.

    An error is logged and not raised: the page that needs the answer shows it.
    """
    reading = threading.Thread(
        target=_log_errors_of, args=(_first_selection,), name="warm-up of the store", daemon=True
    )
    reading.start()  # the database and the import of libraries take turns otherwise
    _log_errors_of(lambda: importlib.import_module("rnc.ui.page_frame"))
    reading.join()


def _log_errors_of(prepare: Callable[[], object]) -> None:
    try:
        prepare()
    except Exception as error:
        _log_error(error)


def _log_error(error: Exception) -> None:
    """Log an error where pages do, one that says what to do as a single line. No page may have set up the log yet."""
    from rnc.store.addresses import path_if_store_or_new, store_path
    from rnc.ui.errors import ERRORS_FOR_USERS

    with suppress(*ERRORS_FOR_USERS):  # the store's path itself can be what is wrong
        event_log.set_up(path_if_store_or_new(store_path().resolve()), console=True)
    if isinstance(error, ERRORS_FOR_USERS):
        event_log.report_error(str(error))
    else:
        event_log.log_exception(error)


def prepare_other_pages() -> None:
    """Load the modules of all pages, and compute the answers for the runs that are selected at first; errors are logged."""
    _log_errors_of(_load_pages_and_answers)


def _load_pages_and_answers() -> None:
    for module in pkgutil.walk_packages(rnc.ui.__path__, "rnc.ui."):
        importlib.import_module(module.name)
    _ask_first_questions()


def prepare_films() -> None:
    """Make the films of the home page for the runs that are selected at first; an error is logged as by `prepare_other_pages`."""
    _log_errors_of(_make_films)


def _make_films() -> None:
    from rnc.ui.film import film_routes
    from rnc.ui.pages.home_introduction import opening_of

    runs, last = _first_selection()
    opening = opening_of(runs, last) if runs else None
    for shown in opening.films if opening else []:
        film_routes.prepare_compact_player(shown.film)


def _ask_first_questions() -> None:
    """Ask what the pages Findings and Collapse ask about the runs that are selected at first."""
    from rnc.ui.pages.collapse import DEFAULT_OPTIONS, read_curves
    from rnc.ui.pages.findings import judgements_and_query
    from rnc.ui.pages.home_introduction import opening_of
    from rnc.vocabulary import Role, Split

    runs, last = _first_selection()
    if runs:
        read_curves(runs, (str(Role.CLEAN), str(Role.PERTURBED)), Split.TRAIN, DEFAULT_OPTIONS)
        judgements_and_query(runs, last)
        opening_of(runs, last)


def _first_selection() -> tuple[tuple[str, ...], int]:
    """Return the runs that are selected at first, and their last measured epoch."""
    from rnc.ui import opened_store, vanished_store
    from rnc.ui.default_runs import default_runs

    vanished_store.note_store_if_present()  # for a first visitor after it was deleted
    runs = tuple(default_runs())
    epochs = opened_store.reader().metrics.measured_epochs(list(runs))["epoch"]
    return runs, int(epochs.max()) if len(epochs) else 0
