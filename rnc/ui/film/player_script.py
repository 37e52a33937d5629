"""The player's script for the browser: the modules in the folder `script`, joined into one.

Tested by tests/rnc/ui/film/test_film_routes.py.
"""

import hashlib
import json
import re
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "script"
_ORDER = [
    "film_file", "film", "colours", "camera", "renderer", "overlay", "track", "gif", "exports", "pane", "player", "component",
]  # fmt: skip
"""The modules, each after those that it imports."""
_IMPORT = re.compile(r"^import \{[^}]*\} from \"\./(\w+)\.js\";\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const))", re.MULTILINE)


@cache
def player_script() -> str:
    """Return the script as one module, which exports `mountComponent` and `unmountComponent`.

    The style is its constant `STYLE`. The modules are joined in their order, without their imports and exports: no two of them
    give one name to two things.
    """
    parts = [(_FOLDER / f"{name}.js").read_text() for name in _ORDER]
    joined = "\n".join(_EXPORT.sub("", _IMPORT.sub("", part)) for part in parts)
    return f"const STYLE = {json.dumps(player_style())};\n{joined}\nexport {{ mountComponent, unmountComponent }};\n"


@cache
def player_style() -> str:
    """Return the player's style sheet."""
    return (_FOLDER / "film.css").read_text()


PLAYER_NAME = f"player-{hashlib.sha256(player_script().encode()).hexdigest()[:16]}.js"
"""The name of the script in an address; it changes with the script, so that browsers may keep it."""
