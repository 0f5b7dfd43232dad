"""Facial emotion recognition: `from emotion import Predictor, predict_emotion`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emotion.inference.predictor import Predictor, predict_emotion

    __version__: str

__all__ = ["Predictor", "__version__", "predict_emotion"]


def __getattr__(name: str) -> Any:
    """Import public names on first use, so that commands that need no network start quickly."""
    if name == "__version__":
        from importlib.metadata import version

        return version("emotion")
    if name in __all__:
        from emotion.inference import predictor

        return getattr(predictor, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
