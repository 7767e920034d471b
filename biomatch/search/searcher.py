"""The search itself: probes in, candidate lists out; records nothing."""

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from biomatch import __version__
from biomatch.database import Store, schema
from biomatch.errors import OptionError
from biomatch.search import registry, rows
from biomatch.search.executors import Executor
from biomatch.search.filters import Scope, compatible_positions
from biomatch.search.index import Index, PartView, View
from biomatch.search.limits import PERFECT, Limits
from biomatch.search.ranking import Evidence, Hit, best_subjects, fuse, hits_of, merged
from biomatch.search.scan import Found, Job, nothing, scan
from biomatch.search.sources import Extracted
from biomatch.types import Candidate, CandidateList, Coverage, Modality

__all__ = ["Query", "Searcher"]

SHORTLIST = 1000
"""Rows a part that stage 1 hands to stage 2 when the modality names no number of its own."""


@dataclass(frozen=True, slots=True)
class Query:
    """What a search was asked to do beside the probe itself.

    Attributes
    ----------
    k
        Candidates wanted.
    scope
        Filters and rights, without the probe's finger position.
    exhaustive
        Compare every allowed record.
    shortlist
        Rows a part handed to the exact comparison; None = the modality's choice.
    explain
        Candidates that get a `why`.
    options
        Comparison options by name, checked by the modality.
    disclosed
        Galleries that show identities to the searching owner; None = all.
    limits
        Error rates from which candidates are left out.
    whole
        Search what does not answer in time in the calling thread: for reverse searches, dedup
        and measurements, whose findings do not say what they cover.
    """

    k: int = 20
    scope: Scope = field(default_factory=Scope)
    exhaustive: bool = False
    shortlist: int | None = None
    explain: int = 20
    options: Mapping[str, Any] = field(default_factory=dict)
    disclosed: frozenset[str] | None = None
    limits: Limits = field(default_factory=Limits)
    whole: bool = False


@dataclass(slots=True)
class _Progress:
    """One probe template on its way through the search."""

    extracted: Extracted
    modality: Modality[Any]
    scope: Scope
    found: Found = field(default_factory=nothing)
    hits: dict[int, Hit] = field(default_factory=dict)
    penetration: float = 1.0
    coverage: Coverage = field(default_factory=lambda: Coverage(0, 0, 0, 0))


class Searcher:
    """Searches the indexes of one database.

    Parameters
    ----------
    store
        The records.
    index
        Gives the index of a modality.
    executor
        Gives the executor that searches the parts.
    """

    def __init__(
        self, store: Store, index: Callable[[str], Index], executor: Callable[[], Executor]
    ) -> None:
        self.store = store
        self.index = index
        self.executor = executor

    def search(self, probes: Sequence[Sequence[Extracted]], query: Query) -> list[CandidateList]:
        """Search all probes, templates with the same rights and finger together."""
        clock = _Clock()
        names = {e.modality for probe in probes for e in probe}
        views = {name: self.index(name).view() for name in names}
        clock.lap("catch_up")
        work = [[_progress(extracted, query.scope) for extracted in probe] for probe in probes]
        everything = [part for probe in work for part in probe]
        first = {e.modality: e.template for probe in reversed(probes) for e in reversed(probe)}
        options = {
            name: registry.options_for(registry.get(name), query.options, template)
            for name, template in first.items()
        }
        self._scan(everything, views, options, query)
        clock.lap("scan")
        for probe in work:
            self._complete(probe, views, options, query)
        ranked = [_first(_ranked(probe), query.k + 1) for probe in work]
        people = self._people(sorted({key for one in ranked for key in one}))
        clock.lap("rank")
        meanings = {
            part.extracted.modality: part.modality.calibrate(
                np.zeros(1), options=options[part.extracted.modality]
            ).source
            for part in everything
        }
        if query.limits:
            for probe in work:
                _check_limits(probe, options, query.limits)
        drafts = [_draft(p, r, people, views, query) for p, r in zip(work, ranked, strict=True)]
        answers = self._explained(work, drafts, options, query.explain)
        clock.lap("explain")
        return [
            dataclasses.replace(
                answer,
                timings=clock.laps(),
                calibration=" ".join({meanings[p.extracted.modality]: 0 for p in probe}),
            )
            for probe, answer in zip(work, answers, strict=True)
        ]

    def resembling(
        self, probes: Sequence[Extracted], own: Sequence[int], query: Query, lowest: float
    ) -> list[dict[str, Hit]]:
        """Find for each template of one modality all subjects with at least `lowest` log10 LR.

        For searching a gallery against itself: no ranks, no limit of `k`, no explanations, and
        hardly any row reaches the limit, so only those few cost more than the scan.

        Parameters
        ----------
        probes
            Templates of one modality.
        own
            Key of the subject that each comes from, who is left out.
        query
            Where to look, and how.
        lowest
            Least log10 likelihood ratio.

        Returns
        -------
        list of dict
            Subject id -> what counted, for each template.
        """
        if not probes:
            return []
        name = probes[0].modality
        view, reader = self.index(name).view(), registry.get(name)
        options = registry.options_for(reader, query.options, probes[0].template)
        work = [_progress(extracted, query.scope) for extracted in probes]
        self._scan(work, {name: view}, {name: options}, query)
        near = [
            keys[keys != subject]
            for keys, subject in zip(
                _near(work, reader, options, lowest, view.spanning), own, strict=True
            )
        ]
        full = [
            i for i, keys in enumerate(near) if _pool(query.k) - 1 <= len(keys) < view.count - 1
        ]
        for i, keys in enumerate(near):
            if len(keys) and i not in full:
                rows = self._all_rows(work[i], keys, view, options, query)
                hits = hits_of(work[i].extracted.template, rows, reader, self._blobs, options)
                work[i].hits = {k: hit for k, hit in hits.items() if hit.log10_lr >= lowest}
        people = self._people(sorted({key for part in work for key in part.hits}))
        found = [{people[k].id: h for k, h in p.hits.items() if k in people} for p in work]
        if full:
            wider = dataclasses.replace(query, k=4 * query.k)
            again = self.resembling(
                [probes[i] for i in full], [own[i] for i in full], wider, lowest
            )
            for i, hits_by_id in zip(full, again, strict=True):
                found[i] = hits_by_id
        return found

    def _scan(
        self,
        work: Sequence[_Progress],
        views: Mapping[str, View],
        options: Mapping[str, object | None],
        query: Query,
    ) -> None:
        groups: dict[tuple[str, str, Scope], list[_Progress]] = {}
        for part in work:
            model = part.modality.model_id(part.extracted.template)
            groups.setdefault((part.extracted.modality, model, part.scope), []).append(part)
        for (name, model, scope), group in groups.items():
            job = Job(
                modality=name,
                model_id=model,
                templates=tuple(part.extracted.template for part in group),
                scope=scope,
                size=query.shortlist or _shortlist(group[0].modality, query.k),
                pool=_pool(query.k),
                exhaustive=query.exhaustive,
                options=options[name],
                widen=not group[0].modality.exact,
            )
            self._run(group, views[name], job, query)

    def _asked(self, parts: Sequence[PartView], job: Job, query: Query) -> list[list[Found] | None]:
        answers = self.executor().run(parts, job)
        if not query.whole:
            return answers
        return [scan(p, job) if a is None else a for p, a in zip(parts, answers, strict=True)]

    def _run(self, group: Sequence[_Progress], view: View, job: Job, query: Query) -> None:
        fitting = [p for p in view.parts if p.part.model_id == job.model_id]
        answers = self._asked(fitting, job, query)
        failed = [p for p, answer in zip(fitting, answers, strict=True) if answer is None]
        good = [answer for answer in answers if answer is not None]
        strangers = [p for p in view.parts if p.part.model_id != job.model_id and p.count]
        missing = tuple(
            [_silent(p) for p in failed]
            + [
                f"{p.count:,} records made by {p.part.model_id}, not {job.model_id}: "
                "re-enrol them (`biomatch re-enrol`)"
                for p in strangers
            ]
        )
        unseen = sum(p.count for p in (*failed, *strangers))
        for i, part in enumerate(group):
            found = merged([answer[i] for answer in good])
            passed = found.passed
            part.found = found
            part.penetration = found.compared / passed if passed else 1.0
            part.coverage = Coverage(
                records_searched=passed,
                records_total=passed + unseen,
                shards_searched=len(good),
                shards_total=len(good) + len(failed) + len(strangers),
                missing=missing,
            )

    def _complete(
        self,
        probe: Sequence[_Progress],
        views: Mapping[str, View],
        options: Mapping[str, object | None],
        query: Query,
    ) -> None:
        """Score every promising subject on every template and reference, then rank."""
        pool = _pool(query.k)
        promising = [best_subjects(part.found, pool) for part in probe]
        subjects = np.unique(np.concatenate(promising))
        for part in probe:
            name = part.extracted.modality
            found = self._all_rows(part, subjects, views[name], options[name], query)
            part.hits = hits_of(
                part.extracted.template, found, part.modality, self._blobs, options[name]
            )

    def _all_rows(
        self,
        part: _Progress,
        subjects: NDArray[np.int64],
        view: View,
        options: object | None,
        query: Query,
    ) -> Found:
        """Return the rows of all `subjects`, comparing those that the scan did not return.

        A scan returns the first subjects of each part only, even where it compared everything.
        """
        seen = part.found
        kept = np.isin(seen.subjects, subjects)
        if len(seen) == seen.passed:
            return _selected(seen, kept)
        unsure = np.union1d(
            np.setdiff1d(subjects, seen.subjects), np.intersect1d(subjects, view.spanning)
        )
        if not len(unsure):
            return _selected(seen, kept)
        job = Job(
            modality=part.extracted.modality,
            model_id=part.modality.model_id(part.extracted.template),
            templates=(part.extracted.template,),
            scope=part.scope,
            size=0,
            pool=len(unsure),
            options=options,
            subjects=(unsure,),
        )
        fitting = [p for p in view.parts if p.part.model_id == job.model_id]
        answers = self._asked(fitting, job, query)
        late = [p for p, answer in zip(fitting, answers, strict=True) if answer is None]
        part.coverage = _without(part.coverage, late)
        more = merged([answer[0] for answer in answers if answer is not None])
        return merged([_selected(seen, kept & ~np.isin(seen.keys, more.keys)), more])

    def _blobs(self, keys: Sequence[int]) -> Mapping[int, bytes]:
        if not keys:
            return {}
        with self.store.read() as connection:
            return rows.blobs(connection, keys)

    def _people(self, keys: Sequence[int]) -> dict[int, "_Person"]:
        if not keys:
            return {}
        columns = schema.subjects.c
        with self.store.read() as connection:
            found = connection.execute(
                select(columns.key, columns.id, columns.reference, columns.owner).where(
                    columns.key.in_(list(keys))
                )
            )
            return {row.key: _Person(row.id, row.reference, row.owner) for row in found}

    def _explained(
        self,
        work: Sequence[Sequence[_Progress]],
        drafts: Sequence["_Draft"],
        options: Mapping[str, object | None],
        count: int,
    ) -> list[CandidateList]:
        """Add to the first `count` candidates of each answer why they are there."""
        wanted = [hit.key for d in drafts for hits in d.traits[:count] for hit in hits.values()]
        blobs = self._blobs(list(dict.fromkeys(wanted)))
        answers = []
        for probe, draft in zip(work, drafts, strict=True):
            candidates = [
                dataclasses.replace(candidate, why=_reasons(probe, hits, blobs, options))
                for candidate, hits in zip(
                    draft.answer.candidates[:count], draft.traits[:count], strict=True
                )
            ]
            everyone = (*candidates, *draft.answer.candidates[count:])
            answers.append(dataclasses.replace(draft.answer, candidates=everyone))
        return answers


@dataclass(frozen=True, slots=True)
class _Draft:
    """An answer without explanations, and the hits behind each candidate."""

    answer: CandidateList
    traits: list[Mapping[str, Hit]]


@dataclass(frozen=True, slots=True)
class _Person:
    id: str
    reference: str
    owner: str | None


def _candidate(
    rank: int, person: "_Person", entry: tuple[float, Mapping[str, Hit]], records: int
) -> Candidate:
    score, traits = entry
    best = max(traits.values(), key=lambda hit: hit.log10_lr)
    log10_lr = sum(hit.log10_lr for hit in traits.values())
    fmr = best.fmr if len(traits) == 1 else math.nan
    return Candidate(
        rank=rank,
        subject=person.id,
        sample=f"s{best.sample}",
        score=score,
        log10_lr=log10_lr,
        fmr=fmr,
        expected_false=_expected_false(fmr, log10_lr, records),
        owner=person.owner,
        finger_position=best.position,
        parts={trait: hit.log10_lr for trait, hit in traits.items()},
    )


class _Clock:
    """Wall-clock seconds between laps."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self._laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        moment = time.perf_counter()
        self._laps[name] = self._laps.get(name, 0.0) + moment - self._last
        self._last = moment

    def laps(self) -> dict[str, float]:
        return {**self._laps, "total": sum(self._laps.values())}


def _progress(extracted: Extracted, scope: Scope) -> _Progress:
    positions = compatible_positions(extracted.finger_position)
    return _Progress(
        extracted, registry.get(extracted.modality), dataclasses.replace(scope, positions=positions)
    )


def _shortlist(modality: Modality[Any], k: int) -> int:
    return max(int(getattr(modality, "shortlist_size", SHORTLIST)), 10 * k)


def _pool(k: int) -> int:
    """Subjects that each part returns: more than wanted, because later stages re-order them."""
    return max(64, 4 * k)


def _near(
    work: Sequence[_Progress],
    modality: Modality[Any],
    options: object | None,
    lowest: float,
    spanning: NDArray[np.int64],
) -> list[NDArray[np.int64]]:
    """Keys of the subjects that can reach `lowest` log10 LR with each template, sorted.

    One row that reaches it is enough. Several rows of a subject may reach it together, so who
    has more than one row, here or in another part, is kept as well.
    """
    scores = np.concatenate([part.found.scores for part in work])
    reached = modality.calibrate(scores, options=options).log10_lr >= lowest
    edges = np.cumsum([len(part.found) for part in work])[:-1]
    near = []
    for part, enough in zip(work, np.split(reached, edges), strict=True):
        subjects, counts = np.unique(part.found.subjects, return_counts=True)
        kept = (counts > 1) | np.isin(subjects, part.found.subjects[enough])
        if len(spanning):
            kept |= np.isin(subjects, spanning)
        near.append(subjects[kept])
    return near


def _selected(found: Found, kept: NDArray[np.bool_]) -> Found:
    return Found(
        found.keys[kept],
        found.samples[kept],
        found.subjects[kept],
        found.positions[kept],
        found.scores[kept],
        found.compared,
        found.passed,
    )


def _ranked(probe: Sequence[_Progress]) -> dict[int, tuple[float, dict[str, Hit]]]:
    """Subject key -> (score to rank by, hits that count)."""
    if len(probe) == 1:
        part = probe[0]
        trait = part.extracted.modality
        return {s: (hit.score, {trait: hit}) for s, hit in part.hits.items()}
    return fuse([_evidence(part) for part in probe])


def _evidence(part: _Progress) -> Evidence:
    extracted = part.extracted
    name = extracted.sample.capture
    capture = None if name is None else (extracted.sha256, name)
    return Evidence(extracted.modality, capture, extracted.finger_position, part.hits)


def _silent(view: PartView) -> str:
    return f"shard {view.part.name} ({view.count:,} records) did not answer"


def _without(coverage: Coverage, late: Sequence[PartView]) -> Coverage:
    """Take off the parts that answered the scan, but not the question that followed it."""
    fresh = [told for told in map(_silent, late) if told not in coverage.missing]
    return dataclasses.replace(
        coverage,
        shards_searched=coverage.shards_searched - len(fresh),
        missing=(*coverage.missing, *fresh),
    )


def _joined(coverages: Sequence[Coverage]) -> Coverage:
    if len(coverages) == 1:
        return coverages[0]
    return Coverage(
        records_searched=sum(c.records_searched for c in coverages),
        records_total=sum(c.records_total for c in coverages),
        shards_searched=sum(c.shards_searched for c in coverages),
        shards_total=sum(c.shards_total for c in coverages),
        missing=tuple(dict.fromkeys(name for c in coverages for name in c.missing)),
    )


def _expected_false(fmr: float, log10_lr: float, records: int) -> float:
    """Return non-mates expected at this score or above.

    Where no FMR is known, by the bound P(LR > x | different sources) <= 1/x (I. J. Good,
    "Probability and the Weighing of Evidence", 1950, after Turing).
    """
    if not math.isnan(fmr):
        return fmr * records
    return (
        records * min(1.0, 10.0 ** -min(log10_lr, 300.0)) if not math.isnan(log10_lr) else math.nan
    )


def _reasons(
    probe: Sequence[_Progress],
    hits: Mapping[str, Hit],
    blobs: Mapping[int, bytes],
    options: Mapping[str, object | None],
) -> Mapping[str, Any]:
    """Say why; one explanation for a single probe template, else one a finger or modality."""
    found = {
        trait: _why(hit, blobs[hit.key], probe, options)
        for trait, hit in hits.items()
        if hit.key in blobs
    }
    return next(iter(found.values()), {}) if len(probe) == 1 else found


def _why(
    hit: Hit,
    blob: bytes,
    probe: Sequence[_Progress],
    options: Mapping[str, object | None],
) -> Mapping[str, Any]:
    for part in probe:
        if part.hits.get(hit.subject) is hit:
            reference = part.modality.loads(blob)
            chosen = options[part.extracted.modality]
            return part.modality.explain(part.extracted.template, reference, options=chosen)
    return {}


def _first(
    ranked: dict[int, tuple[float, dict[str, Hit]]], k: int
) -> dict[int, tuple[float, dict[str, Hit]]]:
    """Keep the `k` best subjects, and whoever ties with the last of them."""
    if len(ranked) <= k:
        return ranked
    edge = sorted((score for score, _ in ranked.values()), reverse=True)[k - 1]
    return {subject: entry for subject, entry in ranked.items() if entry[0] >= edge}


def _draft(
    probe: Sequence[_Progress],
    ranked: Mapping[int, tuple[float, Mapping[str, Hit]]],
    people: Mapping[int, _Person],
    views: Mapping[str, View],
    query: Query,
) -> _Draft:
    # A subject deleted since the view was taken has no record any more.
    present = [subject for subject in ranked if subject in people]
    order = sorted(present, key=lambda s: (-ranked[s][0], people[s].id))[: query.k + 1]
    coverage = _joined([part.coverage for part in probe])
    scores = [ranked[subject][0] for subject in order] + [math.nan]
    candidates = [
        dataclasses.replace(
            _candidate(rank, people[subject], ranked[subject], coverage.records_searched),
            margin=scores[rank - 1] - scores[rank],
        )
        for rank, subject in enumerate(order[: query.k], start=1)
    ]
    kept = query.limits.kept(candidates, coverage.records_searched)
    names = sorted({part.extracted.modality for part in probe})
    answer = CandidateList(
        candidates=tuple(candidates[:kept]),
        probe=", ".join(dict.fromkeys(_named(part) for part in probe)),
        modality=names[0] if len(names) == 1 else "fusion",
        coverage=coverage,
        penetration=max((part.penetration for part in probe), default=1.0),
        generation=max((views[name].generation for name in names), default=0),
        versions=_versions(probe),
    )
    return _Draft(answer, [ranked[subject][1] for subject in order[:kept]])


def _check_limits(
    probe: Sequence[_Progress], options: Mapping[str, object | None], limits: Limits
) -> None:
    if len(probe) > 1:
        raise OptionError("fused probes have no false match rate: no limit by fmr or fpir")
    name, coverage = probe[0].extracted.modality, probe[0].coverage
    best = probe[0].modality.calibrate(np.full(1, PERFECT), options=options[name])
    limits.check(best, coverage.records_searched)


def _named(part: _Progress) -> str:
    return part.extracted.label or part.extracted.sample.name


def _versions(probe: Sequence[_Progress]) -> dict[str, str]:
    models = {
        part.extracted.modality: part.modality.model_id(part.extracted.template) for part in probe
    }
    return {"biomatch": __version__, **models}
