"""Every exception that biomatch raises on purpose.

::

    BiomatchError
    ├── SampleError (ValueError)        a sample cannot be used
    │   ├── UnreadableSampleError       not the format it claims to be, truncated, too large
    │   ├── NoFeaturesError             readable, but no face, too few minutiae, no loci
    │   └── ResolutionError             ppi missing where needed or below the usable range
    ├── ProfileError (ValueError)       a DNA profile breaks a rule (locus, allele, kit)
    ├── FormatError (ValueError)        a record breaks its standard (field and offset named)
    ├── OptionError (ValueError)        a parameter is out of its range or unknown
    ├── RecordError (LookupError)       a record that was asked for is not there
    ├── DuplicateError (ValueError)     a record with this identity exists already
    ├── SharingError (PermissionError)  the owner's sharing rules forbid this
    ├── IntegrityError                  database, index or model is damaged or does not fit
    │   ├── ModelError                  missing model file or wrong sha256
    │   ├── TemplateMismatchError       templates of different models or versions were mixed
    │   ├── DatabaseError               the database cannot be opened, written or migrated
    │   └── DamagedIndexError           an index is missing, torn or stale and cannot be rebuilt
    └── IncompleteSearchError           part of the gallery was not searched

Messages are one sentence that names the file or field, the offending value and the remedy.
``exit_code`` is what the command line ends with when this exception reaches it.
"""

from typing import ClassVar

__all__ = [
    "BiomatchError",
    "DamagedIndexError",
    "DatabaseError",
    "DuplicateError",
    "FormatError",
    "IncompleteSearchError",
    "IntegrityError",
    "ModelError",
    "NoFeaturesError",
    "OptionError",
    "ProfileError",
    "RecordError",
    "ResolutionError",
    "SampleError",
    "SharingError",
    "TemplateMismatchError",
    "UnreadableSampleError",
]


class BiomatchError(Exception):
    """Base of all exceptions raised by biomatch."""

    exit_code: ClassVar[int] = 1


class SampleError(BiomatchError, ValueError):
    """A sample cannot be made into a template."""


class UnreadableSampleError(SampleError):
    """The file is not what it claims to be, is truncated, or exceeds the size limits."""


class NoFeaturesError(SampleError):
    """The sample was read but holds nothing to compare (no face, too few minutiae, no loci)."""


class ResolutionError(SampleError):
    """The resolution is unknown where it is needed, or outside the usable range."""


class ProfileError(BiomatchError, ValueError):
    """A DNA profile breaks a rule: unknown locus, impossible allele, kit mismatch."""


class FormatError(BiomatchError, ValueError):
    """A standard's record is malformed; the message names field and offset."""


class OptionError(BiomatchError, ValueError):
    """A parameter is unknown or out of its range."""

    exit_code = 2


class RecordError(BiomatchError, LookupError):
    """A record that was asked for does not exist."""


class DuplicateError(BiomatchError, ValueError):
    """A record with the same identity exists already."""


class SharingError(BiomatchError, PermissionError):
    """The sharing rules of the record's owner forbid this access."""


class IntegrityError(BiomatchError):
    """A database, index or model is damaged or does not fit the rest."""

    exit_code = 3


class ModelError(IntegrityError):
    """A model file is missing, or its sha256 is not the registered one."""


class TemplateMismatchError(IntegrityError):
    """Templates made by different models or versions were about to be compared."""


class DatabaseError(IntegrityError):
    """The database cannot be opened, written or migrated."""


class DamagedIndexError(IntegrityError):
    """A derived index is missing, torn or stale, and cannot be rebuilt."""


class IncompleteSearchError(BiomatchError):
    """Part of the gallery was not searched, so an absent candidate proves nothing."""

    exit_code = 4
