"""Records of every kind of field, for the tests of records and of settings."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec


class Lens(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    aperture: float = 2.8
    maker: str | None = None


class Camera(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    SCHEMA: ClassVar[int] = 1

    name: str = "box"
    pixels: int = 12
    gain: float = 1.0
    flash: bool | None = None
    tint: Literal["none", "red"] = "red"
    strap: Annotated[str | None, msgspec.Meta(examples=["none", "a maker's name"])] = None
    lens: Lens = Lens()
    spare: Lens | None = None
    bag: tuple[Lens, ...] = ()
    prices: dict[str, float] = {}
