"""The name that GitHub keeps for an uploaded asset.

Kept apart from `kmodbot.kernels.asset_name`, which predicts it: were both one function, no test
against the sandbox could find the prediction wrong.
"""

from __future__ import annotations

import re
import unicodedata


def kept_name(name: str) -> str:
    """Return `name` without accents, and with a dot for each run of unusual characters.

    https://docs.github.com/rest/releases/assets#upload-a-release-asset
    """
    letters = unicodedata.normalize("NFD", name)
    plain = "".join(letter for letter in letters if unicodedata.category(letter) != "Mn")
    if plain.startswith("."):
        plain = f"default{plain}"
    return re.sub(r"[^A-Za-z0-9_+@-]+", ".", plain).strip(".")
