"""Well-formed records of every edition, for property tests and as seeds of the fuzzers."""

from hypothesis import strategies as st

from biomatch.formats.minutiae_record import (
    IMPRESSIONS,
    POSITIONS,
    Area,
    CaptureDate,
    Certificate,
    Core,
    CoresDeltas,
    Delta,
    Geometry,
    MinutiaeRecord,
    Quality,
    RecordMinutia,
    RidgeCount,
    RidgeCounts,
    Standard,
    View,
    Zones,
)

WORDS = st.integers(1, 0xFFFF)
BYTES = st.integers(0, 255)
SIDES = st.integers(1, 2000)
QUALITIES = st.integers(0, 100)
OLD = (Standard.ISO_2005, Standard.ANSI_2004)


def geometries() -> st.SearchStrategy[Geometry]:
    return st.builds(Geometry, SIDES, SIDES, st.integers(99, 800), st.integers(99, 800))


@st.composite
def areas(draw: st.DrawFn, standard: Standard, image: Geometry) -> tuple[Area, ...]:
    found = []
    if draw(st.booleans()):
        counts = draw(st.lists(st.builds(RidgeCount, BYTES, BYTES, BYTES), max_size=5))
        found.append(RidgeCounts(draw(st.integers(0, 2)), tuple(counts)).pack())
    if draw(st.booleans()):
        angles = draw(st.booleans())
        cores = draw(st.lists(st.builds(Core, SIDES, SIDES, BYTES if angles else st.none())))
        triple = st.tuples(BYTES, BYTES, BYTES) if angles else st.none()
        deltas = draw(st.lists(st.builds(Delta, SIDES, SIDES, triple), max_size=4))
        found.append(CoresDeltas(tuple(cores[:4]), tuple(deltas)).pack(standard))
    if standard.is_iso and draw(st.booleans()):
        side, depth = draw(st.integers(100, 255)), draw(st.integers(1, 8))
        cells = -(-image.width // side) * -(-image.height // side)
        values = draw(st.lists(st.integers(0, (1 << depth) - 1), min_size=cells, max_size=cells))
        makers = (draw(WORDS), draw(WORDS)) if standard is Standard.ISO_2011 else (0, 0)
        found.append(Zones(side, side, depth, tuple(values), *makers).pack(standard))
    if draw(st.booleans()):
        found.append(Area(draw(st.integers(0x101, 0xFFFF)), draw(st.binary(max_size=20))))
    return tuple(found)


@st.composite
def views(draw: st.DrawFn, standard: Standard, number: int, image: Geometry) -> View:
    modern = standard is Standard.ISO_2011
    has_quality = not modern or draw(st.booleans())
    minutia = st.builds(
        RecordMinutia,
        st.integers(0, 2),
        st.integers(0, image.width - 1),
        st.integers(0, image.height - 1),
        st.integers(0, 255 if standard.is_iso else 179),
        QUALITIES if has_quality else st.none(),
    )
    old = standard in OLD
    quality = st.builds(
        Quality, QUALITIES, st.just(0) if old else WORDS, st.just(0) if old else WORDS
    )
    extra = {}
    if modern:
        extra = {
            "date": CaptureDate(2012, 3, 4, 5, 6, 7, 890),
            "device_technology": draw(st.integers(0, 20)),
            "device_vendor": draw(WORDS),
            "device": draw(WORDS),
            "certificates": tuple(
                draw(st.lists(st.builds(Certificate, WORDS, st.integers(1, 3)), max_size=2))
            ),
            "ridge_ending": draw(st.integers(0, 1)),
            "has_quality": has_quality,
        }
    return View(
        position=draw(st.sampled_from(sorted(POSITIONS))),
        number=number,
        impression=draw(st.sampled_from(sorted(IMPRESSIONS[standard]))),
        qualities=tuple(
            draw(st.lists(quality, min_size=0 if modern else 1, max_size=2 if modern else 1))
        ),
        image=image,
        minutiae=tuple(draw(st.lists(minutia, max_size=12))),
        areas=draw(areas(standard, image)),
        **extra,
    )


@st.composite
def records(draw: st.DrawFn, standard: Standard | None = None) -> MinutiaeRecord:
    standard = standard or draw(st.sampled_from(list(Standard)))
    image = draw(geometries())
    old = standard in OLD
    count = draw(st.integers(1, 3))
    made = tuple(
        draw(views(standard, number, image if old else draw(geometries())))
        for number in range(count)
    )
    certified = draw(
        st.sampled_from(
            (0, 0x80 if standard in (Standard.ANSI_2009, Standard.ANSI_2009_AM1) else 8)
        )
    )
    iso_2011 = standard is Standard.ISO_2011
    has_certificates = iso_2011 and (any(view.certificates for view in made) or draw(st.booleans()))
    return MinutiaeRecord(
        standard,
        made,
        product_owner=0 if standard.is_iso else draw(WORDS),
        product_type=0 if standard.is_iso else draw(WORDS),
        certified=0 if iso_2011 else certified,
        device=0 if iso_2011 else draw(st.integers(0, 0x0FFF)),
        image=image if old else None,
        has_certificates=has_certificates,
    )
