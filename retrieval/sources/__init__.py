"""Files and folders to documents."""

from retrieval.sources.filetypes import COLLECTIONS, DEFAULT_LIMITS, READABLE, SUFFIXES, SourceLimits, suffix_of
from retrieval.sources.folders import find_files
from retrieval.sources.reader import read_documents

READING = 4  # raised when the same file comes out otherwise than before, so that what is stored is read again

__all__ = [
    "COLLECTIONS",
    "DEFAULT_LIMITS",
    "READABLE",
    "READING",
    "SUFFIXES",
    "SourceLimits",
    "find_files",
    "read_documents",
    "suffix_of",
]
