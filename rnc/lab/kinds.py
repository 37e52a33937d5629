"""The kinds of request that the lab answers, each with its kind of result, and how stored ones are read.

A new kind is listed here, in `rnc.lab.engine.worker` (how it is computed) and in `rnc.ui.lab.activities` (how the page
requests and draws it).

Tested by tests/rnc/lab/test_request_base.py.
"""

import json

from rnc.conditions import Condition
from rnc.lab import npz
from rnc.lab.attack import AttackRequest, AttackResult
from rnc.lab.gradient_masking import MaskingRequest, MaskingResult
from rnc.lab.network_and_images import RequestError, Source
from rnc.lab.perturbed_images import PerturbedImagesRequest, PerturbedImagesResult
from rnc.lab.request_base import Request
from rnc.lab.result_base import Result
from rnc.lab.strength_curve import StrengthCurveRequest, StrengthCurveResult
from rnc.vocabulary import MOST_RESULT_BYTES

_KINDS: dict[type[Request], type[Result]] = {
    AttackRequest: AttackResult,
    StrengthCurveRequest: StrengthCurveResult,
    MaskingRequest: MaskingResult,
    PerturbedImagesRequest: PerturbedImagesResult,
}
_REQUESTS = {request.kind: request for request in _KINDS}
_RESULTS = {result.stored_as: result for result in _KINDS.values()}
_MOST_TEXT = 2**20


def request_from_json(content: str) -> Request:
    """Read a request from `Request.to_json`. Raises RequestError if the text is not a valid one."""
    if len(content) > _MOST_TEXT:
        raise RequestError(f"this is not a request of the lab: it is longer than {_MOST_TEXT} characters")
    try:
        values = json.loads(content)
        of = _REQUESTS[values.pop("kind")]
        if "source" in values:
            values["source"] = Source(**values["source"])
        if "sources" in values:
            values["sources"] = tuple(Source(**source) for source in values["sources"])
        values["condition"] = Condition.from_slug(values["condition"])
        return of(**values)
    except RequestError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError, RecursionError) as error:
        raise RequestError(f"this is not a request of the lab ({error}); make a new one on the lab's page") from None


def result_from_bytes(content: bytes) -> Result:
    """Read a result from `Result.to_bytes`.

    Raises `npz.ContentError` if the content is invalid or larger than MOST_RESULT_BYTES.
    """
    return npz.from_bytes(content, _RESULTS, MOST_RESULT_BYTES)
